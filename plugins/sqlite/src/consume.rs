//! Events on their way to the agent.

use std::sync::Arc;

use bytes::Bytes;
use siphon_sdk::{Batch, Error, Message, Receiver};

use crate::connect::broken;
use crate::store::{Consumer, Event, Ticket};

/// The receiving half: claims events as there is room for them.
pub struct Reader {
    consumer: Arc<Consumer>,
    queue: Bytes,
}

impl Reader {
    pub fn new(consumer: Arc<Consumer>, queue: &str) -> Self {
        Self { consumer, queue: Bytes::copy_from_slice(queue.as_bytes()) }
    }
}

#[cfg(test)]
impl Reader {
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }
}

impl Receiver for Reader {
    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let events = self.consumer.claim(batch.room()).await.map_err(broken)?;
        events.into_iter().for_each(|event| batch.push(message(event, &self.queue)));
        Ok(())
    }
}

/// The lease's number names the delivery, because the same event may be delivered twice while the first delivery is
/// still at work; the event's number takes the place of a generation.
fn message(event: Event, queue: &Bytes) -> Message {
    let Ticket { id, lease } = event.ticket;
    let mut message = Message::new(lease as u64, event.payload)
        .generation(id as u64)
        .topic(event.topic)
        .key(event.key.unwrap_or_default())
        .timestamp_ms(event.published)
        .attempt(event.attempt)
        .offset(id)
        .attribute("queue", queue.clone());
    if let Some(message_id) = event.message_id {
        message = message.attribute("message_id", message_id);
    }
    event.headers.into_iter().fold(message, |message, (name, value)| message.header(name, value))
}

/// The ticket of the delivery that a settlement names.
pub fn ticket(settlement: &siphon_sdk::Settlement) -> Ticket {
    Ticket { id: settlement.generation as i64, lease: settlement.id as i64 }
}
