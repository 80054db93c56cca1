//! Events on their way to the agent.

use std::sync::Arc;

use bytes::Bytes;
use siphon_sdk::{Batch, Error, Message, Receiver};

use crate::connect::broken;
use crate::deliveries::Deliveries;
use crate::patience::{Patience, patiently};
use crate::store::{Consumer, Event, Fault};

/// The receiving half: claims events as there is room for them.
pub struct Reader {
    consumer: Arc<Consumer>,
    deliveries: Arc<Deliveries>,
    queue: Bytes,
    patience: Patience,
}

impl Reader {
    pub fn new(consumer: Arc<Consumer>, deliveries: Arc<Deliveries>, queue: &str, patience: Patience) -> Self {
        Self { consumer, deliveries, queue: Bytes::copy_from_slice(queue.as_bytes()), patience }
    }
}

#[cfg(test)]
impl Reader {
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }
}

impl Receiver for Reader {
    /// Waits out a lock: an error here would cut short the settlements that wait for the same lock.
    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let claim = || self.consumer.claim(batch.room());
        let events = patiently(self.patience, |fault| *fault == Fault::Locked, claim).await.map_err(broken)?;
        for event in events {
            let id = self.deliveries.add(event.ticket);
            batch.push(message(id, event, &self.queue));
        }
        Ok(())
    }
}

fn message(id: u64, event: Event, queue: &Bytes) -> Message {
    let mut message = Message::new(id, event.payload)
        .topic(event.topic)
        .key(event.key.unwrap_or_default())
        .timestamp_ms(event.published)
        .attempt(event.attempt)
        .offset(event.ticket.id)
        .attribute("queue", queue.clone());
    if let Some(message_id) = event.message_id {
        message = message.attribute("message_id", message_id);
    }
    event.headers.into_iter().fold(message, |message, (name, value)| message.header(name, value))
}
