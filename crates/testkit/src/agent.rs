//! An agent on a fake broker, run by the core's own supervisor.

use std::sync::Arc;
use std::time::Duration;

use siphon_core::delivery::{Backoff, Policy, Strategy};
use siphon_core::plugin::Registered;
use siphon_core::{AgentEnd, AgentSpec, AgentStatus, Handler, Phase, ShutdownHandle, Snapshot, supervise};
use siphon_telemetry::Label;
use tokio::task::JoinHandle;

use crate::fake::{FakeBroker, registry};

/// How long a status may take to become what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at a status, which rings no bell.
const LOOK: Duration = Duration::from_millis(1);

/// An agent on `broker` with short waits: two workers, no rate, unlimited retries, 1 ms between tries.
///
/// # Panics
///
/// Never: the fake registry has every profile.
pub fn spec(broker: &FakeBroker) -> AgentSpec {
    spec_for(driver(broker), broker.config())
}

/// The registered source that reaches `broker`.
///
/// # Panics
///
/// Never: the fake registry has every profile.
pub fn driver(broker: &FakeBroker) -> Arc<Registered> {
    Arc::clone(registry().source(broker.key()).expect("every profile is registered"))
}

/// The same for any driver.
pub fn spec_for(driver: Arc<Registered>, config: String) -> AgentSpec {
    AgentSpec {
        label: Label::new("orders", driver.label.clone()),
        driver,
        topics: vec!["orders".into()],
        config,
        workers: 2,
        timeout: Duration::from_secs(30),
        max_rate: None,
        max_retries: None,
        backoff: constant(Duration::from_millis(1)),
        health_interval: Duration::from_secs(60),
        policy: Policy { retry: constant(Duration::from_millis(1)) },
        drain: Duration::from_secs(10),
    }
}

/// Always the same wait.
pub fn constant(base: Duration) -> Backoff {
    Backoff { strategy: Strategy::Constant, base, max: Duration::from_secs(300) }
}

/// A running agent.
#[derive(Debug)]
pub struct TestAgent {
    pub status: Arc<AgentStatus>,
    pub shutdown: ShutdownHandle,
    supervisor: JoinHandle<AgentEnd>,
}

impl TestAgent {
    /// Starts the agent on the current runtime.
    pub fn start<H: Handler>(spec: AgentSpec, handler: &Arc<H>) -> Self {
        let (status, shutdown) = (Arc::<AgentStatus>::default(), ShutdownHandle::default());
        let run = supervise(spec, Arc::clone(handler), Arc::clone(&status), shutdown.listen());
        Self { supervisor: tokio::spawn(run), status, shutdown }
    }

    /// Waits until the status is as `condition` says.
    ///
    /// # Panics
    ///
    /// When it is not within 20 s.
    pub async fn wait_until(&self, what: &str, condition: impl Fn(&Snapshot) -> bool) {
        let until = std::time::Instant::now() + PATIENCE;
        while !condition(&self.status.snapshot()) {
            let status = self.status.snapshot();
            assert!(std::time::Instant::now() < until, "waited {PATIENCE:?} for {what}; there is {status:#?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for the end that comes by itself.
    ///
    /// # Panics
    ///
    /// When it does not come within 20 s, or the supervisor panicked.
    pub async fn ended(mut self) -> AgentEnd {
        let end = tokio::time::timeout(PATIENCE, &mut self.supervisor).await;
        end.expect("the agent ends in time").expect("the supervisor does not panic")
    }

    /// Asks it to drain, and waits for its end.
    ///
    /// # Panics
    ///
    /// As [`ended`](Self::ended).
    pub async fn drain(self) -> AgentEnd {
        self.shutdown.advance(Phase::Draining);
        self.ended().await
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}
