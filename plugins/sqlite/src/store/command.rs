//! What callers ask of the thread that owns a file, each with the way back for its answer.

use std::sync::Weak;
use std::time::Duration;

use tokio::sync::oneshot;

use super::engine::ConsumerId;
use super::error::{Fault, StoreError};
use super::event::{Event, NewEvent, Settled, Settlement, Ticket};
use super::settle::Route;
use crate::topic::TopicFilter;

/// Input, output, and who waits for it.
#[derive(Debug)]
pub struct Job<I, O> {
    pub input: I,
    /// Set in the transaction, handed out after its commit.
    pub output: Option<O>,
    reply: Option<oneshot::Sender<Result<O, StoreError>>>,
}

pub type Answer<O> = oneshot::Receiver<Result<O, StoreError>>;

impl<I, O> Job<I, O> {
    pub fn new(input: I) -> (Self, Answer<O>) {
        let (reply, answer) = oneshot::channel();
        (Self { input, output: None, reply: Some(reply) }, answer)
    }

    /// A job of the store's own.
    pub fn unattended(input: I) -> Self {
        Self { input, output: None, reply: None }
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_abandoned(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Hands out the output after the commit; gives it back when nobody takes it.
    pub fn finish(self) -> Option<O> {
        match (self.output, self.reply) {
            (Some(output), Some(reply)) => reply.send(Ok(output)).err()?.ok(),
            (output, _) => output,
        }
    }

    pub fn fail(self, error: StoreError) {
        if let Some(reply) = self.reply {
            // An answer that nobody waits for any more is of no use to anybody.
            let _ = reply.send(Err(error));
        }
    }
}

/// A consumer to be: what it reads and how long its leases are.
#[derive(Debug)]
pub struct Subscribe {
    pub route: Route,
    pub filter: TopicFilter,
    pub lease: Duration,
    /// Gone when the consumer's handle is.
    pub alive: Weak<()>,
}

#[derive(Debug)]
pub struct Publish {
    pub queue: String,
    pub events: Vec<NewEvent>,
}

#[derive(Debug)]
pub struct Settle {
    pub consumer: ConsumerId,
    pub settlements: Vec<Settlement>,
}

#[derive(Debug)]
pub struct Renew {
    pub consumer: ConsumerId,
    pub tickets: Vec<Ticket>,
}

#[derive(Debug)]
pub struct Claim {
    pub consumer: ConsumerId,
    /// Events at most; at least one.
    pub max: usize,
}

#[derive(Debug)]
pub enum Command {
    Subscribe(Job<Subscribe, ConsumerId>),
    Settle(Job<Settle, Vec<Settled>>),
    /// Ends a consumer and gives back what it still holds.
    Close(Job<ConsumerId, ()>),
    Publish(Job<Publish, Vec<i64>>),
    /// The output are the leases that were lost.
    Renew(Job<Renew, Vec<Ticket>>),
    Claim(Job<Claim, Vec<Event>>),
    Ping(Job<(), ()>),
}

impl Command {
    /// Place within a transaction: what makes events claimable comes before the claims.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Subscribe(_) | Self::Ping(_) => 0,
            Self::Settle(_) | Self::Close(_) => 1,
            Self::Publish(_) => 2,
            Self::Renew(_) => 3,
            Self::Claim(_) => 4,
        }
    }

    /// Whether its effect must be on the disk before it is confirmed.
    pub fn must_last(&self) -> bool {
        !matches!(self, Self::Renew(_) | Self::Claim(_) | Self::Ping(_))
    }

    /// Answers with `fault`.
    pub fn fail(self, path: &std::path::Path, fault: &Fault) {
        let error = fault.clone().at(path);
        match self {
            Self::Subscribe(job) => job.fail(error),
            Self::Settle(job) => job.fail(error),
            Self::Close(job) => job.fail(error),
            Self::Publish(job) => job.fail(error),
            Self::Renew(job) => job.fail(error),
            Self::Claim(job) => job.fail(error),
            Self::Ping(job) => job.fail(error),
        }
    }
}
