//! The yardstick: the least that a forwarder does, written without thought for speed. Each loop takes an event, POSTs its
//! body, awaits the answer, and settles it by itself.

mod amqp;
mod http;
mod kafka;
mod nats;
pub mod sqlite;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::kinds::Result;

/// A naive loop, in a process of its own.
#[derive(Debug, clap::Subcommand)]
pub enum Naive {
    Amqp { url: String, queue: String, workers: usize, prefetch: u16, backend: hyper::Uri },
    Kafka { brokers: String, topic: String, workers: usize, backend: hyper::Uri },
    Nats { url: String, stream: String, workers: usize, prefetch: u16, backend: hyper::Uri },
    Sqlite { file: PathBuf, workers: usize, backend: SocketAddr },
}

/// Consumes until it is killed, or until there is nothing more and no more input.
pub fn run(naive: Naive) -> Result<()> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match naive {
        Naive::Amqp { url, queue, workers, prefetch, backend } => {
            runtime()?.block_on(amqp::consume(&url, &queue, workers, prefetch, backend))
        }
        Naive::Kafka { brokers, topic, workers, backend } => {
            runtime()?.block_on(kafka::consume(&brokers, &topic, workers, backend))
        }
        Naive::Nats { url, stream, workers, prefetch, backend } => {
            runtime()?.block_on(nats::consume(&url, &stream, workers, prefetch, backend))
        }
        Naive::Sqlite { file, workers, backend } => sqlite::consume(&file, workers, backend),
    }
}
