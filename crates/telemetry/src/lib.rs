//! What siphon says about itself: the log, and every name that appears in it.
//!
//! [`logs::init`] installs the one subscriber of the process. Things that happen to agents are the structs of
//! [`names`]; [`repeats`] keeps thousands of equal failures from flooding the log; [`foreign_event`] brings in what a
//! plugin says, which has its own copy of `tracing` and therefore cannot use ours. [`redact`] keeps secrets out of all that is shown,
//! here and elsewhere. [`metrics`] counts and measures, for `/metrics`.

#![forbid(unsafe_code)]

pub mod clock;
mod foreign;
pub mod level;
pub mod logs;
pub mod metrics;
pub mod names;
mod record;
pub mod redact;
mod render;
pub mod repeats;

pub use foreign::foreign_event;
pub use level::{Level, UnknownLevel, choose_level};
pub use logs::{Format, InitError, LogSettings, LogTarget};
pub use metrics::{AgentMetrics, AgentState, Metrics, PipeMetrics};
pub use names::{
    AgentConnected, AgentDrained, AgentFailed, AgentLost, AgentStalled, AgentStarted, BreakerMoved, End, EventFailed,
    FailureLog, Label, ScriptPrinted, ShadowsOverrun,
};
