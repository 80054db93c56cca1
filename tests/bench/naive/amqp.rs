//! RabbitMQ: a task and an acknowledgement for each message.

use std::sync::Arc;

use futures_util::StreamExt as _;
use hyper::Uri;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use tokio::sync::Semaphore;

use super::http::Backend;
use crate::kinds::Result;

/// Consumes `queue`, `workers` messages at a time, until the broker ends it.
pub async fn consume(url: &str, queue: &str, workers: usize, prefetch: u16, backend: Uri) -> Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let consuming =
        channel.basic_consume(queue.into(), "naive".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut deliveries = consuming.await?;
    let (backend, room) = (Backend::new(backend), Arc::new(Semaphore::new(workers)));
    loop {
        let place = Arc::clone(&room).acquire_owned().await?;
        let Some(delivery) = deliveries.next().await else { return Ok(()) };
        let (delivery, backend) = (delivery?, backend.clone());
        tokio::spawn(async move {
            forward(delivery, backend).await;
            drop(place);
        });
    }
}

async fn forward(delivery: Delivery, backend: Backend) {
    let acker = delivery.acker;
    // A message that cannot be settled comes again.
    let _ = if backend.takes(delivery.data.into()).await {
        acker.ack(BasicAckOptions::default()).await
    } else {
        acker.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await
    };
}
