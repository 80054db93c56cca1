//! One open source: from the first event to the end of the connection or of the process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use siphon_telemetry::{AgentConnected, AgentDrained, AgentLost, AgentStalled, End, EventFailed, FailureLog};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::deliveries::{Deliveries, FailedEnd};
use crate::delivery::Reconnect;
use crate::outage::Outage;
use crate::plugin::{Arrival, DriverError, Event, Handle, Source, SourceEnd};
use crate::status::age_of;
use crate::{AgentSpec, AgentState, AgentStatus, Failure, OnDone, Phase, Shutdown};

/// How long a driver may take to send the last settlements and say goodbye.
const CLOSE: Duration = Duration::from_secs(5);

/// What is left of it after a second signal.
const CLOSE_AT_ONCE: Duration = Duration::from_millis(200);

/// Health intervals without an answer to a ping, after which an agent is shown as stalled: one may be a busy broker's.
const STALLED_AFTER: u32 = 3;

/// And no sooner than this, however short the interval: a flood keeps a library's one thread busy as well.
const STALLED_NO_SOONER: Duration = Duration::from_secs(2);

/// An event that has left the pipe.
pub(crate) struct Finished {
    pub(crate) event: Event,
    pub(crate) failure: Option<Failure>,
    pub(crate) on_done: Option<OnDone>,
    /// The connection that it came with, counted by the supervisor.
    pub(crate) epoch: u64,
}

/// What an agent keeps from one connection to the next.
pub(crate) struct Agent {
    pub(crate) spec: AgentSpec,
    pub(crate) status: Arc<AgentStatus>,
    pub(crate) shutdown: Shutdown,
    pub(crate) deliveries: Deliveries,
    pub(crate) failures: FailureLog,
    /// Counts connections.
    pub(crate) epoch: u64,
    /// When this connection was established, or mended; `None` while there is none.
    pub(crate) connected_at: Option<Instant>,
    /// Counts connections that failed in a row.
    pub(crate) reconnect: Reconnect,
    /// The driver is mending its connection.
    pub(crate) outage: Option<Outage>,
    /// Handles of this connection that are in the pipe.
    pub(crate) in_pipe: Vec<Handle>,
    /// The end of the grace period, once it has begun.
    pub(crate) drains_until: Option<Instant>,
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum ConnectionEnd {
    /// The process ends, and this agent is done.
    Drained,
    Lost(DriverError),
    /// The driver did not mend it, and the retries are used up.
    GivenUp(DriverError),
}

type Ping = Pin<Box<dyn Future<Output = Result<(), DriverError>> + Send>>;

impl Agent {
    /// Runs events through the pipe until the connection or the process ends. `start` makes the future of one run.
    pub(crate) async fn run<F: Future<Output = Finished>>(
        &mut self,
        mut source: Source,
        pipe: &mut FuturesUnordered<F>,
        start: &impl Fn(Event, u64) -> F,
    ) -> ConnectionEnd {
        let mut turn = Turn::new(self.shutdown.clone(), self.spec.health_interval);
        while self.shutdown.phase() == Phase::Running {
            if let Err(end) = self.intake(&mut source, &mut turn, pipe, start) {
                return ConnectionEnd::Lost(self.lost(source, end).await);
            }
            if let Some(error) = self.outage_that_lasts() {
                return ConnectionEnd::GivenUp(self.lost(source, SourceEnd::Failed(error)).await);
            }
            self.flush(&source);
            self.tick(&source, &mut turn);
            self.wait(&source, &mut turn, pipe).await;
        }
        self.drain(source, pipe).await;
        ConnectionEnd::Drained
    }

    /// Starts what has waited long enough, then as many new events as there are places.
    fn intake<F: Future<Output = Finished>>(
        &mut self,
        source: &mut Source,
        turn: &mut Turn,
        pipe: &mut FuturesUnordered<F>,
        start: &impl Fn(Event, u64) -> F,
    ) -> Result<(), SourceEnd> {
        let now = Instant::now();
        let (epoch, in_pipe) = (self.epoch, &mut self.in_pipe);
        let given_back = self.deliveries.take_due(now, |event| {
            in_pipe.push(event.handle());
            pipe.push(start(event, epoch));
        });
        (0..given_back).for_each(|_| self.status.count_given_back());
        loop {
            let places = if turn.is_dry { 0 } else { self.deliveries.places(now) };
            // Without a place only notices are taken, and only when the bell has announced something.
            if places == 0 && !turn.has_rung {
                break;
            }
            let taken = source.next(places, |arrival| {
                if let Some(event) = self.arrived(arrival) {
                    pipe.push(start(event, epoch));
                }
            })?;
            turn.is_dry |= places > 0 && taken == 0;
            turn.has_rung = places == 0 && taken > 0;
        }
        self.show_load();
        Ok(())
    }

    /// Notes what came; an event is returned, to be started.
    fn arrived(&mut self, arrival: Arrival) -> Option<Event> {
        match arrival {
            Arrival::Event(event) => {
                self.status.metrics().count_received();
                self.deliveries.started();
                self.in_pipe.push(event.handle());
                return Some(event);
            }
            Arrival::Connected { terms, .. } => {
                self.deliveries.agree(terms);
                self.connected();
            }
            Arrival::Lost { generation, reason } => self.being_mended(generation, reason),
            Arrival::Revoked { partition, generation } => {
                self.deliveries.revoked(partition, generation);
                self.status.metrics().forget_lag_of(partition);
            }
            Arrival::Lag { partition, count } => self.status.metrics().set_lag(partition, count),
        }
        None
    }

    fn connected(&mut self) {
        self.connected_at = Some(Instant::now());
        self.outage = None;
        self.status.set_attempts(0);
        self.status.set_state(AgentState::Running);
        self.status.pinged(SystemTime::now());
        AgentConnected.emit(&self.spec.label);
    }

    fn show_load(&self) {
        self.status.metrics().set_load(self.deliveries.running(), self.deliveries.waiting());
    }

    /// Tells that there is no connection, and when the next try is made.
    pub(crate) fn not_connected(&self, reason: &str, wait: Duration) {
        self.status.metrics().count_reconnect();
        self.status.metrics().forget_lag();
        AgentLost { reason, wait }.emit(&self.spec.label);
    }

    /// Hands settlements to the driver; what does not fit waits for its doorbell.
    fn flush(&mut self, source: &Source) {
        if !self.deliveries.unsent().is_empty() {
            let taken = source.settle(self.deliveries.unsent());
            self.status.count_settled(&self.deliveries.unsent()[..taken]);
            self.deliveries.sent(taken);
        }
    }

    /// Sleeps until something happens, and notes it.
    async fn wait<F: Future<Output = Finished>>(
        &mut self,
        source: &Source,
        turn: &mut Turn,
        pipe: &mut FuturesUnordered<F>,
    ) {
        let overdue = self.outage.as_ref().map(|outage| outage.until);
        turn.wake_at(self.deliveries.next_wake(turn.is_dry).into_iter().chain(overdue).min());
        tokio::select! {
            biased;
            // First, though it is cheap to ask: a pipe that always has something must not starve the intake.
            () = source.rung() => (turn.is_dry, turn.has_rung) = (false, true),
            Some(finished) = pipe.next(), if !pipe.is_empty() => {
                self.finished(finished);
                // All that is ready now is settled together.
                while let Some(Some(finished)) = pipe.next().now_or_never() {
                    self.finished(finished);
                }
            }
            answer = answered(&mut turn.ping) => {
                turn.asked_at = None;
                self.pinged(answer);
            }
            () = &mut turn.alarm => {}
            () = &mut turn.draining => {}
        }
    }

    /// Once a health interval: asks the broker whether it is there.
    fn tick(&mut self, source: &Source, turn: &mut Turn) {
        let now = Instant::now();
        if now < turn.next_health {
            return;
        }
        turn.next_health = now + self.spec.health_interval;
        self.failures.write_due(now.into_std());
        match turn.asked_at {
            Some(asked) => self.unanswered(now.duration_since(asked)),
            None if self.connected_at.is_some() => {
                turn.asked_at = Some(now);
                turn.ping = Some(Box::pin(source.ping()));
            }
            None => {}
        }
    }

    /// A driver that answers nothing hangs in a call, or another agent's call holds up its library's one thread. A
    /// settlement that does not end shows here, too: a driver answers a ping only between two settlements.
    fn unanswered(&self, since: Duration) {
        let is_late = since >= STALLED_NO_SOONER.max(self.spec.health_interval * STALLED_AFTER);
        if is_late && self.status.change_state(AgentState::Running, AgentState::Stalled) {
            self.status.failed_with("the driver does not answer");
            AgentStalled { after: rounded(since) }.emit(&self.spec.label);
        }
    }

    fn pinged(&self, answer: Result<(), DriverError>) {
        self.status.change_state(AgentState::Stalled, AgentState::Running);
        match answer {
            Ok(()) => self.status.pinged(SystemTime::now()),
            Err(error) => self.status.failed_with(&error.to_string()),
        }
    }

    /// Settles an event that has left the pipe.
    pub(crate) fn finished(&mut self, finished: Finished) {
        let Finished { event, failure, on_done, epoch } = finished;
        if epoch != self.epoch {
            self.status.count_lost(1);
            self.deliveries.finished_stale();
            return self.show_load();
        }
        let handle = event.handle();
        if let Some(place) = self.in_pipe.iter().position(|own| *own == handle) {
            self.in_pipe.swap_remove(place);
        }
        match failure {
            None => {
                on_done.into_iter().for_each(|on_done| on_done());
                self.status.count_acked();
                self.status.metrics().observe_age(age_of(&event));
                self.deliveries.succeeded(&event);
            }
            Some(failure) => self.failed(event, &failure),
        }
    }

    fn failed(&mut self, event: Event, failure: &Failure) {
        let (name, age) = (name_of(&event), age_of(&event));
        let failed = self.deliveries.failed(event, failure, Instant::now(), fastrand::f64());
        self.status.count_failed(failure);
        self.status.failed_with(&failure.message);
        if failed.is_given_back {
            self.status.count_given_back();
        }
        let end = match failed.end {
            FailedEnd::Waits(wait) => End::Waits(rounded(wait)),
            FailedEnd::Rejected => End::Rejected,
            FailedEnd::Discarded => End::Discarded,
        };
        if failed.end == FailedEnd::Discarded {
            self.status.count_acked();
        }
        if !matches!(end, End::Waits(_)) {
            self.status.metrics().observe_age(age);
        }
        let line = EventFailed { event: &name, attempt: failed.attempt, error: &failure.message, end };
        self.failures.record(line, std::time::Instant::now());
    }

    /// The connection is gone, and with it everything that was not settled: the broker delivers it again.
    async fn lost(&mut self, source: Source, end: SourceEnd) -> DriverError {
        self.flush(&source);
        let closed = hurried(self.shutdown.clone(), source.close(CLOSE)).await;
        let lost = self.deliveries.forget_connection();
        self.status.count_lost(lost);
        self.show_load(); // nobody else does until the next connection
        self.in_pipe.clear();
        self.outage = None;
        // From here on, not from the next connection on: what leaves the pipe between the two must not be settled there.
        self.epoch += 1;
        match end {
            SourceEnd::Failed(error) => error,
            SourceEnd::Closed => closed.err().unwrap_or_else(DriverError::ended_by_itself),
        }
    }

    /// Gives back what waits, lets the pipe finish within the grace period, settles, says goodbye.
    async fn drain<F: Future<Output = Finished>>(&mut self, mut source: Source, pipe: &mut FuturesUnordered<F>) {
        let start = Instant::now();
        let until = *self.drains_until.insert(start + self.spec.drain);
        let before = self.in_pipe.len();
        drop(source.pause(true)); // asked, and not awaited: a driver that stalls must not hold up the end
        let mut given_back = self.deliveries.drain() + self.return_arrivals(&mut source);
        given_back += self.finish_pipe(&mut source, pipe, until).await;
        pipe.clear(); // before its events go back: nobody else may work on them at the same time
        let abandoned = std::mem::take(&mut self.in_pipe);
        abandoned.iter().for_each(|handle| self.deliveries.abandon(*handle));
        let shutdown = self.shutdown.clone();
        if let Err(error) = hurried(shutdown, self.say_goodbye(source)).await {
            tracing::warn!(agent = &*self.spec.label.agent, agent_type = &*self.spec.label.agent_type, %error, "did not close in order");
        }
        let (finished, abandoned) = (before - abandoned.len(), abandoned.len());
        AgentDrained { finished, given_back, abandoned, took: start.elapsed() }.emit(&self.spec.label);
    }

    /// Gives back untouched what the driver has ready: others can have it. Returns how many.
    fn return_arrivals(&mut self, source: &mut Source) -> usize {
        let mut count = 0;
        let mut give_back = |arrival| {
            if let Arrival::Event(event) = arrival {
                self.status.metrics().count_received();
                self.deliveries.abandon(event.handle());
                count += 1;
            }
        };
        while let Ok(1..) = source.next(usize::MAX, &mut give_back) {}
        self.flush(source);
        count
    }

    /// Lets the pipe finish until the time is up; returns how many events came meanwhile and were given back.
    async fn finish_pipe<F: Future<Output = Finished>>(
        &mut self,
        source: &mut Source,
        pipe: &mut FuturesUnordered<F>,
        until: Instant,
    ) -> usize {
        let mut shutdown = self.shutdown.clone();
        let mut given_back = 0;
        while !pipe.is_empty() {
            tokio::select! {
                biased;
                () = shutdown.reached(Phase::Ending) => break,
                () = source.rung() => given_back += self.return_arrivals(source),
                Some(finished) = pipe.next() => self.finished(finished),
                () = sleep_until(until) => break,
            }
            self.flush(source);
            self.show_load();
        }
        given_back
    }

    /// Hands over the last settlements and closes.
    async fn say_goodbye(&mut self, source: Source) -> Result<(), DriverError> {
        let until = Instant::now() + CLOSE;
        self.flush(&source);
        while !self.deliveries.unsent().is_empty() && timeout_at(until, source.rung()).await.is_ok() {
            self.flush(&source);
        }
        source.close(until.saturating_duration_since(Instant::now())).await
    }
}

/// Waits for `goodbye`, but after a second signal only a moment longer.
async fn hurried(
    mut shutdown: Shutdown,
    goodbye: impl Future<Output = Result<(), DriverError>>,
) -> Result<(), DriverError> {
    let moment = async {
        shutdown.reached(Phase::Ending).await;
        tokio::time::sleep(CLOSE_AT_ONCE).await;
    };
    tokio::select! {
        biased;
        result = goodbye => result,
        () = moment => Err(DriverError::late()),
    }
}

/// What one connection's loop keeps between turns.
struct Turn {
    /// The driver had nothing; its doorbell will ring.
    is_dry: bool,
    /// The doorbell has rung since the driver was last asked.
    has_rung: bool,
    next_health: Instant,
    ping: Option<Ping>,
    /// When the ping that is under way was sent.
    asked_at: Option<Instant>,
    /// One timer for all: registering one each turn would cost more than the turn.
    alarm: Pin<Box<Sleep>>,
    draining: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Turn {
    fn new(mut shutdown: Shutdown, health_interval: Duration) -> Self {
        let next_health = Instant::now() + health_interval;
        let draining = Box::pin(async move { shutdown.reached(Phase::Draining).await });
        Self {
            is_dry: false,
            has_rung: false,
            next_health,
            ping: None,
            asked_at: None,
            alarm: Box::pin(sleep_until(next_health)),
            draining,
        }
    }

    /// Sets the alarm for `wake`, or for the next look at the broker's health.
    fn wake_at(&mut self, wake: Option<Instant>) {
        let wake = wake.map_or(self.next_health, |wake| wake.min(self.next_health));
        if self.alarm.deadline() != wake || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(wake);
        }
    }
}

/// What the log calls an event: its topic, and what its broker knows it by.
fn name_of(event: &Event) -> String {
    let mut name = String::from_utf8_lossy(event.topic()).into_owned();
    let id = event.attributes().find(|(attribute, _)| *attribute == b"message_id");
    let id = id.map(|(_, id)| format!("message_id={}", String::from_utf8_lossy(id)));
    let partition = event.partition().map(|partition| format!("partition={partition}"));
    let offset = event.offset().map(|offset| format!("offset={offset}"));
    for part in [partition, offset, id].into_iter().flatten() {
        name.push_str(if name.is_empty() { "" } else { " " });
        name.push_str(&part);
    }
    name
}

/// Whole milliseconds, for the log.
pub(crate) fn rounded(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

/// The answer of the ping that is under way; waits for ever when there is none. Cancel-safe.
async fn answered(ping: &mut Option<Ping>) -> Result<(), DriverError> {
    match ping {
        Some(asked) => {
            let answer = asked.await;
            *ping = None;
            answer
        }
        None => std::future::pending().await,
    }
}
