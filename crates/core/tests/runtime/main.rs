//! The agent runtime against the fake broker: every event crosses the real tables of the plugin ABI.

mod bounds;
mod breaking;
mod connection;
mod drain;
mod memory;
mod metrics;
mod outages;
mod panics;
mod partitions;
mod pipe;
mod pipe_tables;
mod room;
mod settlement;
mod source;
mod subscription;
