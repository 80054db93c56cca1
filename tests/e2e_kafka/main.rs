//! The whole program on a real Kafka. `cargo xtask brokers run --only kafka -- cargo test -p siphon-tests --test e2e_kafka`

mod bench;
mod bridges;
mod broker;
mod errors;
mod examples;
mod gaps;
mod lab;
mod load;
mod login;
mod outages;
mod outcomes;
mod publish;
mod scaling;
mod sharing;
mod start;
mod subscribing;
mod topic;
mod topics;
