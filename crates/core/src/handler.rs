//! The port through which events leave the core: event in, outcome out.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use crate::Event;

/// What an agent does with an event.
pub trait Handler: Send + Sync + 'static {
    /// What came of it besides success or failure; `invoke` shows it, the runtime drops it.
    type Reply: Send;

    /// Works on `event` until `deadline` at the latest. Dropped (cancelled) when it is late.
    fn handle(&self, event: &Event, deadline: Instant) -> impl Future<Output = Handled<Self::Reply>> + Send;

    /// Waits for what still goes on for events that are done, such as copies to others. Awaited when the agent ends,
    /// as long as its grace period lasts; may be dropped.
    fn finish(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What came of an event. A reply may be there beside a failure: partial data.
pub struct Handled<R> {
    pub reply: Option<R>,
    pub failure: Option<Failure>,
    /// Called once the event is done, before its acknowledgement goes to the driver: for what the handler took elsewhere
    /// and must not settle before. Dropped when the event failed or comes again.
    pub on_done: Option<OnDone>,
}

pub type OnDone = Box<dyn FnOnce() + Send>;

impl<R: fmt::Debug> fmt::Debug for Handled<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reply, failure, .. } = self;
        f.debug_struct("Handled").field("reply", reply).field("failure", failure).finish_non_exhaustive()
    }
}

impl<R> Handled<R> {
    /// Nothing but a failure.
    pub fn failed(failure: Failure) -> Self {
        Self { reply: None, failure: Some(failure), on_done: None }
    }
}

/// Why an event failed, for the delivery policy and the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub kind: FailureKind,
    /// For people; without secrets and whole bodies.
    pub message: String,
    /// How long a backend asked to be left alone.
    pub retry_after: Option<Duration>,
    /// What whoever refused the event wants of it; `None`: the delivery policy decides.
    pub outcome: Option<Outcome>,
}

/// What may become of a failed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Once more, later.
    Retry,
    /// To where the broker keeps what failed for good. Tried again where the broker has no such place.
    DeadLetter,
    /// It is done with.
    Discard,
}

/// What kind of failure, as `async/delivery` distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A backend answered with this status.
    Status(u16),
    Timeout,
    Connect,
    /// The event or a reply was not what the pipe can work on.
    Invalid,
    /// A bug in the pipe.
    Panic,
    Other,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, outcome: None }
    }

    fn late() -> Self {
        Self::new(FailureKind::Timeout, "context deadline exceeded")
    }

    fn panicked(payload: &(dyn Any + Send)) -> Self {
        let said = payload.downcast_ref::<&str>().copied();
        let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::new(FailureKind::Panic, format!("the pipe panicked: {}", said.unwrap_or("without a message")))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// One run of the handler: bounded by `timeout`, a panic is a failure.
pub async fn attempt<H: Handler>(handler: &H, event: &Event, timeout: Duration) -> Handled<H::Reply> {
    let deadline = Instant::now() + timeout;
    let run = AssertUnwindSafe(handler.handle(event, deadline)).catch_unwind();
    match tokio::time::timeout_at(deadline, run).await {
        Ok(Ok(handled)) => handled,
        Ok(Err(panic)) => Handled::failed(Failure::panicked(&*panic)),
        Err(_) => Handled::failed(Failure::late()),
    }
}
