//! One agent's supervisor: connects, runs, connects again. One agent's end never touches another.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use siphon_telemetry::{AgentFailed, AgentStarted, FailureLog};
use tokio::time::Instant;

use crate::connection::{Agent, ConnectionEnd, Finished, rounded};
use crate::deliveries::Deliveries;
use crate::delivery::{Next, Reconnect};
use crate::plugin::{DriverError, Event, Source};
use crate::{AgentSpec, AgentState, AgentStatus, Handled, Handler, Phase, Shutdown, attempt};

/// How an agent ended.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentEnd {
    /// As asked.
    Drained,
    /// Its retries are used up, or trying again cannot help.
    Failed(String),
}

/// Runs an agent until the process ends or the agent has to give up.
pub async fn supervise<H: Handler>(
    spec: AgentSpec,
    handler: Arc<H>,
    status: Arc<AgentStatus>,
    shutdown: Shutdown,
) -> AgentEnd {
    AgentStarted { workers: spec.workers }.emit(&spec.label);
    let (timeout, now) = (spec.timeout, Instant::now());
    let deliveries = Deliveries::new(&spec, now);
    let failures = FailureLog::new(spec.label.clone());
    let reconnect = Reconnect::new(spec.backoff, spec.max_retries);
    let mut agent = Agent {
        spec,
        status,
        shutdown,
        deliveries,
        failures,
        epoch: 0,
        connected_at: None,
        reconnect,
        outage: None,
        in_pipe: Vec::new(),
        drains_until: None,
    };
    let start = |event: Event, epoch: u64| {
        let handler = Arc::clone(&handler);
        async move {
            let Handled { failure, on_done, .. } = attempt(&*handler, &event, timeout).await;
            Finished { event, failure, on_done, epoch }
        }
    };
    let end = agent.connect_again_and_again(&start).await;
    agent.ended(&end);
    agent.finish(&*handler).await;
    end
}

impl Agent {
    async fn connect_again_and_again<F: Future<Output = Finished>>(
        &mut self,
        start: &impl Fn(Event, u64) -> F,
    ) -> AgentEnd {
        // Outlives connections: an event that is in the pipe when its connection breaks still occupies its worker.
        let mut pipe = FuturesUnordered::new();
        loop {
            self.status.set_attempts(self.reconnect.attempt());
            let error = match self.connect(&mut pipe, start).await {
                ConnectionEnd::Drained => return AgentEnd::Drained,
                ConnectionEnd::GivenUp(error) => return self.give_up(&error),
                ConnectionEnd::Lost(error) => error,
            };
            self.status.set_state(AgentState::Connecting); // before it waits: what is lost must not be shown as running
            self.status.failed_with(&error.to_string());
            let lasted = self.connected_at.take().map(|since| since.elapsed());
            let Next::Again { after } = self.reconnect.lost(lasted, error.is_temporary(), fastrand::f64()) else {
                return self.give_up(&error);
            };
            self.not_connected(&error.to_string(), rounded(after));
            if self.sleep(after, &mut pipe).await {
                return AgentEnd::Drained;
            }
        }
    }

    async fn connect<F: Future<Output = Finished>>(
        &mut self,
        pipe: &mut FuturesUnordered<F>,
        start: &impl Fn(Event, u64) -> F,
    ) -> ConnectionEnd {
        match Source::open(&self.spec.driver, &self.spec.open_options()) {
            Ok(source) => self.run(source, pipe, start).await,
            Err(error) => ConnectionEnd::Lost(error),
        }
    }

    /// Waits before the next try, while the pipe goes on. True: the process ends.
    async fn sleep<F: Future<Output = Finished>>(&mut self, wait: Duration, pipe: &mut FuturesUnordered<F>) -> bool {
        let until = Instant::now() + wait;
        let mut shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = shutdown.reached(Phase::Draining) => return true,
                Some(finished) = pipe.next(), if !pipe.is_empty() => self.finished(finished),
                () = tokio::time::sleep_until(until) => return false,
            }
        }
    }

    fn give_up(&self, error: &DriverError) -> AgentEnd {
        let (reason, attempts) = (error.to_string(), self.reconnect.failed().max(1));
        AgentFailed { reason: &reason, attempts }.emit(&self.spec.label);
        AgentEnd::Failed(reason)
    }

    /// Lets the handler finish what it does besides, within what is left of the grace period.
    async fn finish(&self, handler: &impl Handler) {
        let until = self.drains_until.unwrap_or_else(|| Instant::now() + self.spec.drain);
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            biased;
            () = handler.finish() => {}
            () = shutdown.reached(Phase::Ending) => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    fn ended(&self, end: &AgentEnd) {
        self.failures.finish(std::time::Instant::now());
        if matches!(end, AgentEnd::Failed(_)) {
            self.status.count_lost(self.deliveries.running());
        }
        self.status.metrics().set_load(0, 0);
        self.status.metrics().forget_lag();
        self.status.set_state(match end {
            AgentEnd::Drained => AgentState::Stopped,
            AgentEnd::Failed(_) => AgentState::Failed,
        });
    }
}

impl DriverError {
    /// A source that ended although nobody asked it to.
    pub(crate) fn ended_by_itself() -> Self {
        let kind = siphon_abi::ErrorKind::CONNECTION;
        Self { kind, path: String::new(), message: "the driver ended by itself".into() }
    }
}
