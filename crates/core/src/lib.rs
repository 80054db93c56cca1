//! The agent runtime and the plugin host.
//!
//! Knows no broker, no HTTP and no pipe: events come from a driver plugin behind the ABI, go through a [`Handler`], and are
//! settled by the delivery policy. The life of an event is told in ARCHITECTURE.md.

#![allow(unsafe_code)] // in `plugin` only: every other module is under a forbid of its own

#[forbid(unsafe_code)]
mod agent;
#[forbid(unsafe_code)]
mod connection;
#[forbid(unsafe_code)]
mod deliveries;
#[forbid(unsafe_code)]
pub mod delivery;
#[forbid(unsafe_code)]
mod handler;
#[forbid(unsafe_code)]
mod outage;
pub mod plugin;
#[forbid(unsafe_code)]
mod shards;
#[forbid(unsafe_code)]
mod shutdown;
#[forbid(unsafe_code)]
mod status;
#[forbid(unsafe_code)]
mod subscription;
#[forbid(unsafe_code)]
mod supervisor;

pub use agent::AgentSpec;
pub use handler::{Failure, FailureKind, Handled, Handler, OnDone, Outcome, attempt};
pub use plugin::{Event, EventParts};
pub use shards::Shards;
pub use shutdown::{Phase, Shutdown, ShutdownHandle};
pub use siphon_abi as abi;
pub use status::{AgentState, AgentStatus, Snapshot};
pub use subscription::{NotTaken, Received, Subscription};
pub use supervisor::{AgentEnd, supervise};
