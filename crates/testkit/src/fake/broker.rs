//! The test's side of a fake broker.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use siphon_sdk::{Capabilities, Error};
use tokio::sync::watch;

use super::faults::Call;
use super::profile::{JetStream, Kafka, Profile, RabbitMq, Sqlite};
use super::state::{Notice, State};
use crate::Watched;

/// Brokers by name: a driver knows nothing of its broker but the name in its configuration.
static BROKERS: Mutex<Option<HashMap<String, Weak<Shared>>>> = Mutex::new(None);
static NAMES: AtomicU64 = AtomicU64::new(1);

/// What the test and the driver share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Watched<State>,
    /// Tells the driver's tasks that the state has changed.
    pub(super) version: watch::Sender<u64>,
}

impl Shared {
    /// Changes the state and wakes test and driver.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = self.state.change(change);
        self.version.send_modify(|version| *version += 1);
        result
    }
}

/// A broker in this process. Clones are the same broker.
#[derive(Debug, Clone)]
pub struct FakeBroker {
    shared: Arc<Shared>,
    name: String,
    key: &'static str,
}

impl FakeBroker {
    pub fn rabbitmq() -> Self {
        Self::playing::<RabbitMq>()
    }

    pub fn kafka() -> Self {
        Self::playing::<Kafka>()
    }

    pub fn jetstream() -> Self {
        Self::playing::<JetStream>()
    }

    pub fn sqlite() -> Self {
        Self::playing::<Sqlite>()
    }

    /// A broker of this profile, under a name of its own.
    pub fn playing<P: Profile>() -> Self {
        let name = format!("fake-{}", NAMES.fetch_add(1, Ordering::Relaxed));
        let state = Watched::new(State::new(P::CAPABILITIES));
        let shared = Arc::new(Shared { state, version: watch::Sender::new(0) });
        let mut brokers = BROKERS.lock().unwrap_or_else(PoisonError::into_inner);
        brokers.get_or_insert_default().insert(name.clone(), Arc::downgrade(&shared));
        Self { shared, name, key: P::KEYS[0] }
    }

    pub(super) fn find(name: &str) -> Result<Arc<Shared>, Error> {
        let brokers = BROKERS.lock().unwrap_or_else(PoisonError::into_inner);
        let found = brokers.as_ref().and_then(|brokers| brokers.get(name)).and_then(Weak::upgrade);
        found.ok_or_else(|| Error::config("broker", format!("there is no broker {name:?}")))
    }

    /// The namespace key of the driver that reaches it.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// The driver's configuration.
    pub fn config(&self) -> String {
        format!(r#"{{"broker": "{}"}}"#, self.name)
    }

    /// Looks at the books.
    pub fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.shared.state.look(look)
    }

    /// Waits until `condition` holds, without a runtime's clock.
    ///
    /// # Panics
    ///
    /// When it does not hold within 20 s; shows what was awaited, and the books.
    pub async fn wait_until(&self, what: &'static str, condition: impl Fn(&State) -> bool + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        crate::watched::block(move || shared.state.wait_until(what, condition)).await;
    }

    pub fn publish(&self, payload: &str) {
        self.shared.change(|state| state.publish(payload.to_owned(), None));
    }

    /// Publishes `PREFIX-0`, `PREFIX-1`, …
    pub fn publish_many(&self, prefix: &str, count: usize) {
        let payloads = (0..count).map(|n| format!("{prefix}-{n}"));
        self.shared.change(|state| payloads.for_each(|payload| state.publish(payload, None)));
    }

    pub fn publish_to(&self, partition: i32, payload: &str) {
        self.shared.change(|state| state.publish(payload.to_owned(), Some(partition)));
    }

    /// Cuts the connection: self-healing drivers report it and mend it, others end with this reason. What is unsettled is
    /// delivered again.
    pub fn lose_connection(&self, reason: &str) {
        self.shared.change(|state| {
            state.faults.lost = Some(reason.to_owned());
            state.disconnect();
        });
    }

    /// Refuses connections until [`accept`](Self::accept).
    pub fn refuse(&self, error: Error) {
        self.shared.change(|state| state.faults.refuse = Some(error));
    }

    pub fn accept(&self) {
        self.shared.change(|state| state.faults.refuse = None);
    }

    /// Takes a partition away, with all that is unsettled of it.
    pub fn revoke(&self, partition: i32) {
        self.shared.change(|state| state.revoke(partition));
    }

    /// Gives a partition back, under a new generation.
    pub fn assign(&self, partition: i32) {
        self.shared.change(|state| state.assign(partition));
    }

    /// Delivers what is unsettled once more, as when an ack wait has passed.
    pub fn redeliver(&self) {
        self.shared.change(State::redeliver);
    }

    /// Reports so many waiting messages.
    pub fn report_lag(&self, count: u64) {
        self.shared.change(|state| state.notices.push_back(Notice::Lag { partition: None, count }));
    }

    /// Reports so many waiting messages of one partition.
    pub fn report_lag_of(&self, partition: i32, count: u64) {
        self.shared.change(|state| state.notices.push_back(Notice::Lag { partition: Some(partition), count }));
    }

    /// Says, with the next connection, that a failed message is not delivered again.
    pub fn make_failures_final(&self) {
        self.shared.change(|state| state.faults.failure_is_final = true);
    }

    /// From now on this call never completes, until [`resume`](Self::resume).
    pub fn stall(&self, call: Call) {
        self.shared.change(|state| state.faults.stalled.insert(call));
    }

    pub fn resume(&self, call: Call) {
        self.shared.change(|state| state.faults.stalled.remove(&call));
    }

    /// The next call of this kind panics.
    pub fn panic_in(&self, call: Call) {
        self.shared.change(|state| state.faults.panics.insert(call));
    }

    /// The next `recv` delivers up to `count` messages, whatever the room.
    pub fn flood(&self, count: usize) {
        self.shared.change(|state| state.faults.flood = count);
    }

    /// Does not confirm the next `count` messages that are published through the driver.
    pub fn fail_publishes(&self, count: usize) {
        self.shared.change(|state| state.faults.unconfirmed = count);
    }

    /// Whether the broker has this ability.
    pub fn can(&self, ability: Capabilities) -> bool {
        self.look(|state| state.can(ability))
    }

    /// Fails the test when a driver was told what no driver may be told.
    #[track_caller]
    pub fn assert_no_violations(&self) {
        self.look(|state| assert!(state.violations.is_empty(), "{:#?}", state.violations));
    }
}
