//! The host's ends of [`Doorbell`] and [`Done`]: a notification, and a channel for one answer.

use std::ffi::c_void;
use std::future::Future;
use std::sync::Arc;

use siphon_abi::{Completion, Done, Doorbell};
use tokio::sync::{Notify, oneshot};

use super::source::DriverError;

/// A doorbell that wakes whoever awaits `bell`; a ring that nobody awaits is kept, so that none is lost.
pub(super) fn doorbell(bell: Arc<Notify>) -> Doorbell {
    Doorbell { context: Arc::into_raw(bell).cast(), ring, release }
}

unsafe extern "C" fn ring(context: *const c_void) {
    // SAFETY: `context` is the `Arc` that `doorbell` leaked; it lives until `release`.
    unsafe { &*context.cast::<Notify>() }.notify_one();
}

unsafe extern "C" fn release(context: *const c_void) {
    // SAFETY: called once, for the `Arc` that `doorbell` leaked.
    drop(unsafe { Arc::from_raw(context.cast::<Notify>()) });
}

type Answer = (u64, Result<(), DriverError>);

/// A completion, and the future of its answer: how many things were done, and the next one's error.
pub(super) fn done() -> (Done, impl Future<Output = Answer> + Send + use<>) {
    let (sender, receiver) = oneshot::channel::<Completion>();
    let done = Done::new(Box::into_raw(Box::new(sender)).cast(), answer);
    let answered = async move {
        match receiver.await {
            Ok(completion) => {
                let error = completion.error.into_option().map(DriverError::from);
                (completion.count, error.map_or(Ok(()), Err))
            }
            Err(_) => (0, Err(DriverError::closed())),
        }
    };
    (done, answered)
}

unsafe extern "C" fn answer(context: *mut c_void, completion: Completion) {
    // SAFETY: called once, for the box that `done` leaked.
    let sender = unsafe { Box::from_raw(context.cast::<oneshot::Sender<Completion>>()) };
    let _ = sender.send(completion); // nobody waits any more: fine
}

#[cfg(test)]
mod tests {
    use super::*;
    use siphon_abi::ErrorKind;

    #[tokio::test]
    async fn a_ring_before_the_wait_is_kept() {
        let bell = Arc::new(Notify::new());
        let doorbell = doorbell(Arc::clone(&bell));
        doorbell.ring();
        bell.notified().await;
        drop(doorbell);
        assert_eq!(Arc::strong_count(&bell), 1, "the doorbell released its share");
    }

    #[tokio::test]
    async fn a_completion_answers_once() {
        let (done, answer) = done();
        done.succeed(3);
        assert_eq!(answer.await, (3, Ok(())));
    }

    #[tokio::test]
    async fn a_dropped_completion_reports_closed() {
        let (done, answer) = done();
        drop(done);
        let (count, result) = answer.await;
        assert_eq!((count, result.map_err(|error| error.kind)), (0, Err(ErrorKind::CLOSED)));
    }
}
