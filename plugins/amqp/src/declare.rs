//! What an agent declares at the broker before it consumes: exchange, queue, bindings, prefetch, subscription.

use lapin::options::{
    BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Consumer, ExchangeKind};
use siphon_sdk::Error;

use crate::arguments::table;
use crate::config::Config;
use crate::connect::Link;
use crate::error::Doing;

/// Exchanges of this name are the broker's own: nobody may declare them otherwise than they are.
const BROKERS_OWN: &str = "amq.";

/// How the subscription is called on its channel.
const TAG: &str = "siphon";

/// Declares the exchange and the queue, and binds them; nothing with `passive`.
///
/// # Errors
///
/// What differs from what the broker has, or is not allowed.
pub async fn topology(link: &Link, config: &Config, topics: &[String]) -> Result<(), Error> {
    if config.passive {
        return Ok(());
    }
    exchange_only(link, config).await?;
    queue(link, config).await?;
    if !config.exchange.is_empty() {
        bindings(link, config, topics).await?;
    }
    Ok(())
}

/// Declares the exchange and no queue; nothing with `passive`.
///
/// # Errors
///
/// As [`topology`].
pub async fn exchange_only(link: &Link, config: &Config) -> Result<(), Error> {
    let is_ours = !config.exchange.is_empty() && !config.exchange.starts_with(BROKERS_OWN);
    if is_ours && !config.passive { exchange(link, config).await } else { Ok(()) }
}

async fn exchange(link: &Link, config: &Config) -> Result<(), Error> {
    let name = config.exchange.as_str();
    let kind = match config.exchange_type.as_str() {
        "topic" => ExchangeKind::Topic,
        "direct" => ExchangeKind::Direct,
        "fanout" => ExchangeKind::Fanout,
        "headers" => ExchangeKind::Headers,
        other => ExchangeKind::Custom(other.to_owned()),
    };
    let options = ExchangeDeclareOptions {
        passive: false,
        durable: config.durable,
        auto_delete: config.delete,
        // Not with `exclusive`, as in KrakenD: nobody could publish to it.
        internal: false,
        nowait: config.no_wait,
    };
    let declared = link.channel.exchange_declare(name.into(), kind, options, table(&config.exchange_arguments)).await;
    declared.map_err(|error| link.refused(Doing::DeclaringExchange(name), &error))
}

async fn queue(link: &Link, config: &Config) -> Result<(), Error> {
    let name = config.name.as_str();
    let options = QueueDeclareOptions {
        passive: false,
        durable: config.durable,
        exclusive: config.exclusive,
        auto_delete: config.delete,
        nowait: config.no_wait,
    };
    let declared = link.channel.queue_declare(name.into(), options, table(&config.queue_arguments)).await;
    declared.map(drop).map_err(|error| link.refused(Doing::DeclaringQueue(name), &error))
}

/// One binding for each topic. An agent without topics gets one with the empty key, as a fanout exchange needs it.
async fn bindings(link: &Link, config: &Config, topics: &[String]) -> Result<(), Error> {
    let (queue, exchange) = (config.name.as_str(), config.exchange.as_str());
    let none = [String::new()];
    for topic in if topics.is_empty() { &none } else { topics } {
        let arguments = table(&config.binding_arguments);
        let options = QueueBindOptions::default();
        let bound = link.channel.queue_bind(queue.into(), exchange.into(), topic.as_str().into(), options, arguments);
        bound.await.map_err(|error| link.refused(Doing::Binding { queue, exchange }, &error))?;
    }
    Ok(())
}

/// Bounds the channel and subscribes to the queue.
///
/// # Errors
///
/// The queue is not there, not allowed, or another connection's own.
pub async fn consumer(link: &Link, config: &Config, workers: usize) -> Result<Consumer, Error> {
    let queue = config.name.as_str();
    let refused = |error: lapin::Error| link.refused(Doing::Consuming(queue), &error);
    link.channel.basic_qos(config.prefetch(workers), BasicQosOptions::default()).await.map_err(refused)?;
    let options = BasicConsumeOptions {
        no_local: config.no_local,
        // Also with `auto_ack`: without acknowledgements the broker would send the whole queue at once.
        no_ack: false,
        exclusive: config.exclusive,
        nowait: config.no_wait,
    };
    let consumer = link.channel.basic_consume(queue.into(), TAG.into(), options, FieldTable::default());
    consumer.await.map_err(refused)
}
