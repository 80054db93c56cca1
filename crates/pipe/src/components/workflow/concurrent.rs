//! Several equal calls at once (components-traffic.md §7).

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::merge::{in_time, share_of};
use crate::message::{Reply, Request};
use crate::stage::{Context, Stage, StageFuture};

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
            let calls = (0..self.calls).map(|_| in_time(self.inner.as_ref(), request.clone(), context));
            let mut calls: FuturesUnordered<_> = calls.collect();
            let mut last = Reply::default();
            while let Some(reply) = calls.next().await {
                last = reply;
                if last.is_complete() {
                    break;
                }
            }
            last
        })
    }
}
