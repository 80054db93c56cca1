//! How long a backend takes, with all that its configuration puts around the call.

use siphon_config::model::Backend;
use siphon_telemetry::metrics::{PipeMetrics, RunOutcome, Timer};
use siphon_telemetry::redact;

use crate::message::{Reply, Request};
use crate::stage::{Context, Stage, StageFuture};

/// Outermost stage of a backend: measures. A call that is dropped before its end counts as late.
pub(crate) struct Timed {
    calls: Timer,
    inner: Box<dyn Stage>,
}

impl Timed {
    /// The metrics call the backend by its method and its `url_pattern` as written, without secrets, behind the name of
    /// the workflow that it stands in.
    pub fn around(
        inner: Box<dyn Stage>,
        backend: &Backend,
        workflow: &str,
        metrics: &mut PipeMetrics,
    ) -> Box<dyn Stage> {
        let space = if workflow.is_empty() { "" } else { " " };
        let pattern = redact::url(&backend.url_pattern_as_written);
        let name = format!("{workflow}{space}{} {pattern}", backend.method);
        Box::new(Self { calls: metrics.backend(&name), inner })
    }
}

impl Stage for Timed {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        let running = self.calls.start();
        let call = self.inner.call(request, context);
        Box::pin(async move {
            let reply = call.await;
            running.end(outcome_of(&reply));
            reply
        })
    }
}

/// Partial data is a failure.
pub(crate) fn outcome_of(reply: &Reply) -> RunOutcome {
    if reply.error.is_none() { RunOutcome::Done } else { RunOutcome::Failed }
}
