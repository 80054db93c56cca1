//! What stages took elsewhere for one event, and hold until its outcome is known.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Something that was taken: a message of another queue. Dropped, it is given back.
pub trait Hold: Send {
    /// The event is done.
    fn done(self: Box<Self>);
}

/// The things that were taken for one event; every copy of its request has the same. Whoever runs the pipe opens it, and
/// ends it with [`done`](Self::done) or [`give_back`](Self::give_back).
#[derive(Clone, Default)]
pub struct Taken(Option<Arc<Mutex<Held>>>);

type Held = Vec<Box<dyn Hold>>;

impl Taken {
    /// Nothing yet.
    pub fn open() -> Self {
        Self(Some(Arc::default()))
    }

    /// Keeps something until the event's outcome is known. False: nobody will tell it, as with `Taken::default()`; it was
    /// given back.
    #[must_use]
    pub fn hold(&self, something: Box<dyn Hold>) -> bool {
        let Some(held) = &self.0 else { return false };
        held.lock().unwrap_or_else(PoisonError::into_inner).push(something);
        true
    }

    /// For a part of the pipe that may fail though the event does not: what it takes is [`adopt`](Self::adopt)ed, or given
    /// back when it is dropped.
    pub(crate) fn apart(&self) -> Self {
        Self(self.0.as_ref().map(|_| Arc::default()))
    }

    /// Keeps what a part has taken, too.
    pub(crate) fn adopt(&self, part: &Self) {
        if let Some(held) = &self.0 {
            let all = part.all();
            held.lock().unwrap_or_else(PoisonError::into_inner).extend(all);
        }
    }

    /// The event is done.
    pub fn done(&self) {
        self.all().into_iter().for_each(Hold::done);
    }

    /// The event failed, or was given up.
    pub fn give_back(&self) {
        drop(self.all());
    }

    fn all(&self) -> Held {
        let Some(held) = &self.0 else { return Vec::new() };
        std::mem::take(&mut *held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taken")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::*;

    /// Counts what became of it: 1 for done, -1 for given back.
    struct Counted(Arc<AtomicI32>);

    impl Hold for Counted {
        fn done(self: Box<Self>) {
            self.0.fetch_add(2, Ordering::SeqCst);
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[track_caller]
    fn check(taken: &Taken, end: impl FnOnce(&Taken), is_held: bool, expected: i32) {
        let count = Arc::new(AtomicI32::new(0));
        let copy = taken.clone();
        assert_eq!(copy.hold(Box::new(Counted(Arc::clone(&count)))), is_held);
        end(taken);
        assert_eq!(count.load(Ordering::SeqCst), expected, "while a copy still lives");
        drop(copy);
    }

    #[test]
    fn what_was_taken_is_settled_once_with_the_event() {
        check(&Taken::open(), Taken::done, true, 1);
        check(&Taken::open(), Taken::give_back, true, -1);
        check(&Taken::default(), Taken::done, false, -1);
    }

    #[test]
    fn what_a_part_took_is_the_events_only_when_it_is_adopted() {
        let event = Taken::open();
        check(&event.apart(), |part| event.adopt(part), true, 0);
        check(&event.apart(), Taken::give_back, true, -1);
        check(&event, Taken::done, true, 1);
        check(&Taken::default().apart(), Taken::done, false, -1);
    }
}
