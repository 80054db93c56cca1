//! Verdicts on their way to the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use siphon_sdk::{Error, Settlement, Settler, Verdict};

use crate::connect::{broken, closed};
use crate::consume::ticket;
use crate::store::{self, Consumer, Settled, StoreError};

/// How long a settlement that failed is tried again before the driver gives up: an event whose acknowledgement is lost
/// is worked on twice. A disk that is full, or a file that is locked, may be free again by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// The settling half.
pub struct Judge {
    /// None after the goodbye.
    consumer: Option<Arc<Consumer>>,
}

impl Judge {
    pub fn new(consumer: Arc<Consumer>) -> Self {
        Self { consumer: Some(consumer) }
    }

    fn consumer(&self) -> Result<&Consumer, Error> {
        self.consumer.as_deref().ok_or_else(closed)
    }
}

async fn settle_patiently(consumer: &Consumer, settlements: &[store::Settlement]) -> Result<Vec<Settled>, StoreError> {
    let started = Instant::now();
    loop {
        match consumer.settle(settlements.to_vec()).await {
            Err(error) if !error.fault.is_permanent() && started.elapsed() < PATIENCE => {
                tracing::debug!(%error, count = settlements.len(), "could not settle, trying again");
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
}

impl Settler for Judge {
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        let settlements: Vec<_> = settlements.iter().map(translate).collect();
        let outcomes = settle_patiently(self.consumer()?, &settlements).await.map_err(broken)?;
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

fn translate(settlement: &Settlement) -> store::Settlement {
    let verdict = match settlement.verdict {
        Verdict::Ack => store::Verdict::Ack,
        Verdict::Requeue => store::Verdict::Requeue,
        Verdict::Retry { delay_ms } => store::Verdict::Retry(Duration::from_millis(delay_ms)),
        Verdict::Reject => store::Verdict::Reject,
    };
    store::Settlement { ticket: ticket(settlement), verdict }
}
