//! Events from Apache Kafka and brokers that speak its protocol.
//!
//! [`config`] with [`start`], [`tls`], [`sasl`], [`token`] (what an agent writes), [`properties`] (the same in librdkafka's words),
//! [`check`] (what is wrong with it), [`connect`] (getting there), [`session`] with [`watcher`] (the client and what it says),
//! [`consume`] with [`assign`], [`readers`], [`chores`] (events out), [`books`] and [`tracker`] (what may be committed),
//! [`settle`] (verdicts in); [`outgoing`] (records and confirmations) under [`publish`] (`siphon publish`), [`producer`] with
//! [`writing`], [`pubsub`] and [`subscriber`] (backends); [`error`] (what went wrong, and what to do).

#![forbid(unsafe_code)]

mod assign;
mod books;
mod check;
mod chores;
mod config;
mod connect;
mod consume;
mod error;
mod message;
mod outgoing;
mod producer;
mod properties;
mod publish;
mod pubsub;
mod readers;
mod sasl;
mod session;
mod settle;
mod start;
mod subscriber;
mod tls;
mod token;
mod tracker;
mod watcher;
mod writing;

/// KrakenD's namespace key.
const KEYS: &[&str] = &["async/kafka"];

/// How logs call it.
const LABEL: &str = "Kafka";

siphon_sdk::export_plugin!(
    siphon_sdk::source::<connect::Group>(),
    siphon_sdk::sink::<publish::Publisher>(),
    siphon_sdk::publisher::<producer::Producer>(),
    siphon_sdk::publisher::<producer::KrakendProducer>(),
    siphon_sdk::publisher::<pubsub::KafkaTopic>(),
    siphon_sdk::subscriber::<subscriber::Subscriber>(),
    siphon_sdk::subscriber::<subscriber::KafkaGroup>(),
);
