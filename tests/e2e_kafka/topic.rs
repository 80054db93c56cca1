//! A test's own topic, seen by a client of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use siphon_tests::eventually;
use tokio::runtime::Runtime;

use super::broker::Broker;

/// Longest time for an answer of the broker.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A topic and a producer for it. The group that reads it has the same name.
pub struct Topic {
    pub name: String,
    partitions: i32,
    address: String,
    producer: FutureProducer,
    runtime: Runtime,
}

/// A name that no other test and no other run uses.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    format!("{name}-{}-{}-{}", now.as_millis(), std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Topic {
    pub fn new(broker: &Broker, name: &str, partitions: i32) -> Self {
        Self::with(broker, name, partitions, &[])
    }

    /// A topic with settings of its own.
    pub fn with(broker: &Broker, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Self {
        Self::later(broker, name, partitions).create(settings)
    }

    /// A topic that is not there yet.
    pub fn later(broker: &Broker, name: &str, partitions: i32) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = broker.address().to_owned();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &address).set("enable.idempotence", "true").set("linger.ms", "1");
        let producer = runtime.block_on(async { config.create().expect("a producer") });
        Self { name: unique(name), partitions, address, producer, runtime }
    }

    /// Creates it.
    pub fn create(self, settings: &[(&str, &str)]) -> Self {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let mut topic = NewTopic::new(&self.name, self.partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let created = self.runtime.block_on(admin.create_topics([&topic], &options)).expect("an answer");
        created.into_iter().for_each(|result| drop(result.expect("created")));
        self
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    /// Publishes, in turn to each partition; returns when the broker has confirmed all.
    pub fn publish<P: AsRef<str>>(&self, payloads: impl IntoIterator<Item = P>) {
        let partitions = (0..self.partitions).cycle();
        self.send(payloads.into_iter().zip(partitions));
    }

    /// Publishes to one partition.
    pub fn publish_to<P: AsRef<str>>(&self, partition: i32, payloads: impl IntoIterator<Item = P>) {
        self.send(payloads.into_iter().map(|payload| (payload, partition)));
    }

    fn send<P: AsRef<str>>(&self, records: impl Iterator<Item = (P, i32)>) {
        let records: Vec<_> = records.collect();
        // Fewer than the client's queue takes.
        for part in records.chunks(10_000) {
            self.runtime.block_on(self.send_part(part));
        }
    }

    async fn send_part<P: AsRef<str>>(&self, records: &[(P, i32)]) {
        let mut confirms = Vec::new();
        for (payload, partition) in records {
            let payload = payload.as_ref();
            let record = FutureRecord::to(&self.name).partition(*partition).key(payload).payload(payload);
            confirms.push(self.producer.send_result(record).map_err(|(error, _)| error).expect("a place in the queue"));
        }
        for confirm in confirms {
            confirm.await.expect("an answer").map_err(|(error, _)| error).expect("taken");
        }
    }

    /// Publishes one record with a key and headers.
    pub fn publish_record(&self, partition: i32, key: &str, headers: &[(&str, &str)], timestamp: i64, payload: &str) {
        let mut own = OwnedHeaders::new();
        for (key, value) in headers {
            own = own.insert(Header { key, value: Some(*value) });
        }
        let record = FutureRecord::to(&self.name).partition(partition).key(key).payload(payload);
        let sent = self.producer.send(record.headers(own).timestamp(timestamp), PATIENCE);
        self.runtime.block_on(sent).map_err(|(error, _)| error).expect("taken");
    }

    /// A client that reads by itself, without a group's help.
    pub fn reader(&self, group: &str) -> BaseConsumer {
        self.client().set("group.id", group).set("enable.auto.commit", "false").create().expect("a consumer")
    }

    /// The group's committed position of each partition; -1 where it has none.
    pub fn committed(&self) -> Vec<i64> {
        self.committed_of(&self.name)
    }

    /// The same of another group.
    pub fn committed_of(&self, group: &str) -> Vec<i64> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&self.name, 0, self.partitions - 1);
        let known = self.reader(group).committed_offsets(asked, PATIENCE).expect("an answer");
        let position = |offset: Offset| if let Offset::Offset(position) = offset { position } else { -1 };
        known.elements().iter().map(|element| position(element.offset())).collect()
    }

    /// Where each partition ends: the offset of the next record.
    pub fn ends(&self) -> Vec<i64> {
        let reader = self.reader("ends");
        let end = |partition| reader.fetch_watermarks(&self.name, partition, PATIENCE).expect("an answer").1;
        (0..self.partitions).map(end).collect()
    }

    /// Everything that is on the topic: key, headers and payload of each record.
    pub fn records(&self) -> Vec<Record> {
        let (reader, ends) = (self.reader("records"), self.ends());
        let mut assigned = TopicPartitionList::new();
        for partition in 0..self.partitions {
            assigned.add_partition_offset(&self.name, partition, Offset::Beginning).expect("an offset");
        }
        reader.assign(&assigned).expect("assigned");
        let total: i64 = ends.iter().sum();
        let next = |_| record(&reader.poll(PATIENCE).expect("a record in time").expect("a record"));
        (0..total).map(next).collect()
    }

    /// Deletes the records of partition 0 before `offset`, as retention does.
    pub fn delete_before(&self, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let mut until = TopicPartitionList::new();
        until.add_partition_offset(&self.name, 0, Offset::Offset(offset)).expect("an offset");
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let deleted = self.runtime.block_on(admin.delete_records(&until, &options)).expect("an answer");
        deleted.elements().iter().for_each(|element| element.error().expect("deleted"));
    }

    /// Waits until everything is committed.
    #[track_caller]
    pub fn wait_until_committed(&self) {
        let ends = self.ends();
        eventually(&format!("{} to be committed up to {ends:?}, it is at {:?}", self.name, self.committed()), || {
            let committed = self.committed();
            // A partition without records may have no position.
            let is_done = committed.iter().zip(&ends).all(|(position, end)| position == end || *end == 0);
            is_done.then_some(())
        });
    }
}

/// Key, headers and payload.
pub type Record = (String, Vec<(String, String)>, String);

fn record(message: &BorrowedMessage<'_>) -> Record {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).expect("text");
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers = headers.map(|header| (header.key.to_owned(), text(header.value))).collect();
    (text(message.key()), headers, text(message.payload()))
}

/// `event-1` to `event-count`.
pub fn ids(count: usize) -> BTreeSet<String> {
    (1..=count).map(|n| format!("event-{n}")).collect()
}
