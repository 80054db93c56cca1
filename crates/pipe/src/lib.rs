//! The backend pipeline of an event: a stack of stages around HTTP backends, built once from an agent's configuration.
//!
//! [`Pipe::build`] makes the stack, [`Pipe::run`] pushes one [`Request`] through it and gives a [`Reply`]: data, an
//! error, or both. The pipe knows no broker and no plugin. The order of the stages, the rules and the texts are those
//! of the reference (pipeline.md §4–§12), except where docs/differences.md says otherwise.

#![forbid(unsafe_code)]

mod backend;
mod calling;
mod choice;
mod components;
mod decode;
mod discovery;
mod error;
#[cfg(feature = "cel")]
mod expression;
mod feed;
mod filter;
mod fixed;
#[cfg(test)]
#[path = "../tests/support/model.rs"]
mod fixture;
mod flatmap;
mod hosts;
pub mod http;
mod join;
mod json;
mod merge;
mod message;
mod pattern;
mod percent;
mod pipe;
mod place;
#[cfg(feature = "jmespath")]
mod query;
mod reference;
mod sequence;
#[cfg(test)]
#[path = "../tests/support/server.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod server;
mod shadow;
mod stage;
mod taken;
mod target;
mod template;
mod timed;
mod xml;

pub use backend::Reading;
pub use components::{
    Build, BuildCaller, BuildLayer, BuildNested, BuildStage, BuildTransport, CallOptions, Checked, Entry, Joining,
    Layer, Level, NoTransports, Part, Site, Transports, UnknownKeys, component_table, dead_letters,
};
pub use error::{Call, FailureKind, Outcome, PipeError};
pub use json::{Fields, Items, Json, JsonError, JsonRef, Object, Text, View};
pub use message::{Params, Reply, Request, Response};
pub use pipe::{BackendDescription, Description, Pipe};
pub use stage::{Context, Stage, StageFuture};
pub use taken::{Hold, Taken};
