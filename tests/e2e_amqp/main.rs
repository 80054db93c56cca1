//! The whole program on a real RabbitMQ. `cargo xtask brokers run -- cargo test -p siphon-tests --test e2e_amqp`

mod bench;
mod bridges;
mod broker;
mod errors;
mod examples;
mod lab;
mod links;
mod load;
mod outages;
mod outcomes;
mod proxy;
mod queue;
mod scaling;
mod sharing;
mod subscribing;
mod tls;
