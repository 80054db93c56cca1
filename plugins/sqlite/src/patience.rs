//! How long the driver tries again what the file refuses for now: it may be locked or full only for a while.

use std::time::{Duration, Instant};

use crate::store::{Fault, StoreError};

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// A locked file is waited for inside of each try already (`LOCK_PATIENCE`, 10 s); this leaves room for two more.
const SHORTEST: Duration = Duration::from_secs(25);

/// After this the supervisor shall know, however long the lease is.
const LONGEST: Duration = Duration::from_secs(60);

/// How long is tried again, counted from the first try. A try that began within it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(Duration);

impl Patience {
    /// Two thirds of the lease, within limits: a settlement counts as long as nobody else claimed the event, and nobody
    /// can claim while the file is locked.
    pub fn of(lease: Duration) -> Self {
        Self((lease * 2 / 3).clamp(SHORTEST, LONGEST))
    }

    /// Whether to try again after `waited`.
    pub fn lasts(self, waited: Duration) -> bool {
        waited < self.0
    }
}

/// Asks until there is an answer, a fault that `may_pass` does not name, or the patience is at its end.
///
/// When it is dropped, what was asked last may still happen.
pub async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(
    patience: Patience,
    may_pass: fn(&Fault) -> bool,
    mut ask: impl FnMut() -> F,
) -> Result<T, StoreError> {
    let started = Instant::now();
    let mut is_told = false;
    loop {
        match ask().await {
            Err(error) if may_pass(&error.fault) && patience.lasts(started.elapsed()) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%error, "the queue refused, trying again");
                }
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{LONGEST_LEASE, SHORTEST_LEASE};
    use crate::store::LOCK_PATIENCE;

    #[test]
    fn a_lock_is_outwaited_at_least_twice_with_any_lease() {
        for lease in [SHORTEST_LEASE, Duration::from_secs(30), LONGEST_LEASE] {
            let patience = Patience::of(lease);
            assert!(patience.lasts(LOCK_PATIENCE + PAUSE), "after one refusal, {lease:?}");
            assert!(patience.lasts(2 * (LOCK_PATIENCE + PAUSE)), "after two refusals, {lease:?}");
            assert!(!patience.lasts(LONGEST), "{lease:?}");
        }
        assert_eq!(Patience::of(Duration::from_secs(60)), Patience(Duration::from_secs(40)));
    }

    /// Refuses with each of `faults`, then answers. How often it was asked, and the last answer.
    #[track_caller]
    fn check(patience: Patience, faults: &[Fault], asked: usize, expected: Result<(), Fault>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut count = 0;
        let result = runtime.block_on(patiently(patience, Fault::may_pass, || {
            count += 1;
            let fault = faults.get(count - 1).cloned();
            async move { fault.map_or(Ok(()), |fault| Err(fault.at(Path::new("events.db")))) }
        }));
        assert_eq!((count, result.map_err(|error| error.fault)), (asked, expected), "{faults:?}");
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        let patience = Patience::of(Duration::from_secs(30));
        check(patience, &[Fault::Locked, Fault::Full], 3, Ok(()));
        check(patience, &[Fault::Locked, Fault::ReadOnly], 2, Err(Fault::ReadOnly));
        check(patience, &[Fault::Replaced], 1, Err(Fault::Replaced));
        check(patience, &[Fault::Closed], 1, Err(Fault::Closed));
    }

    #[test]
    fn patience_ends() {
        check(Patience(Duration::ZERO), &[Fault::Locked], 1, Err(Fault::Locked));
    }
}
