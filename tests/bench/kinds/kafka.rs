//! Kafka: a topic of a few partitions, and a group of the same name.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Consumer, Kind, Result, broker_process, nothing_left};
use crate::loads::Load;

const PARTITIONS: i32 = 4;

/// Records that are published at once: fewer than the client's queue takes.
const AT_ONCE: usize = 10_000;

/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The broker that `cargo xtask bench` has started, and clients of it.
pub struct Kafka {
    address: String,
    producer: FutureProducer,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
}

impl Kafka {
    /// # Errors
    ///
    /// No broker is named.
    pub fn connect() -> Result<Self> {
        let address =
            std::env::var("SIPHON_TEST_KAFKA").map_err(|_| "no broker; run this with: cargo xtask bench -- kafka")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &address);
        let (producer, admin) = runtime.block_on(async {
            let admin = config.create()?;
            Ok::<_, rdkafka::error::KafkaError>((config.set("enable.idempotence", "true").create()?, admin))
        })?;
        Ok(Self { address, producer, admin, runtime })
    }

    async fn create(&self, topic: &str) -> Result<()> {
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let topic = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        for created in self.admin.create_topics([&topic], &options).await? {
            created.map_err(|(topic, error)| format!("{topic}: {error}"))?;
        }
        Ok(())
    }

    /// Returns when the broker has confirmed all.
    async fn publish(&self, topic: &str, events: usize, body: &str) -> Result<()> {
        for start in (0..events).step_by(AT_ONCE) {
            let mut confirms = Vec::new();
            for (_, partition) in (start..events.min(start + AT_ONCE)).zip((0..PARTITIONS).cycle()) {
                let record = FutureRecord::<(), _>::to(topic).partition(partition).payload(body);
                confirms.push(self.producer.send_result(record).map_err(|(error, _)| error)?);
            }
            for confirm in try_join_all(confirms).await? {
                confirm.map_err(|(error, _)| error)?;
            }
        }
        Ok(())
    }

    /// Records that the group has not committed.
    fn left(&self, queue: &str) -> Result<usize> {
        let mut config = ClientConfig::new();
        let reader: BaseConsumer = config.set("bootstrap.servers", &self.address).set("group.id", queue).create()?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(queue, 0, PARTITIONS - 1);
        let committed = reader.committed_offsets(asked, PATIENCE)?;
        let mut left = 0;
        for partition in committed.elements() {
            let (first, end) = reader.fetch_watermarks(queue, partition.partition(), PATIENCE)?;
            let position = if let Offset::Offset(position) = partition.offset() { position } else { first };
            left += usize::try_from(end - position)?;
        }
        Ok(left)
    }
}

impl Kind for Kafka {
    const TITLE: &'static str = "Kafka";

    fn fill(&self, _: Consumer, queue: &str, events: usize, body: &str) -> Result<()> {
        self.runtime.block_on(async {
            self.create(queue).await?;
            self.publish(queue, events, body).await
        })
    }

    fn topic(&self, queue: &str) -> String {
        queue.to_owned()
    }

    fn driver(&self, queue: &str, _: u16) -> Value {
        json!({"async/kafka": {
            "cluster": {"brokers": [self.address]}, "group": {"id": queue}, "start": "earliest",
        }})
    }

    fn naive(&self, queue: &str, load: &Load, backend: SocketAddr) -> Vec<String> {
        let workers = load.workers.to_string();
        vec!["kafka".into(), self.address.clone(), queue.into(), workers, format!("http://{backend}/in")]
    }

    fn finish(&self, consumer: Consumer, queue: &str) -> Result<()> {
        let left = self.left(queue)?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        self.runtime.block_on(self.admin.delete_topics(&[queue], &options))?;
        nothing_left(consumer, queue, left)
    }

    fn broker(&self) -> Option<u32> {
        broker_process("SIPHON_TEST_KAFKA_PROCESS")
    }
}
