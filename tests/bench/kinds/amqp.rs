//! RabbitMQ: a classic queue in the broker's memory, which costs the broker least.

use std::net::SocketAddr;

use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Consumer, Kind, Result, broker_process, nothing_left};
use crate::loads::Load;

/// Events that are published at once.
const AT_ONCE: usize = 500;

/// The broker that `cargo xtask bench` has started, and a client of it.
pub struct Amqp {
    url: String,
    channel: Channel,
    _connection: Connection,
    runtime: Runtime,
}

impl Amqp {
    /// Connects.
    ///
    /// # Errors
    ///
    /// There is no broker.
    pub fn connect() -> Result<Self> {
        let url =
            std::env::var("SIPHON_TEST_AMQP").map_err(|_| "no broker; run this with: cargo xtask bench -- amqp")?;
        // Without the last slash: the client takes an empty path for an empty vhost.
        let url = url.trim_end_matches('/').to_owned();
        // The client's own tasks go on while the bench waits elsewhere.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (connection, channel) = runtime.block_on(async {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>((connection, channel))
        })?;
        Ok(Self { url, channel, _connection: connection, runtime })
    }

    /// Declares the queue as siphon does, or only looks at it: messages in it that nobody has taken.
    async fn declare(&self, queue: &str, passive: bool) -> lapin::Result<usize> {
        let options = QueueDeclareOptions { passive, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(queue.message_count() as usize)
    }

    /// Returns when the broker has confirmed all.
    async fn publish(&self, queue: &str, events: usize, body: &str) -> lapin::Result<()> {
        let publish = async || {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            self.channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties).await?.await
        };
        for start in (0..events).step_by(AT_ONCE) {
            try_join_all((start..events.min(start + AT_ONCE)).map(|_| publish())).await?;
        }
        Ok(())
    }
}

impl Kind for Amqp {
    const TITLE: &'static str = "RabbitMQ";

    fn fill(&self, _: Consumer, queue: &str, events: usize, body: &str) -> Result<()> {
        self.runtime.block_on(async {
            self.declare(queue, false).await?;
            self.publish(queue, events, body).await?;
            match self.declare(queue, true).await? {
                found if found == events => Ok(()),
                found => Err(format!("{found} events are in {queue}, not {events}").into()),
            }
        })
    }

    fn driver(&self, queue: &str, prefetch: u16) -> Value {
        json!({"async/amqp": {"host": self.url, "name": queue, "prefetch_count": prefetch}})
    }

    fn naive(&self, queue: &str, load: &Load, backend: SocketAddr) -> Vec<String> {
        let (workers, prefetch) = (load.workers.to_string(), load.prefetch.to_string());
        vec!["amqp".into(), self.url.clone(), queue.into(), workers, prefetch, format!("http://{backend}/in")]
    }

    fn finish(&self, consumer: Consumer, queue: &str) -> Result<()> {
        let left = self.runtime.block_on(async {
            let left = self.declare(queue, true).await?;
            self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
            Ok::<_, lapin::Error>(left)
        })?;
        nothing_left(consumer, queue, left)
    }

    fn broker(&self) -> Option<u32> {
        broker_process("SIPHON_TEST_AMQP_PROCESS")
    }
}
