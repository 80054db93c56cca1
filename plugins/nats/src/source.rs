//! The driver's entry: a durable consumer of a stream, or plain subjects.

use std::sync::Arc;

use async_nats::jetstream;
use siphon_sdk::{Batch, Capabilities, Context, Error, Finding, Receiver, Settlement, Settler, Source};

use crate::config::{AT_MOST_ONCE, Config, Durable};
use crate::consumer;
use crate::link::Link;
use crate::plain::{self, Forgetter, Listener};
use crate::receive::{Deliveries, Shared};
use crate::settle::Judge;
use crate::{KEYS, LABEL};

/// NATS as a source of events.
pub struct Nats;

/// The receiving half.
pub enum Incoming {
    Stream(Deliveries),
    Plain(Listener),
}

/// The settling half.
pub enum Outgoing {
    Stream(Judge),
    Plain(Forgetter),
}

impl Source for Nats {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK
        .and(Capabilities::DELAY)
        .and(Capabilities::ATTEMPTS)
        .and(Capabilities::REJECT)
        .and(Capabilities::BATCH_SETTLE)
        .and(Capabilities::LAG)
        .and(Capabilities::SELF_HEALING);
    type Config = Config;
    type Receiver = Incoming;
    type Settler = Outgoing;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        config.findings(context)
    }

    async fn connect(config: Config, context: Context) -> Result<(Incoming, Outgoing), Error> {
        let link = Link::open(&config, &context.agent, context.max_in_flight).await?;
        match config.durable() {
            Some(durable) => consume(link, &config, durable, &context.topics).await,
            None => {
                tracing::warn!("{AT_MOST_ONCE}");
                let (listener, forgetter) = plain::listen(link, &config, &context).await?;
                Ok((Incoming::Plain(listener), Outgoing::Plain(forgetter)))
            }
        }
    }
}

async fn consume(
    link: Arc<Link>,
    config: &Config,
    durable: Durable<'_>,
    topics: &[String],
) -> Result<(Incoming, Outgoing), Error> {
    let context = jetstream::new(link.client.clone());
    let info = consumer::open(&link, &context, config, durable, topics).await?;
    let shared = Shared::new(link, context, info);
    let deliveries = Deliveries::new(Arc::clone(&shared)).await?;
    Ok((Incoming::Stream(deliveries), Outgoing::Stream(Judge::new(shared, config.ack_sync))))
}

impl Receiver for Incoming {
    const POLLS_WITHOUT_ROOM: bool = true;

    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        match self {
            Self::Stream(deliveries) => deliveries.recv(batch).await,
            Self::Plain(listener) => listener.recv(batch).await,
        }
    }
}

impl Settler for Outgoing {
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        match self {
            Self::Stream(judge) => judge.settle(settlements).await,
            Self::Plain(forgetter) => forgetter.settle(settlements).await,
        }
    }

    async fn ping(&mut self) -> Result<(), Error> {
        match self {
            Self::Stream(judge) => judge.ping().await,
            Self::Plain(forgetter) => forgetter.ping().await,
        }
    }

    async fn close(&mut self) -> Result<(), Error> {
        match self {
            Self::Stream(judge) => judge.close().await,
            Self::Plain(forgetter) => forgetter.close().await,
        }
    }
}
