//! What goes wrong.

use std::collections::BTreeSet;
use std::path::PathBuf;

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
    /// Calls that hold up the library's one thread, and with it every agent of the library, until the file `release` is there.
    pub block: BTreeSet<Call>,
    /// The file that ends `block`. Default: none, it lasts for ever.
    pub release: Option<PathBuf>,
    /// Calls that end with an error of the connection.
    pub fail: BTreeSet<Call>,
    /// How often a call goes well before it panics, stalls or fails. Default: 0.
    pub after: u32,
    /// Delivers everything at once, whatever the room. Default: false.
    pub flood: bool,
    /// Delivers every event twice under one handle. Default: false.
    pub duplicate: bool,
    /// Delivers under handles that nobody knows, so that no settlement finds its event. Default: false.
    pub foreign: bool,
    /// Topics, keys, headers and the names of headers are no UTF-8. Default: false.
    pub garble: bool,
    /// Codes that no siphon knows. Only of `async/chaos-codes`.
    pub codes: BTreeSet<Code>,
}

/// Where the border's tables say what they must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Code {
    /// A kind of item.
    Item,
    /// The state of the source.
    Poll,
    /// The kind of an error.
    Error,
    /// The weight of a finding.
    Weight,
    /// More settlements were taken than were handed over.
    Taken,
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
