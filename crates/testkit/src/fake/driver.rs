//! The driver of the fake broker.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use siphon_core::plugin::Registry;
use siphon_sdk::{
    Batch, Capabilities, Context, Error, Finding, Message, OutgoingMessage, Receiver, Settlement, Settler, Sink, Source,
};
use tokio::time::Instant;

use super::broker::{FakeBroker, Shared};
use super::faults::Call;
use super::profile::{JetStream, Kafka, Profile, RabbitMq, Sqlite};
use super::state::{Notice, Outbound, State};

/// How long a poll without room lasts.
const POLL: Duration = Duration::from_millis(1);

/// Configuration of the fake driver.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the broker.
    pub broker: String,
}

/// The sources and sinks of all profiles, registered in this process.
///
/// # Panics
///
/// Never: their keys differ.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    let components = vec![
        siphon_sdk::source::<FakeSource<RabbitMq>>(),
        siphon_sdk::source::<FakeSource<Kafka>>(),
        siphon_sdk::source::<FakeSource<JetStream>>(),
        siphon_sdk::source::<FakeSource<Sqlite>>(),
        siphon_sdk::sink::<FakeSink<RabbitMq>>(),
        siphon_sdk::sink::<FakeSink<Kafka>>(),
        siphon_sdk::sink::<FakeSink<JetStream>>(),
        siphon_sdk::sink::<FakeSink<Sqlite>>(),
    ];
    registry.add_in_process("fake", components).expect("every profile has a key of its own");
    registry
}

impl Shared {
    /// Does what the script says about this call: panics, or waits until it is resumed.
    fn enter_now(&self, call: Call) {
        let panics = self.change(|state| state.faults.panics.remove(&call));
        assert!(!panics, "told to panic in {call:?}");
    }

    async fn enter(&self, call: Call) {
        self.enter_now(call);
        let mut version = self.version.subscribe();
        while self.state.look(|state| state.faults.stalled.contains(&call)) {
            if version.changed().await.is_err() {
                return;
            }
        }
    }
}

/// One connection; when both halves are gone, so is it.
struct Session {
    broker: Arc<Shared>,
    number: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.broker.change(|state| {
            if state.session == self.number && state.is_connected {
                state.disconnect();
            }
        });
    }
}

/// The source of a profile.
#[derive(Debug)]
pub struct FakeSource<P>(PhantomData<P>);

/// Receives from a fake broker.
pub struct FakeReceiver<P> {
    session: Arc<Session>,
    profile: PhantomData<P>,
}

/// Settles towards a fake broker.
pub struct FakeSettler {
    session: Arc<Session>,
}

impl<P: Profile> Source for FakeSource<P> {
    const KEYS: &'static [&'static str] = P::KEYS;
    const LABEL: &'static str = P::LABEL;
    const CAPABILITIES: Capabilities = P::CAPABILITIES;
    type Config = Config;
    type Receiver = FakeReceiver<P>;
    type Settler = FakeSettler;

    fn check(config: &Config, _: &Context) -> Vec<Finding> {
        match FakeBroker::find(&config.broker) {
            Ok(broker) => {
                broker.enter_now(Call::Check);
                Vec::new()
            }
            Err(error) => vec![Finding::error("broker", error.to_string())],
        }
    }

    async fn connect(config: Config, _: Context) -> Result<(FakeReceiver<P>, FakeSettler), Error> {
        let broker = FakeBroker::find(&config.broker)?;
        broker.enter(Call::Connect).await;
        let number = broker.change(State::open_session)?;
        let session = Arc::new(Session { broker, number });
        Ok((FakeReceiver { session: Arc::clone(&session), profile: PhantomData }, FakeSettler { session }))
    }
}

impl<P: Profile> Receiver for FakeReceiver<P> {
    const POLLS_WITHOUT_ROOM: bool = P::POLLS_WITHOUT_ROOM;

    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let mut guard = NotCancelled { broker: &self.session.broker, is_done: false };
        self.session.broker.enter(Call::Recv).await;
        let result = receive(&self.session.broker, batch).await;
        guard.is_done = true;
        result
    }
}

/// Counts a `recv` that was cancelled.
struct NotCancelled<'a> {
    broker: &'a Shared,
    is_done: bool,
}

impl Drop for NotCancelled<'_> {
    fn drop(&mut self) {
        if !self.is_done && !std::thread::panicking() {
            self.broker.change(|state| state.cancelled_receives += 1);
        }
    }
}

async fn receive(broker: &Arc<Shared>, batch: &mut Batch) -> Result<(), Error> {
    let mut version = broker.version.subscribe();
    let has_room = batch.room() > 0;
    if !has_room {
        broker.change(|state| state.polls_without_room += 1);
        tokio::time::sleep(POLL).await;
    }
    loop {
        version.borrow_and_update();
        let due = match fill(broker, batch)? {
            Filled::Some => return Ok(()),
            Filled::None if !has_room => return Ok(()),
            Filled::NoneUntil(due) => Some(due),
            Filled::None => None,
        };
        let wait = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = version.changed() => {}
            () = wait => {}
        }
    }
}

enum Filled {
    Some,
    None,
    NoneUntil(Instant),
}

/// Puts into the batch what there is now.
fn fill(broker: &Arc<Shared>, batch: &mut Batch) -> Result<Filled, Error> {
    let mut is_filled = false;
    if let Some(reason) = broker.state.look(|state| state.faults.lost.clone()) {
        is_filled = mend(broker, batch, reason)?;
    }
    let room = batch.room();
    let (notices, messages, due) = broker.state.change(|state| {
        let notices = std::mem::take(&mut state.notices);
        // A connection that heals, but not yet, delivers nothing.
        let messages = if state.is_connected { state.deliver(room, Instant::now()) } else { Vec::new() };
        (notices, messages, state.next_due())
    });
    is_filled |= !notices.is_empty() || !messages.is_empty();
    for notice in notices {
        match notice {
            Notice::Revoked { partition, generation } => batch.revoked(partition, generation),
            Notice::Lag { partition: None, count } => batch.lag(count),
            Notice::Lag { partition: Some(partition), count } => batch.lag_of(partition, count),
        }
    }
    messages.into_iter().for_each(|outbound| batch.push(message(broker, outbound)));
    Ok(match (is_filled, due) {
        (true, _) => Filled::Some,
        (false, Some(due)) => Filled::NoneUntil(due),
        (false, None) => Filled::None,
    })
}

/// The connection is gone: self-healing drivers report it, once, and connect again unless they are refused; others end.
/// True: there is something to report.
fn mend(broker: &Arc<Shared>, batch: &mut Batch, reason: String) -> Result<bool, Error> {
    if !broker.state.look(|state| state.can(Capabilities::SELF_HEALING)) {
        return Err(Error::connection(reason));
    }
    let is_known = broker.state.change(|state| std::mem::replace(&mut state.is_loss_reported, true));
    if !is_known {
        batch.lost(broker.state.look(|state| state.generation), reason);
    }
    let is_refused = broker.state.look(|state| state.faults.refuse.is_some());
    if !is_refused {
        let generation = broker.change(State::connect)?;
        batch.connected(generation);
    }
    Ok(!is_known || !is_refused)
}

fn message(broker: &Arc<Shared>, outbound: Outbound) -> Message {
    let Outbound { index, delivery, payload, partition } = outbound;
    let counts = broker.state.look(|state| state.can(Capabilities::ATTEMPTS));
    let payload = Bytes::from_owner(Payload { text: payload, broker: Arc::clone(broker) });
    let message = Message::new(delivery.tag, payload)
        .generation(delivery.generation)
        .topic("orders")
        .key(format!("key-{index}"))
        .header("number", index.to_string())
        .attribute("message_id", format!("message-{index}"))
        .timestamp_ms(1_700_000_000_000 + index as i64)
        .attempt(if counts { delivery.attempt } else { 0 });
    match partition {
        Some(partition) => message.partition(partition).offset(index as i64),
        None => message,
    }
}

/// A payload whose release is counted.
struct Payload {
    text: String,
    broker: Arc<Shared>,
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.broker.change(|state| state.released += 1);
        self.broker.enter_now(Call::DropMessage);
    }
}

impl Settler for FakeSettler {
    fn is_failure_final(&self) -> bool {
        self.session.broker.state.look(|state| state.faults.failure_is_final)
    }

    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        let Session { broker, number } = &*self.session;
        broker.enter(Call::Settle).await;
        broker.change(|state| {
            if let Some(reason) = state.faults.lost.clone().filter(|_| !state.can(Capabilities::SELF_HEALING)) {
                return Err(Error::connection(reason));
            }
            state.settle_calls.push(settlements.len());
            settlements.iter().for_each(|settlement| state.settle(*number, *settlement, Instant::now()));
            Ok(())
        })
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.session.broker.enter(Call::Ping).await;
        self.session.broker.change(|state| state.pings += 1);
        Ok(())
    }

    async fn pause(&mut self, paused: bool) -> Result<(), Error> {
        self.session.broker.enter(Call::Pause).await;
        self.session.broker.change(|state| state.pauses.push(paused));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.session.broker.enter(Call::Close).await;
        self.session.broker.change(|state| {
            state.goodbyes += 1;
            state.disconnect();
        });
        Ok(())
    }
}

/// The sink of a profile: publishes into the broker's own queue.
pub struct FakeSink<P> {
    broker: Arc<Shared>,
    profile: PhantomData<P>,
}

impl<P: Profile> Sink for FakeSink<P> {
    const KEYS: &'static [&'static str] = P::KEYS;
    const LABEL: &'static str = P::LABEL;
    type Config = Config;

    async fn connect(config: Config, _: Context) -> Result<Self, Error> {
        let broker = FakeBroker::find(&config.broker)?;
        broker.enter(Call::Connect).await;
        broker.change(|state| {
            state.connect_attempts += 1;
            state.faults.refuse.clone().map_or(Ok(()), Err)
        })?;
        Ok(Self { broker, profile: PhantomData })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.broker.enter(Call::Publish).await;
        let publish = |message: &OutgoingMessage| {
            self.broker.change(|state| {
                if state.faults.unconfirmed > 0 {
                    state.faults.unconfirmed -= 1;
                    return Err(Error::connection("not confirmed"));
                }
                state.publish(String::from_utf8_lossy(&message.payload).into_owned(), None);
                Ok(())
            })
        };
        messages.iter().map(publish).collect()
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.broker.enter(Call::Ping).await;
        self.broker.change(|state| state.pings += 1);
        Ok(())
    }
}
