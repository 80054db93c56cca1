//! Doubles for tests: a backend that fails on command, and where the built program and plugins are.

#![forbid(unsafe_code)]

pub mod artifacts;
pub mod http;
mod watched;

pub use artifacts::{plugin_file, plugins_dir, shared_dir, siphon_bin};
pub use http::{HttpBackend, Reply, Request};
pub use watched::Watched;
