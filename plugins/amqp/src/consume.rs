//! Events on their way to the agent.

use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::Consumer;
use lapin::message::Delivery;
use siphon_sdk::{Batch, Error, Receiver};

use crate::config::Config;
use crate::error;
use crate::message::Names;
use crate::plan::Outcome;
use crate::settle::Wire;

/// The receiving half.
pub struct Deliveries {
    consumer: Consumer,
    wire: Arc<Wire>,
    names: Names,
    queue: String,
    acks_on_receipt: bool,
}

impl Deliveries {
    pub fn new(consumer: Consumer, wire: Arc<Wire>, config: &Config) -> Self {
        let names = Names::of_queue(&config.name);
        Self { consumer, wire, names, queue: config.name.clone(), acks_on_receipt: config.auto_ack }
    }

    fn take(
        &mut self,
        arrival: Option<lapin::Result<Delivery>>,
        tags: &mut Vec<u64>,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        match arrival {
            Some(Ok(delivery)) => {
                let tag = delivery.delivery_tag;
                self.wire.delivered(tag);
                tags.push(tag);
                batch.push(self.names.message(delivery));
                Ok(())
            }
            Some(Err(error)) => Err(error::ended(&self.wire.link.address, &error)),
            None => Err(error::cancelled(&self.queue)),
        }
    }

    /// Waits for one delivery, then takes what else is there.
    async fn receive(&mut self, tags: &mut Vec<u64>, batch: &mut Batch) -> Result<(), Error> {
        let first = self.consumer.next().await;
        self.take(first, tags, batch)?;
        while batch.room() > 0 {
            let Some(arrival) = self.consumer.next().now_or_never() else { break };
            self.take(arrival, tags, batch)?;
        }
        Ok(())
    }
}

impl Receiver for Deliveries {
    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let mut tags = Vec::new();
        let received = self.receive(&mut tags, batch).await;
        if self.acks_on_receipt && !tags.is_empty() {
            let acknowledge = self.wire.settle(|plan, now| {
                tags.iter().for_each(|tag| {
                    plan.settle(*tag, Outcome::Ack, now);
                });
            });
            acknowledge.await?;
        }
        received
    }
}
