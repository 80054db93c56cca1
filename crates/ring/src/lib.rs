//! The bounded queue between a driver's thread and the host's thread.
//!
//! A driver pushes messages, the host takes them and sleeps when there are none. Waking a sleeping thread costs as much as
//! moving fifty messages (5 µs, measured), so the doorbell rings only when the queue goes from empty to non-empty *while
//! the host sleeps*. The flag that says so lives under the same lock as the queue: a wake-up cannot be lost, and
//! `tests/loom.rs` lets every interleaving try. The lock is held for moves of messages only, never across a call out.
//!
//! The queue counts messages and bytes; its owner asks [`Ring::room`] before it fetches more. It never refuses: what a
//! broker has delivered must have a place.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

mod sync {
    #[cfg(siphon_loom)]
    pub use loom::sync::{Mutex, MutexGuard};
    #[cfg(not(siphon_loom))]
    pub use std::sync::{Mutex, MutexGuard};
}

/// Messages and bytes that a ring should hold at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub messages: usize,
    pub bytes: usize,
}

/// The queue. `T` is what it carries, `E` is what it says at its end.
#[derive(Debug)]
pub struct Ring<T, E> {
    limits: Limits,
    state: sync::Mutex<State<T, E>>,
}

#[derive(Debug)]
struct State<T, E> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// The host found nothing and waits for the doorbell.
    is_asleep: bool,
    end: Option<E>,
}

/// What [`Ring::take`] found besides the items.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<E> {
    /// `usize` items were taken. With 0 the host is marked as asleep: the next push rings.
    Items(usize),
    /// The ring is empty for good.
    Ended(E),
}

impl<T, E: Clone> Ring<T, E> {
    pub fn new(limits: Limits) -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, is_asleep: false, end: None };
        Self { limits, state: sync::Mutex::new(state) }
    }

    /// Appends items, each with its bytes. True: ring the doorbell, after this call.
    #[must_use]
    pub fn push(&self, items: impl IntoIterator<Item = (T, usize)>) -> bool {
        let mut state = self.lock();
        for (item, bytes) in items {
            state.bytes += bytes;
            state.items.push_back((item, bytes));
        }
        !state.items.is_empty() && std::mem::take(&mut state.is_asleep)
    }

    /// Ends the ring behind what it holds; the first end counts. True: ring the doorbell.
    #[must_use]
    pub fn end(&self, end: E) -> bool {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        std::mem::take(&mut state.is_asleep)
    }

    /// Hands up to `max` items to `each`, oldest first. `each` must not call back into the ring.
    pub fn take(&self, max: usize, mut each: impl FnMut(T)) -> Taken<E> {
        let mut state = self.lock();
        let count = state.items.len().min(max);
        for _ in 0..count {
            let Some((item, bytes)) = state.items.pop_front() else {
                break;
            };
            state.bytes -= bytes;
            each(item);
        }
        if count > 0 || max == 0 {
            return Taken::Items(count);
        }
        state.is_asleep = state.end.is_none();
        state.end.clone().map_or(Taken::Items(0), Taken::Ended)
    }

    /// How many more messages fit; 0 when the bytes are used up.
    pub fn room(&self) -> usize {
        let state = self.lock();
        if state.bytes >= self.limits.bytes { 0 } else { self.limits.messages.saturating_sub(state.items.len()) }
    }

    fn lock(&self) -> sync::MutexGuard<'_, State<T, E>> {
        // A panic of `each` leaves the queue whole: what it was given is gone with the panic, the rest is still there.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(all(test, not(siphon_loom)))]
mod tests {
    use super::*;

    fn ring(messages: usize, bytes: usize) -> Ring<u32, &'static str> {
        Ring::new(Limits { messages, bytes })
    }

    fn taken(ring: &Ring<u32, &'static str>, max: usize) -> Vec<u32> {
        let mut out = Vec::new();
        ring.take(max, |item| out.push(item));
        out
    }

    #[test]
    fn items_come_out_in_order_and_at_most_as_many_as_asked() {
        let ring = ring(10, 100);
        let _ = ring.push((0..5).map(|n| (n, 1)));
        assert_eq!(taken(&ring, 2), [0, 1]);
        assert_eq!(taken(&ring, 9), [2, 3, 4]);
    }

    #[test]
    fn the_doorbell_rings_only_for_a_sleeping_host() {
        let ring = ring(10, 100);
        assert!(!ring.push([(1, 1)]), "nobody slept yet");
        assert_eq!(taken(&ring, 9), [1]);
        assert!(!ring.push([(2, 1)]), "the host has not looked at an empty ring");
        assert_eq!(taken(&ring, 9), [2]);
        assert_eq!(ring.take(9, |_| ()), Taken::Items(0));
        assert!(ring.push([(3, 1)]));
        assert!(!ring.push([(4, 1)]), "one ring is enough");
    }

    #[test]
    fn asking_for_nothing_is_not_sleeping() {
        let ring = ring(10, 100);
        assert_eq!(ring.take(0, |_| ()), Taken::Items(0));
        assert!(!ring.push([(1, 1)]));
    }

    #[test]
    fn an_end_comes_after_the_items_and_stays() {
        let ring = ring(10, 100);
        let _ = ring.push([(1, 1)]);
        let _ = ring.end("first");
        let _ = ring.end("second");
        assert_eq!(taken(&ring, 9), [1]);
        assert_eq!(ring.take(9, |_| ()), Taken::Ended("first"));
        assert_eq!(ring.take(9, |_| ()), Taken::Ended("first"));
    }

    #[test]
    fn an_end_wakes_a_sleeping_host() {
        let ring = ring(10, 100);
        let _ = ring.take(9, |_| ());
        assert!(ring.end("gone"));
    }

    #[test]
    fn room_counts_messages_and_bytes() {
        let ring = ring(3, 100);
        assert_eq!(ring.room(), 3);
        let _ = ring.push([(1, 40)]);
        assert_eq!(ring.room(), 2);
        let _ = ring.push([(2, 60)]);
        assert_eq!(ring.room(), 0, "the bytes are used up");
        let _ = taken(&ring, 1);
        assert_eq!(ring.room(), 2);
        let _ = ring.push((0..5).map(|n| (n, 0)));
        assert_eq!(ring.room(), 0, "more than the limit was delivered, and kept");
        assert_eq!(taken(&ring, 9).len(), 6);
    }
}
