//! NATS: a stream of JetStream in memory, which costs the server least, with a durable consumer.

use std::net::SocketAddr;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Consumer, Kind, Result, broker_process, nothing_left};
use crate::loads::Load;

/// Events that are published at once.
const AT_ONCE: usize = 500;

/// The consumer of siphon, and of the naive loop.
pub const DURABLE: &str = "bench";

/// The server that `cargo xtask bench` has started, and a client of it.
pub struct Nats {
    url: String,
    jetstream: Context,
    runtime: Runtime,
}

impl Nats {
    /// Connects.
    ///
    /// # Errors
    ///
    /// There is no server.
    pub fn connect() -> Result<Self> {
        let url =
            std::env::var("SIPHON_TEST_NATS").map_err(|_| "no server; run this with: cargo xtask bench -- nats")?;
        // The client's own tasks go on while the bench waits elsewhere.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let jetstream = runtime.block_on(async { async_nats::connect(&url).await.map(jetstream::new) })?;
        Ok(Self { url, jetstream, runtime })
    }

    async fn create(&self, stream: &str) -> Result<()> {
        let subjects = vec![subject(stream)];
        let config = Config { name: stream.into(), subjects, storage: StorageType::Memory, ..Config::default() };
        self.jetstream.create_stream(config).await?;
        Ok(())
    }

    /// Returns when the server has confirmed all.
    async fn publish(&self, stream: &str, events: usize, body: &str) -> Result<()> {
        let publish = async || {
            let sent = self.jetstream.publish(subject(stream), body.to_owned().into()).await?;
            sent.await.map(drop)
        };
        for start in (0..events).step_by(AT_ONCE) {
            try_join_all((start..events.min(start + AT_ONCE)).map(|_| publish())).await?;
        }
        Ok(())
    }

    /// Events that are not acknowledged.
    async fn left(&self, stream: &str) -> Result<usize> {
        let stream = self.jetstream.get_stream(stream).await?;
        let mut consumer = stream.get_consumer::<pull::Config>(DURABLE).await.map_err(|error| error.to_string())?;
        let info = consumer.info().await?;
        Ok(usize::try_from(info.num_pending)? + info.num_ack_pending)
    }
}

/// What the events of a stream are published under.
fn subject(stream: &str) -> String {
    format!("{stream}.events")
}

impl Kind for Nats {
    const TITLE: &'static str = "NATS JetStream";

    fn fill(&self, _: Consumer, queue: &str, events: usize, body: &str) -> Result<()> {
        self.runtime.block_on(async {
            self.create(queue).await?;
            self.publish(queue, events, body).await
        })
    }

    fn topic(&self, queue: &str) -> String {
        subject(queue)
    }

    fn driver(&self, queue: &str, prefetch: u16) -> Value {
        json!({"async/nats": {
            "servers": self.url, "stream": queue, "durable": DURABLE, "max_ack_pending": prefetch,
        }})
    }

    fn naive(&self, queue: &str, load: &Load, backend: SocketAddr) -> Vec<String> {
        let (workers, prefetch) = (load.workers.to_string(), load.prefetch.to_string());
        vec!["nats".into(), self.url.clone(), queue.into(), workers, prefetch, format!("http://{backend}/in")]
    }

    fn finish(&self, consumer: Consumer, queue: &str) -> Result<()> {
        let left = self.runtime.block_on(async {
            let left = self.left(queue).await?;
            self.jetstream.delete_stream(queue).await?;
            Ok::<_, Box<dyn std::error::Error>>(left)
        })?;
        nothing_left(consumer, queue, left)
    }

    fn broker(&self) -> Option<u32> {
        broker_process("SIPHON_TEST_NATS_PROCESS")
    }
}
