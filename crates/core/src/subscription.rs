//! A source that is asked for one message at a time, by the pipe of an agent whose events come from elsewhere. What was
//! taken stays unsettled until somebody says what became of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use siphon_abi::Capabilities;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::deliveries::Gone;
use crate::delivery::{Backoff, Next};
use crate::plugin::{DriverError, Event, OpenOptions, Registered, Source, SourceEnd, Verdict};

mod state;

use state::State;

/// How long the driver may take to send the last settlements and say goodbye.
const CLOSE: Duration = Duration::from_secs(5);

/// One subscription. It is opened when the first message is asked for, and again, after its backoff, when its connection
/// is gone and a message is asked for.
pub struct Subscription {
    driver: Arc<Registered>,
    options: OpenOptions,
    state: Mutex<State>,
    /// Rung by the driver, by whoever gives something back, and by whoever has stopped waiting: each ring wakes one of
    /// those who wait.
    bell: Arc<Notify>,
}

/// Why no message was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("no message came within {within:?}")]
    Late { within: Duration },
    /// There was no connection at the end.
    #[error("no message came within {within:?}: {reason}")]
    NotConnected { within: Duration, reason: String },
    #[error("the subscription is closed")]
    Closed,
}

/// A message that was taken and not settled. Dropped, it is given back untouched.
#[derive(Debug)]
pub struct Received {
    subscription: Arc<Subscription>,
    epoch: u64,
    event: Option<Event>,
}

enum Step {
    Got(Received),
    /// Until the bell rings, or this time comes.
    Wait(Option<Instant>),
    Closed,
}

impl Subscription {
    /// Opens nothing yet. `backoff`: between two tries to connect.
    pub fn new(driver: &Arc<Registered>, options: OpenOptions, backoff: Backoff) -> Arc<Self> {
        Arc::new(Self {
            driver: Arc::clone(driver),
            options,
            state: Mutex::new(State::new(backoff)),
            bell: Arc::default(),
        })
    }

    /// Waits for a message until this time. Cancel-safe: what is dropped is given back.
    ///
    /// # Errors
    ///
    /// None came in time, and why.
    pub async fn take(self: &Arc<Self>, until: Instant) -> Result<Received, NotTaken> {
        let start = Instant::now();
        // A ring that woke this one may have been meant for all: whoever leaves passes it on.
        let _passing = PassOn(&self.bell);
        loop {
            let wake = match self.step() {
                Step::Got(received) => return Ok(received),
                Step::Closed => return Err(NotTaken::Closed),
                Step::Wait(wake) => wake.map_or(until, |wake| wake.min(until)),
            };
            if Instant::now() >= until {
                return Err(self.late(until.duration_since(start)));
            }
            tokio::select! {
                () = self.bell.notified() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Gives back what nobody took, sends the settlements, says goodbye. Nothing is taken any more.
    ///
    /// # Errors
    ///
    /// What kept the driver from ending in order; what is unsettled comes again.
    pub async fn close(&self) -> Result<(), DriverError> {
        let source = {
            let mut state = self.state();
            state.is_closed = true;
            state.give_back(|_| true);
            state.flush();
            state.source.take()
        };
        self.bell.notify_one(); // and so on: each that waits ends, and wakes the next
        match source {
            Some(source) => source.close(CLOSE).await,
            None => Ok(()),
        }
    }

    fn step(self: &Arc<Self>) -> Step {
        let mut state = self.state();
        if state.is_closed {
            return Step::Closed;
        }
        if let Err(wake) = self.open(&mut state) {
            return Step::Wait(wake);
        }
        state.flush();
        loop {
            if let Some(event) = state.returned.pop_front() {
                return Step::Got(Received { subscription: Arc::clone(self), epoch: state.epoch, event: Some(event) });
            }
            let Some(source) = &mut state.source else { return Step::Wait(None) };
            let mut arrivals = Vec::new();
            match source.next(1, |arrival| arrivals.push(arrival)) {
                Ok(0) => match state.failed.pop_front() {
                    Some(event) => state.returned.push_back(event),
                    None => return Step::Wait(None),
                },
                Ok(_) => arrivals.into_iter().for_each(|arrival| state.arrived(arrival)),
                Err(end) => return Step::Wait(self.lost(&mut state, end)),
            }
        }
    }

    /// Opens the source unless it is open.
    ///
    /// # Errors
    ///
    /// When it may be tried again.
    fn open(&self, state: &mut State) -> Result<(), Option<Instant>> {
        let now = Instant::now();
        if state.source.is_some() {
            return Ok(());
        }
        if let Some(retry_at) = state.retry_at.filter(|at| *at > now) {
            return Err(Some(retry_at));
        }
        state.epoch += 1;
        match Source::open_with_bell(&self.driver, &self.options, Arc::clone(&self.bell)) {
            Ok(source) => {
                state.source = Some(source);
                Ok(())
            }
            Err(error) => Err(self.lost(state, SourceEnd::Failed(error))),
        }
    }

    /// The source is gone with all that was not settled; the broker delivers it again. When it may be opened again.
    fn lost(&self, state: &mut State, end: SourceEnd) -> Option<Instant> {
        let error = match end {
            SourceEnd::Failed(error) => error,
            SourceEnd::Closed => DriverError::ended_by_itself(),
        };
        state.source = None;
        let lasted = state.connected_at.take().map(|since| since.elapsed());
        state.returned.clear();
        state.failed.clear();
        state.unsent.clear();
        state.gone = Gone::default();
        // Always temporary: an agent's events do not end because a backend cannot be used, they fail and come again.
        let after = match state.reconnect.lost(lasted, true, fastrand::f64()) {
            Next::Again { after } => after,
            Next::GiveUp => Duration::ZERO,
        };
        let reason = error.to_string();
        let (agent, backend) = (self.options.agent.as_str(), self.driver.main_key());
        tracing::warn!(agent, backend, error = reason.as_str(), "a backend is not connected, trying again");
        state.trouble = Some(reason);
        state.retry_at = Some(Instant::now() + after);
        state.retry_at
    }

    fn late(&self, within: Duration) -> NotTaken {
        // To the nearest millisecond: the first were gone before anybody looked at the clock.
        let within = Duration::from_millis(u64::try_from((within.as_micros() + 500) / 1_000).unwrap_or(u64::MAX));
        match self.state().trouble.clone() {
            Some(reason) => NotTaken::NotConnected { within, reason },
            None => NotTaken::Late { within },
        }
    }

    fn settle(&self, event: Event, epoch: u64, verdict: Verdict) {
        let mut state = self.state();
        if epoch != state.epoch || state.source.is_none() {
            return; // its connection is gone, and the broker delivers it again
        }
        let can_give_back = self.driver.capabilities.has(Capabilities::GIVE_BACK);
        let is_gone = state.gone.has(event.handle(), event.partition());
        match verdict {
            _ if is_gone || can_give_back || verdict == Verdict::ACK => {
                state.settle(event.handle(), verdict);
                state.flush();
            }
            // Behind the others, which may be better.
            Verdict::RETRY => state.failed.push_back(event),
            _ => state.returned.push_front(event),
        }
        drop(state);
        self.bell.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the options: they hold the driver's configuration, and with it passwords.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.driver.main_key())
    }
}

impl Received {
    pub fn payload(&self) -> Bytes {
        self.event.as_ref().map(|event| event.payload().clone()).unwrap_or_default()
    }

    /// It is done; the broker may forget it.
    pub fn done(mut self) {
        self.end(Verdict::ACK);
    }

    /// It is nothing that can be worked on: given back as failed. What that means is the driver's to say.
    pub fn failed(mut self) {
        self.end(Verdict::RETRY);
    }

    fn end(&mut self, verdict: Verdict) {
        if let Some(event) = self.event.take() {
            self.subscription.settle(event, self.epoch, verdict);
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.end(Verdict::REQUEUE);
    }
}

/// Wakes the next one that waits.
struct PassOn<'a>(&'a Notify);

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
