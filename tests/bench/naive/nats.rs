//! NATS: a task and an acknowledgement for each message of a durable pull consumer.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, AckKind, Message};
use futures_util::StreamExt as _;
use hyper::Uri;
use tokio::sync::Semaphore;

use super::http::Backend;
use crate::kinds::{Result, nats::DURABLE};

/// Consumes `stream`, `workers` messages at a time, until the server ends it.
pub async fn consume(url: &str, stream: &str, workers: usize, prefetch: u16, backend: Uri) -> Result<()> {
    let jetstream = jetstream::new(async_nats::connect(url).await?);
    let stream = jetstream.get_stream(stream).await?;
    let config = pull::Config {
        durable_name: Some(DURABLE.into()),
        max_ack_pending: prefetch.into(),
        ack_wait: Duration::from_secs(30),
        ..pull::Config::default()
    };
    let consumer = stream.get_or_create_consumer(DURABLE, config).await?;
    let mut messages = consumer.stream().max_messages_per_batch(prefetch.into()).messages().await?;
    let (backend, room) = (Backend::new(backend), Arc::new(Semaphore::new(workers)));
    loop {
        let place = Arc::clone(&room).acquire_owned().await?;
        let Some(message) = messages.next().await else { return Ok(()) };
        let (message, backend) = (message?, backend.clone());
        tokio::spawn(async move {
            forward(message, backend).await;
            drop(place);
        });
    }
}

async fn forward(message: Message, backend: Backend) {
    // A message that cannot be settled comes again.
    let _ = if backend.takes(message.payload.clone()).await {
        message.ack().await
    } else {
        message.ack_with(AckKind::Nak(None)).await
    };
}
