//! The embedded queue: a driver that needs no server. Named queues live in one SQLite file.
//!
//! [`store`] is the queue itself; it knows nothing of plugins. The driver around it: [`config`] (what
//! an agent writes), [`connect`] (opening), [`consume`] (events out), [`settle`] (verdicts in),
//! [`publish`] (events in).

#![forbid(unsafe_code)]

mod config;
mod connect;
mod consume;
mod publish;
mod settle;
mod store;
mod topic;

/// Namespace key of the driver.
const KEYS: &[&str] = &["async/sqlite"];

/// How logs call it.
const LABEL: &str = "SQLite";

siphon_sdk::export_plugin!(siphon_sdk::source::<connect::Queue>(), siphon_sdk::sink::<publish::Publisher>());
