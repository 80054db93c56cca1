//! The whole program on a real NATS server. `cargo xtask brokers run -- cargo test -p siphon-tests --test e2e_nats`

mod bench;
mod bridges;
mod errors;
mod examples;
mod jwt;
mod lab;
mod load;
mod logins;
mod outages;
mod outcomes;
mod plain;
mod scaling;
mod server;
mod sharing;
mod stream;
mod subscribing;
mod tls;
mod verdicts;
