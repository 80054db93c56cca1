//! Kafka: a task for each record; its offset is stored after the answer, and librdkafka commits what is stored every 5 s.

use std::sync::Arc;

use hyper::Uri;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::OwnedMessage;
use rdkafka::{ClientConfig, Message as _};
use tokio::sync::Semaphore;

use super::http::Backend;
use crate::kinds::Result;

/// Consumes `topic` in a group of the same name, `workers` records at a time, until it is killed.
pub async fn consume(brokers: &str, topic: &str, workers: usize, backend: Uri) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", topic).set("auto.offset.reset", "earliest");
    config.set("enable.auto.offset.store", "false");
    let consumer: Arc<StreamConsumer> = Arc::new(config.create()?);
    consumer.subscribe(&[topic])?;
    let (backend, room) = (Backend::new(backend), Arc::new(Semaphore::new(workers)));
    loop {
        let place = Arc::clone(&room).acquire_owned().await?;
        let record = consumer.recv().await?.detach();
        let (consumer, backend) = (Arc::clone(&consumer), backend.clone());
        tokio::spawn(async move {
            forward(record, &consumer, backend).await;
            drop(place);
        });
    }
}

async fn forward(record: OwnedMessage, consumer: &StreamConsumer, backend: Backend) {
    let body = record.payload().unwrap_or_default().to_vec();
    if backend.takes(body.into()).await {
        // A record whose offset is not stored comes again.
        let _ = consumer.store_offset(record.topic(), record.partition(), record.offset());
    }
}
