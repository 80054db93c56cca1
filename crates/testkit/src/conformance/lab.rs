//! A queue of the driver under test, with publishers and consumers on it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use siphon_core::AgentSpec;
use siphon_core::plugin::{
    Arrival, Event, Handle, OpenOptions, Outgoing, Registered, Settlement, Sink, Source, SourceEnd, Verdict,
};
use tokio::time::timeout;

use super::bench::{Bench, Queue};
use crate::agent::spec_for;

/// How long the driver may take for anything that is awaited. Far beyond what a busy machine and a slow broker need.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// When nothing has come for so long, nothing comes by itself.
const QUIET: Duration = Duration::from_millis(500);

/// What an open driver may have out at once.
pub(super) const IN_FLIGHT: usize = 24;

/// Events that agents work on at once. A behaviour that holds more than so many unsettled would wait for ever where the
/// broker's prefetch follows the workers.
const WORKERS: usize = 8;

/// The components under test.
pub(super) struct Driver {
    pub(super) source: Arc<Registered>,
    pub(super) sink: Option<Arc<Registered>>,
}

/// One behaviour's queue.
pub(super) struct Lab<'a> {
    pub(super) bench: &'a Bench,
    pub(super) queue: Queue,
    driver: &'a Driver,
    name: String,
}

impl<'a> Lab<'a> {
    pub(super) fn new(bench: &'a Bench, driver: &'a Driver, behaviour: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let words: Vec<&str> = behaviour.split(|letter: char| !letter.is_ascii_alphanumeric()).take(4).collect();
        let name = format!("{}-{process}-{count}", words.join("-").to_lowercase());
        Self { bench, queue: (bench.fresh)(&name), driver, name }
    }

    pub(super) fn can(&self, ability: siphon_core::abi::Capabilities) -> bool {
        self.driver.source.capabilities.has(ability)
    }

    /// Publishes; returns when the broker has confirmed all.
    pub(super) async fn publish<P: AsRef<[u8]>>(&self, payloads: impl IntoIterator<Item = P>) {
        let payloads = payloads.into_iter().map(|payload| payload.as_ref().to_vec());
        self.publish_with(payloads.collect(), &[]).await;
    }

    pub(super) async fn publish_with(&self, payloads: Vec<Vec<u8>>, headers: &[(String, String)]) {
        if let Some(fill) = &self.bench.fill {
            return fill(&self.queue, &payloads);
        }
        let component = self.driver.sink.as_ref().expect("a bench has a sink or fills by itself");
        let sink = Sink::open(component, &self.options(&self.queue.config)).expect("the sink opens");
        let topic = self.queue.topic.as_bytes();
        let message = |payload: Vec<u8>| Outgoing {
            payload: payload.into(),
            topic: topic.into(),
            headers: headers.into(),
            ..Outgoing::default()
        };
        let messages: Vec<Outgoing> = payloads.into_iter().map(message).collect();
        let (count, result) =
            timeout(PATIENCE, sink.publish(&messages)).await.expect("publishing is confirmed in time");
        assert_eq!((count, result), (messages.len() as u64, Ok(())), "every message is confirmed");
        sink.close(PATIENCE).await.expect("the sink closes in order");
    }

    fn options(&self, config: &str) -> OpenOptions {
        OpenOptions {
            agent: self.name.clone(),
            namespace: self.driver.source.main_key().to_owned(),
            topics: vec![self.queue.topic.clone()],
            config: config.to_owned(),
            workers: WORKERS,
            read_ahead: WORKERS,
            max_in_flight: IN_FLIGHT,
            max_bytes: 16 << 20,
        }
    }

    pub(super) fn open(&self) -> Consumer {
        self.open_with(&self.queue.config)
    }

    pub(super) fn open_with(&self, config: &str) -> Consumer {
        Consumer { source: Source::open(&self.driver.source, &self.options(config)).expect("the source opens") }
    }

    /// An agent of the core on the queue.
    pub(super) fn spec(&self) -> AgentSpec {
        let spec = spec_for(Arc::clone(&self.driver.source), self.queue.config.clone());
        AgentSpec { topics: vec![self.queue.topic.clone()], workers: WORKERS, ..spec }
    }

    /// Nothing is left in the queue: the next that comes is what is published now.
    pub(super) async fn is_empty(&self) {
        let mut consumer = self.open();
        self.publish(["the last"]).await;
        let events = consumer.take(1).await;
        assert_eq!(texts(&events), ["the last"], "nothing else is left in the queue");
        consumer.finish(events).await;
    }
}

/// An open source, and what a host does with it.
pub(super) struct Consumer {
    source: Source,
}

impl Consumer {
    /// Waits for `count` events.
    pub(super) async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let until = Instant::now() + PATIENCE;
        while events.len() < count {
            let missing = count - events.len();
            if !self.take_now(missing, &mut events) {
                let left = until.saturating_duration_since(Instant::now());
                let rung = timeout(left, self.source.rung()).await;
                assert!(rung.is_ok(), "waited {PATIENCE:?} for {missing} more of {count} events");
            }
        }
        events
    }

    /// Takes events until none has come for a while.
    pub(super) async fn take_all_there_are(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while self.take_now(usize::MAX, &mut events) || timeout(QUIET, self.source.rung()).await.is_ok() {}
        events
    }

    /// Whether anything was there.
    fn take_now(&mut self, count: usize, events: &mut Vec<Event>) -> bool {
        let mut reason = None;
        let taken = self.source.next(count, |arrival| match arrival {
            Arrival::Event(event) => events.push(event),
            Arrival::Lost { reason: why, .. } => reason = Some(why),
            _ => {}
        });
        assert_eq!(reason, None, "the connection holds");
        match taken {
            Ok(count) => count > 0,
            Err(SourceEnd::Failed(error)) => panic!("the source ended: {error}"),
            Err(SourceEnd::Closed) => panic!("the source ended by itself"),
        }
    }

    /// Waits until the driver says that it is connected.
    pub(super) async fn connected(&mut self) {
        let mut is_connected = false;
        while !is_connected {
            let taken = self.source.next(0, |arrival| is_connected |= matches!(arrival, Arrival::Connected { .. }));
            assert!(taken.is_ok(), "the source ended: {taken:?}");
            if !is_connected {
                timeout(PATIENCE, self.source.rung()).await.expect("the driver connects in time");
            }
        }
    }

    /// Hands over one verdict for all of these; waits until the driver has taken them.
    pub(super) async fn settle(&self, handles: &[Handle], verdict: Verdict, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let one = |handle: &Handle| Settlement { handle: *handle, verdict, reserved: 0, delay_ms };
        let settlements: Vec<Settlement> = handles.iter().map(one).collect();
        let mut sent = self.source.settle(&settlements);
        while sent < settlements.len() {
            timeout(PATIENCE, self.source.rung()).await.expect("the driver takes settlements in time");
            sent += self.source.settle(&settlements[sent..]);
        }
    }

    pub(super) async fn acknowledge(&self, events: &[Event]) {
        self.settle(&handles(events), Verdict::ACK, Duration::ZERO).await;
    }

    pub(super) async fn ping(&self) {
        let answer = timeout(PATIENCE, self.source.ping()).await.expect("a ping is answered in time");
        assert_eq!(answer, Ok(()), "the broker answers");
    }

    /// Acknowledges these and says goodbye.
    pub(super) async fn finish(self, events: Vec<Event>) {
        self.acknowledge(&events).await;
        self.close().await;
    }

    pub(super) async fn close(self) {
        assert_eq!(self.source.close(PATIENCE).await, Ok(()), "the source closes in order");
    }
}

pub(super) fn handles(events: &[Event]) -> Vec<Handle> {
    events.iter().map(Event::handle).collect()
}

pub(super) fn texts(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| String::from_utf8_lossy(event.payload()).into_owned()).collect()
}

/// `PREFIX-000` and so on, in the order of their names.
pub(super) fn names(prefix: &str, count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("{prefix}-{number:03}")).collect()
}
