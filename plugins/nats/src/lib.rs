//! Events from NATS: from a durable consumer of JetStream, at least once, or from plain subjects, at most once.
//!
//! [`config`] (what an agent writes), [`address`], [`login`] and [`tls`] (how a server is reached), [`link`] (the connection,
//! which the client mends by itself), [`consumer`] (created or bound), [`receive`] with [`pull`] (events out), [`settle`] with
//! [`held`] (verdicts in), [`plain`] with [`kept`] (without JetStream); [`outgoing`] (messages and confirmations) under
//! [`publish`] (`siphon publish`), [`producer`], [`pubsub`] and [`subscriber`] (backends); [`error`] (what went
//! wrong, and what to do).

#![forbid(unsafe_code)]

mod address;
mod config;
mod consumer;
mod error;
mod held;
mod kept;
mod link;
mod login;
mod message;
mod outgoing;
mod plain;
mod producer;
mod publish;
mod pubsub;
mod pull;
mod receive;
mod settle;
mod source;
mod subject;
mod subscriber;
mod tls;

/// Namespace keys of the driver.
const KEYS: &[&str] = &["async/nats"];

/// How logs call it.
const LABEL: &str = "NATS";

siphon_sdk::export_plugin!(
    siphon_sdk::source::<source::Nats>(),
    siphon_sdk::sink::<publish::Publisher>(),
    siphon_sdk::publisher::<producer::Producer>(),
    siphon_sdk::publisher::<pubsub::NatsTopic>(),
    siphon_sdk::subscriber::<subscriber::NatsSubscription>(),
);
