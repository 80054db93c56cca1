//! Doubles for tests: a fake broker behind the real plugin border, a scripted handler, an agent to run them, an HTTP
//! backend that fails on command, the conformance suite of drivers, calls of modifiers and HTTP clients, and where the built program and plugins are.

#![forbid(unsafe_code)]

pub mod agent;
pub mod artifacts;
pub mod conformance;
pub mod fake;
pub mod handler;
pub mod http;
pub mod pipe;
mod watched;

pub use agent::{TestAgent, constant, driver, spec, spec_for};
pub use artifacts::{plugin_file, plugins_dir, shared_dir, siphon_bin};
pub use fake::{Call, FakeBroker, Fate};
pub use handler::{ScriptedHandler, Step};
pub use http::{HttpBackend, Reply, Request};
pub use watched::Watched;
