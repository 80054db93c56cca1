//! Events from RabbitMQ and other brokers of AMQP 0-9-1.
//!
//! [`config`] (what an agent writes), [`uri`] and [`tls`] (where the broker is), [`connect`] and [`declare`] (getting
//! there), [`consume`] (events out), [`settle`] with [`plan`] (verdicts in); [`outgoing`] (messages and confirmations) under
//! [`publish`] (`siphon publish`), [`producer`], [`consumer`] and [`pubsub`] (backends); [`error`] (what the broker says, and
//! what to do).

#![forbid(unsafe_code)]

mod arguments;
mod config;
mod connect;
mod consume;
mod consumer;
mod declare;
mod error;
mod message;
mod outgoing;
mod plan;
mod producer;
mod publish;
mod pubsub;
mod settle;
mod tls;
mod uri;

/// Namespace keys of the driver: KrakenD's, short and long, and those of the consumer backend, which the project's
/// founding page uses for agents.
const KEYS: &[&str] = &[
    "async/amqp",
    "github.com/devopsfaith/krakend-amqp/agent",
    "github.com/devopsfaith/krakend-amqp/consume",
    "backend/amqp/consumer",
];

/// How logs call it.
const LABEL: &str = "AMQP";

siphon_sdk::export_plugin!(
    siphon_sdk::source::<connect::Broker>(),
    siphon_sdk::sink::<publish::Publisher>(),
    siphon_sdk::publisher::<producer::Producer>(),
    siphon_sdk::publisher::<pubsub::RabbitTopic>(),
    siphon_sdk::subscriber::<consumer::Consumer>(),
    siphon_sdk::subscriber::<pubsub::RabbitQueue>(),
);
