//! The agent runtime against the fake broker: every event crosses the real tables of the plugin ABI.

mod bounds;
mod breaking;
mod connection;
mod drain;
mod memory;
mod metrics;
mod panics;
mod partitions;
mod settlement;
mod source;
