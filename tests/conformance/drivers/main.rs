//! Each driver of this workspace on its real broker: `cargo xtask conformance [DRIVER]`. One file for each driver:
//! a `Bench` with the driver's library, its key, and the configuration of a fresh queue.

mod amqp;
#[path = "../../e2e_amqp/broker.rs"]
#[allow(dead_code, reason = "the tests of the whole program use the rest")]
mod broker;
mod kafka;
mod nats;
#[path = "../../e2e_nats/server.rs"]
#[allow(dead_code, reason = "the tests of the whole program use the rest")]
mod server;
mod sqlite;
#[path = "../../e2e_nats/stream.rs"]
#[allow(dead_code, reason = "the tests of the whole program use the rest")]
mod stream;
