//! What goes wrong.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

/// `async/chaos`: a queue in memory that misbehaves. All keys are optional.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Events to emit, `{"number":0}` and so on. Default: 0.
    pub events: u64,
    /// Name of the queue: agents and publishers of one process that use the same name share it. Default: a queue of the
    /// agent's own name.
    pub queue: Option<String>,
    /// Calls that panic.
    pub panic: BTreeSet<Call>,
    /// Calls that never complete.
    pub stall: BTreeSet<Call>,
    /// Calls that end with an error of the connection.
    pub fail: BTreeSet<Call>,
    /// How often a call goes well before it panics, stalls or fails. Default: 0.
    pub after: u32,
    /// Delivers everything at once, whatever the room. Default: false.
    pub flood: bool,
}

/// A call of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Call {
    Check,
    Connect,
    Recv,
    Settle,
    Ping,
    Pause,
    Close,
    Publish,
}
