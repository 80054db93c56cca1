//! A test's own queue, seen by a client of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use siphon_tests::eventually;
use tokio::runtime::Runtime;

use crate::broker::Broker;

/// A client of the broker, and a queue that is deleted with it.
pub struct Queue {
    pub name: String,
    channel: Channel,
    _connection: Connection,
    runtime: Runtime,
}

/// A name that no other test and no other run uses.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Queue {
    /// A client for a queue that siphon declares.
    pub fn later(broker: &Broker, name: &str) -> Self {
        // The client's own tasks go on while the test waits elsewhere.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (connection, channel) = runtime.block_on(async {
            // Without the last slash: the client takes an empty path for an empty vhost.
            let url = broker.url().trim_end_matches('/');
            let connection = Connection::connect(url, ConnectionProperties::default()).await;
            let connection = connection.expect("the broker answers");
            let channel = connection.create_channel().await.expect("a channel");
            channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
            (connection, channel)
        });
        Self { name: unique(name), channel, _connection: connection, runtime }
    }

    /// A durable queue, declared as siphon does it with `durable`.
    pub fn durable(broker: &Broker, name: &str) -> Self {
        let queue = Self::later(broker, name);
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let declared = queue.channel.queue_declare(queue.name.as_str().into(), options, FieldTable::default());
        queue.runtime.block_on(declared).expect("declared");
        queue
    }

    /// A durable queue that only this client's connection may use.
    pub fn exclusive(broker: &Broker, name: &str) -> Self {
        let queue = Self::later(broker, name);
        let options = QueueDeclareOptions { durable: true, exclusive: true, ..QueueDeclareOptions::default() };
        let declared = queue.channel.queue_declare(queue.name.as_str().into(), options, FieldTable::default());
        queue.runtime.block_on(declared).expect("declared");
        queue
    }

    /// A client for a queue that is there already.
    pub fn existing(broker: &Broker, name: &str) -> Self {
        let mut queue = Self::later(broker, name);
        queue.name = name.to_owned();
        queue
    }

    /// An exchange of the queue's name that leads to it; returns the name.
    pub fn bind_exchange(&self, key: &str) -> &str {
        let name = || ShortString::from(self.name.as_str());
        let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
        self.runtime.block_on(async {
            let declared = self.channel.exchange_declare(name(), ExchangeKind::Topic, options, FieldTable::default());
            declared.await.expect("declared");
            let (key, options) = (ShortString::from(key), QueueBindOptions::default());
            let bound = self.channel.queue_bind(name(), name(), key, options, FieldTable::default());
            bound.await.expect("bound");
        });
        &self.name
    }

    /// Publishes straight to the queue; returns when the broker has confirmed all.
    pub fn publish<P: AsRef<[u8]>>(&self, payloads: impl IntoIterator<Item = P>) {
        self.publish_with("", &self.name, &BasicProperties::default(), payloads);
    }

    pub fn publish_with<P: AsRef<[u8]>>(
        &self,
        exchange: &str,
        key: &str,
        properties: &BasicProperties,
        payloads: impl IntoIterator<Item = P>,
    ) {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = properties.clone().with_delivery_mode(2);
        self.runtime.block_on(async {
            let mut confirms = Vec::new();
            for payload in payloads {
                let payload = payload.as_ref();
                let sent =
                    self.channel.basic_publish(exchange.into(), key.into(), options, payload, properties.clone());
                confirms.push(sent.await.expect("sent"));
            }
            for confirm in confirms {
                let confirmation = confirm.await.expect("an answer");
                assert!(confirmation.is_ack() && confirmation.take_message().is_none(), "not taken, or not routed");
            }
        });
    }

    /// Publishes, and says whether a queue took it.
    pub fn try_publish(&self, exchange: &str, key: &str, payload: &str) -> bool {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, properties) = (exchange.into(), BasicProperties::default());
        self.runtime.block_on(async {
            let sent = self.channel.basic_publish(exchange, key.into(), options, payload.as_bytes(), properties);
            let confirmation = sent.await.expect("sent").await.expect("an answer");
            confirmation.is_ack() && confirmation.take_message().is_none()
        })
    }

    /// Messages that wait in the queue, those not counted that somebody has and did not acknowledge.
    pub fn waiting(&self) -> u32 {
        self.waiting_in(&self.name)
    }

    /// The same of another queue.
    pub fn waiting_in(&self, name: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = self.channel.queue_declare(name.into(), options, FieldTable::default());
        self.runtime.block_on(asked).expect("the queue is there").message_count()
    }

    /// Waits until so many messages wait in the queue.
    #[track_caller]
    pub fn wait_for(&self, count: u32) {
        eventually(&format!("{count} messages in {}", self.name), || (self.waiting() == count).then_some(()));
    }

    /// Takes the next message out.
    #[track_caller]
    pub fn take(&self) -> BasicGetMessage {
        let name = self.name.as_str();
        eventually("a message", || {
            let got = self.runtime.block_on(self.channel.basic_get(name.into(), BasicGetOptions::default()));
            let message = got.expect("the queue is there")?;
            self.runtime.block_on(message.acker.ack(BasicAckOptions::default())).expect("acknowledged");
            Some(message)
        })
    }

    /// Deletes the queue under siphon's feet.
    pub fn delete(&self) {
        self.delete_queue(&self.name);
    }

    pub fn delete_exchange(&self, name: &str) {
        let deleted = self.channel.exchange_delete(name.into(), ExchangeDeleteOptions::default());
        self.runtime.block_on(deleted).expect("deleted");
    }

    pub fn delete_queue(&self, name: &str) {
        let deleted = self.channel.queue_delete(name.into(), QueueDeleteOptions::default());
        self.runtime.block_on(deleted).expect("deleted");
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let deleted = self.channel.queue_delete(self.name.as_str().into(), QueueDeleteOptions::default());
        // The broker may have been killed meanwhile.
        let _ = self.runtime.block_on(deleted);
    }
}

/// `event-1` to `event-count`.
pub fn ids(count: usize) -> BTreeSet<String> {
    (1..=count).map(|n| format!("event-{n}")).collect()
}
