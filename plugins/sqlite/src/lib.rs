//! The embedded queue: a driver that needs no server. Named queues live in one SQLite file.
//!
//! [`store`] is the queue itself; it knows nothing of plugins. The driver around it: [`config`] (what
//! an agent writes), [`connect`] (opening), [`consume`] (events out), [`settle`] (verdicts in),
//! [`publish`] (events in); [`deliveries`] and [`patience`] are what these share.

#![forbid(unsafe_code)]

mod backend;
mod config;
mod connect;
mod consume;
mod deliveries;
mod patience;
mod publish;
mod settle;
mod store;
mod topic;

/// Namespace key of the driver.
const KEYS: &[&str] = &["async/sqlite"];

/// How logs call it.
const LABEL: &str = "SQLite";

siphon_sdk::export_plugin!(
    siphon_sdk::source::<connect::Queue>(),
    siphon_sdk::sink::<publish::Publisher>(),
    siphon_sdk::publisher::<backend::QueueBackend>(),
);
