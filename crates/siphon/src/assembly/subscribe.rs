//! Backends of plugins that take: an event that reaches one takes a message of another queue, which is the reply.

use std::sync::Arc;
use std::time::Duration;

use siphon_core::{NotTaken, Received, Subscription};
use siphon_pipe::{Context, Hold, PipeError, Reading, Request, Response, Stage, StageFuture};
use tokio::time::Instant;

/// What is left of the event's time to say that no message came: the pipe's own word would be that it is late.
const TO_SAY_SO: Duration = Duration::from_millis(50);

/// The innermost stage of a backend that takes.
pub(super) struct Subscribing {
    pub subscription: Arc<Subscription>,
    pub reading: Reading,
    pub namespace: Arc<str>,
}

impl Stage for Subscribing {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move { self.taken(&request, context).await.into() })
    }
}

impl Subscribing {
    async fn taken(&self, request: &Request, context: &Context) -> Result<Response, PipeError> {
        let message = self.subscription.take(before(context.deadline)).await;
        let message = message.map_err(|error| self.not_taken(&error))?;
        let response = match self.reading.message(message.payload()) {
            Ok(response) => response,
            Err(error) => {
                message.failed();
                return Err(error);
            }
        };
        if request.taken.hold(Box::new(Held(message))) {
            return Ok(response);
        }
        Err(self.failed("nobody waits for the event's outcome: a copy of it takes no messages", false))
    }

    fn not_taken(&self, error: &NotTaken) -> PipeError {
        self.failed(&error.to_string(), matches!(error, NotTaken::NotConnected { .. }))
    }

    fn failed(&self, reason: &str, is_connection: bool) -> PipeError {
        PipeError::Plugin { namespace: Arc::clone(&self.namespace), reason: reason.to_owned(), is_connection }
    }
}

/// A little before the deadline: a twentieth of the time that is left, at most [`TO_SAY_SO`].
fn before(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - TO_SAY_SO.min(left / 20)
}

/// A message that waits for the event's outcome.
struct Held(Received);

impl Hold for Held {
    fn done(self: Box<Self>) {
        self.0.done();
    }
}
