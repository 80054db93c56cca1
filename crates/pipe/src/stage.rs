//! The border between the layers of a pipe.

use std::future::Future;
use std::pin::Pin;

use tokio::time::Instant;

use crate::message::{Reply, Request};

/// A layer: takes a request, may hand it to the layer below, gives a reply.
///
/// A stage is built once and called for many events at once. Dropping the future gives the event up; whatever was
/// sent stays sent. Deadlines belong to the pipe and to the merge: a stage need not look at the clock.
pub trait Stage: Send + Sync {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a>;
}

pub type StageFuture<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// What holds for one event on its way.
#[derive(Debug, Clone)]
pub struct Context {
    /// When the event's time is up; a stage that starts something of its own must not outlast it.
    pub deadline: Instant,
}

/// A reply that is there already.
pub(crate) fn ready<'a>(reply: impl Into<Reply>) -> StageFuture<'a> {
    Box::pin(std::future::ready(reply.into()))
}
