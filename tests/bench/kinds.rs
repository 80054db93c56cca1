//! The kinds of queues that siphon and a naive loop are measured on. A new one is a file under `kinds/`, a loop under
//! `naive/`, and a line in `main.rs`.

pub mod amqp;
pub mod kafka;
pub mod nats;
pub mod sqlite;

use std::error::Error;
use std::net::SocketAddr;

use serde_json::Value;

use crate::loads::Load;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    Naive,
    Siphon,
}

/// One kind of queue.
pub trait Kind {
    /// What it is, for the headline.
    const TITLE: &'static str;

    /// Makes `queue` with `events` events of this body in it.
    ///
    /// # Errors
    ///
    /// The broker's.
    fn fill(&self, consumer: Consumer, queue: &str, events: usize, body: &str) -> Result<()>;

    /// The topic of an agent that consumes `queue`.
    fn topic(&self, _queue: &str) -> String {
        "bench".to_owned()
    }

    /// `extra_config` of an agent that consumes `queue`.
    fn driver(&self, queue: &str, prefetch: u16) -> Value;

    /// Arguments of this program for the naive loop, which POSTs what is in `queue` to `http://BACKEND/in`.
    fn naive(&self, queue: &str, load: &Load, backend: SocketAddr) -> Vec<String>;

    /// Removes the queue after its consumer has ended.
    ///
    /// # Errors
    ///
    /// Siphon has left events in it.
    fn finish(&self, consumer: Consumer, queue: &str) -> Result<()>;

    /// The broker's process, where it is known.
    fn broker(&self) -> Option<u32>;
}

/// The broker's process, as `cargo xtask bench` names it in this variable.
fn broker_process(variable: &str) -> Option<u32> {
    std::env::var(variable).ok().and_then(|id| id.parse().ok())
}

/// What [`Kind::finish`] says when not everything was settled.
fn nothing_left(consumer: Consumer, queue: &str, left: usize) -> Result<()> {
    // The naive loop is killed: what it had not settled by then is in the queue again.
    match (consumer, left) {
        (Consumer::Naive, _) | (_, 0) => Ok(()),
        _ => Err(format!("{left} events are left in {queue} after siphon ended").into()),
    }
}
