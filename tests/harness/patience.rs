//! Waiting for what happens outside of this process, where nobody rings a bell.

use std::time::{Duration, Instant};

/// How long a condition may take before the test has failed. Far beyond what a busy machine needs.
const LIMIT: Duration = Duration::from_secs(60);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer.
///
/// # Panics
///
/// When there is none within 60 s; names `what` was awaited.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited {LIMIT:?} for {what}");
        std::thread::sleep(PAUSE);
    }
}
