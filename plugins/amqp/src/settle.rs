//! Verdicts on their way to the broker.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use siphon_sdk::{Error, Settlement, Settler, Verdict};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::connect::Link;
use crate::error;
use crate::plan::{AckPlan, Frame, LONGEST_HOLD, Outcome};

/// How often deliveries are looked through for those that are held too long.
const LOOK_FOR_OVERDUE: Duration = Duration::from_secs(30);

/// How long the broker may take to answer a question.
const PING: Duration = Duration::from_secs(5);

/// The channel and the plan of what goes over it. The receiving and the settling half share it, and so does the task that
/// sends what has waited long enough.
pub struct Wire {
    pub link: Arc<Link>,
    plan: Mutex<AckPlan>,
    /// The plan has something to send later.
    armed: Notify,
}

type Sending = Pin<Box<dyn Future<Output = lapin::Result<()>> + Send>>;

impl Wire {
    pub fn new(link: Arc<Link>, workers: usize, prefetch: u16) -> Arc<Self> {
        let plan = Mutex::new(AckPlan::new(workers, prefetch.into()));
        Arc::new(Self { link, plan, armed: Notify::new() })
    }

    /// The broker delivered this.
    pub fn delivered(&self, tag: u64) {
        self.plan().delivered(tag, Instant::now());
    }

    /// Changes the plan, and sends what is due.
    ///
    /// # Errors
    ///
    /// The connection's end.
    pub async fn settle(&self, change: impl FnOnce(&mut AckPlan, Instant)) -> Result<(), Error> {
        let mut frames = Vec::new();
        let sending = {
            let (mut plan, now) = (self.plan(), Instant::now());
            let was_armed = plan.next_wake().is_some();
            change(&mut plan, now);
            plan.take(now, &mut frames);
            if !was_armed && plan.next_wake().is_some() {
                self.armed.notify_one();
            }
            self.enqueue(&frames)
        };
        self.sent(sending).await
    }

    /// Sends everything that is done.
    async fn settle_all(&self) -> Result<(), Error> {
        let sending = {
            let mut frames = Vec::new();
            self.plan().take_all(&mut frames);
            self.enqueue(&frames)
        };
        self.sent(sending).await
    }

    /// Hands the frames to the client. Called under the plan's lock: the order of the plan is that of the wire.
    fn enqueue(&self, frames: &[Frame]) -> Vec<Sending> {
        let mut waiting = Vec::new();
        for frame in frames {
            let mut sending = send(self.link.channel.clone(), *frame);
            // The first poll puts it into the client's queue; the rest is waiting until it is on the wire.
            match (&mut sending).now_or_never() {
                Some(Ok(())) => {}
                Some(result) => waiting.push(std::future::ready(result).boxed()),
                None => waiting.push(sending),
            }
        }
        waiting
    }

    async fn sent(&self, sending: Vec<Sending>) -> Result<(), Error> {
        for sending in sending {
            sending.await.map_err(|error| error::ended(&self.link.address, &error))?;
        }
        Ok(())
    }

    /// Sends what has waited long enough, until the connection ends.
    async fn send_what_is_due(self: Arc<Self>) {
        loop {
            let wake = self.plan().next_wake();
            match wake {
                Some(wake) => tokio::time::sleep_until(wake.into()).await,
                None if tokio::time::timeout(LOOK_FOR_OVERDUE, self.armed.notified()).await.is_ok() => continue,
                None => {}
            }
            if self.settle(look_for_overdue).await.is_err() {
                return; // the receiving half says why
            }
        }
    }

    fn plan(&self) -> MutexGuard<'_, AckPlan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_for_overdue(plan: &mut AckPlan, now: Instant) {
    let count = plan.give_back_overdue(now);
    if count > 0 {
        let held = LONGEST_HOLD.as_secs() / 60;
        tracing::warn!(
            count,
            "given back after {held} minutes: RabbitMQ ends a consumer that holds a message for longer"
        );
    }
}

fn send(channel: Channel, frame: Frame) -> Sending {
    Box::pin(async move {
        match frame {
            Frame::Ack(tag) => channel.basic_ack(tag, BasicAckOptions { multiple: false }).await,
            Frame::AckUpTo(tag) => channel.basic_ack(tag, BasicAckOptions { multiple: true }).await,
            Frame::Nack { tag, requeue } => {
                channel.basic_nack(tag, BasicNackOptions { multiple: false, requeue }).await
            }
        }
    })
}

/// The settling half.
pub struct Judge {
    wire: Arc<Wire>,
    queue: String,
    /// What a failed event gets.
    failed: Outcome,
    is_failure_final: bool,
    sender: JoinHandle<()>,
}

impl Judge {
    pub fn new(wire: Arc<Wire>, config: &Config) -> Self {
        let failed = if config.nack_discard { Outcome::Reject } else { Outcome::GiveBack };
        let sender = tokio::spawn(Arc::clone(&wire).send_what_is_due());
        let is_failure_final = config.nack_discard || config.auto_ack;
        Self { wire, queue: config.name.clone(), failed, is_failure_final, sender }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

impl Settler for Judge {
    fn is_failure_final(&self) -> bool {
        self.is_failure_final
    }

    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        let failed = self.failed;
        let settle = |plan: &mut AckPlan, now| {
            for settlement in settlements {
                if !plan.settle(settlement.id, outcome(settlement.verdict, failed), now) {
                    tracing::debug!(tag = settlement.id, "settled already: acknowledged on receipt, or held too long");
                }
            }
        };
        self.wire.settle(settle).await
    }

    /// Asks for the queue: it may be gone although the connection stands.
    async fn ping(&mut self) -> Result<(), Error> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let link = &self.wire.link;
        let asked = link.channel.queue_declare(self.queue.as_str().into(), options, FieldTable::default());
        match tokio::time::timeout(PING, asked).await {
            Ok(answer) => answer.map(drop).map_err(|error| error::ended(&link.address, &error)),
            Err(_) => Err(Error::connection(format!("{} did not answer within {PING:?}", link.address))),
        }
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.sender.abort();
        self.wire.settle_all().await?;
        self.wire.link.close().await
    }
}

fn outcome(verdict: Verdict, failed: Outcome) -> Outcome {
    match verdict {
        Verdict::Ack => Outcome::Ack,
        Verdict::Requeue => Outcome::GiveBack,
        Verdict::Retry { .. } => failed,
        Verdict::Reject => Outcome::Reject,
    }
}
