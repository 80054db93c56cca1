//! Several equal calls at once (components-traffic.md §7).

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::merge::{in_time, share_of};
use crate::message::{Reply, Request};
use crate::stage::{Context, Stage, StageFuture};
use crate::taken::Taken;

/// Share of the time left that the calls get.
const PERCENT_FOR_CALLS: u32 = 75;

/// Makes each call several times at once. The first complete answer counts and ends the others; without one the last.
pub(crate) struct Concurrent {
    calls: usize,
    inner: Box<dyn Stage>,
}

impl Concurrent {
    /// `inner` alone where it is called once.
    pub fn of(calls: usize, inner: Box<dyn Stage>) -> Box<dyn Stage> {
        if calls > 1 { Box::new(Self { calls, inner }) } else { inner }
    }
}

impl Stage for Concurrent {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let context = &Context { deadline: share_of(PERCENT_FOR_CALLS, context.deadline, Instant::now()) };
            let calls = (0..self.calls).map(|_| self.one(&request, context));
            let mut calls: FuturesUnordered<_> = calls.collect();
            let mut last = (Taken::default(), Reply::default());
            while let Some(ended) = calls.next().await {
                last = ended;
                if last.1.is_complete() {
                    break;
                }
            }
            let (taken, reply) = last;
            request.taken.adopt(&taken);
            reply
        })
    }
}

impl Concurrent {
    /// One call. What the others took is given back.
    async fn one(&self, request: &Request, context: &Context) -> (Taken, Reply) {
        let request = Request { taken: request.taken.apart(), ..request.clone() };
        (request.taken.clone(), in_time(self.inner.as_ref(), request, context).await)
    }
}
