//! Verdicts on their way to the queue.

use std::sync::Arc;
use std::time::Duration;

use siphon_sdk::{Error, Settlement, Settler, Verdict};

use crate::connect::{broken, closed};
use crate::deliveries::Deliveries;
use crate::patience::{Patience, patiently};
use crate::store::{self, Consumer, Fault, Settled};

/// The settling half. A settlement that is refused for now is tried again: an event whose acknowledgement is lost is
/// worked on twice.
pub struct Judge {
    /// None after the goodbye.
    consumer: Option<Arc<Consumer>>,
    deliveries: Arc<Deliveries>,
    patience: Patience,
}

impl Judge {
    pub fn new(consumer: Arc<Consumer>, deliveries: Arc<Deliveries>, patience: Patience) -> Self {
        Self { consumer: Some(consumer), deliveries, patience }
    }

    fn consumer(&self) -> Result<&Consumer, Error> {
        self.consumer.as_deref().ok_or_else(closed)
    }

    /// In the store's words; none when the delivery was settled before.
    fn translate(&self, settlement: &Settlement) -> Option<store::Settlement> {
        let verdict = match settlement.verdict {
            Verdict::Ack => store::Verdict::Ack,
            Verdict::Requeue => store::Verdict::Requeue,
            Verdict::Retry { delay_ms } => store::Verdict::Retry(Duration::from_millis(delay_ms)),
            Verdict::Reject => store::Verdict::Reject,
        };
        Some(store::Settlement { ticket: self.deliveries.take(settlement.id)?, verdict })
    }
}

impl Settler for Judge {
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        let consumer = self.consumer()?;
        let settlements: Vec<_> = settlements.iter().filter_map(|one| self.translate(one)).collect();
        let settle = || consumer.settle(settlements.clone());
        let outcomes = patiently(self.patience, Fault::may_pass, settle).await.map_err(broken)?;
        for (settlement, _) in settlements.iter().zip(outcomes).filter(|(_, outcome)| *outcome == Settled::Stale) {
            let (event, verdict) = (settlement.ticket.id, &settlement.verdict);
            tracing::debug!(event, ?verdict, "settled too late: the lease had passed on, nothing was changed");
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.consumer()?.store().ping().await.map_err(broken)
    }

    async fn close(&mut self) -> Result<(), Error> {
        let Some(consumer) = self.consumer.take() else { return Ok(()) };
        let result = consumer.close().await.map_err(broken);
        if let Some(consumer) = Arc::into_inner(consumer) {
            consumer.into_store().close().await;
        }
        result
    }
}
