//! The bounded queue between a driver's thread and the host's thread.
//!
//! A driver pushes messages, the host takes them and sleeps when there are none. Waking a sleeping thread costs as much as
//! moving fifty messages (5 µs, measured), so the doorbell rings only when the queue goes from empty to non-empty *while
//! the host sleeps*. The flag that says so lives under the same lock as the queue: a wake-up cannot be lost, and
//! `tests/loom.rs` lets every interleaving try. The lock is held for moves of messages only, never across a call out.
//!
//! Notices (the connection is gone, a partition is somebody else's) have a lane of their own: they overtake messages, take
//! no room, and always ring, because a host whose places are all taken does not look at messages, but must hear them.
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
    notices: VecDeque<T>,
    messages: VecDeque<(T, usize)>,
    bytes: usize,
    /// The host found no message and waits for the doorbell.
    is_asleep: bool,
    end: Option<E>,
}

/// What [`Ring::take`] found besides the items.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<E> {
    /// `usize` items were taken. With 0, when messages were asked for, the host is marked as asleep: the next push rings.
    Items(usize),
    /// The ring is empty for good.
    Ended(E),
}

impl<T, E: Clone> Ring<T, E> {
    pub fn new(limits: Limits) -> Self {
        let (notices, messages) = (VecDeque::new(), VecDeque::new());
        let state = State { notices, messages, bytes: 0, is_asleep: false, end: None };
        Self { limits, state: sync::Mutex::new(state) }
    }

    /// Appends messages, each with its bytes. True: ring the doorbell, after this call.
    #[must_use]
    pub fn push(&self, messages: impl IntoIterator<Item = (T, usize)>) -> bool {
        let mut state = self.lock();
        for (message, bytes) in messages {
            state.bytes += bytes;
            state.messages.push_back((message, bytes));
        }
        !state.messages.is_empty() && std::mem::take(&mut state.is_asleep)
    }

    /// Adds a notice, behind other notices and before all messages. Ring the doorbell after this call.
    pub fn push_notice(&self, notice: T) {
        self.lock().notices.push_back(notice);
    }

    /// Ends the ring behind what it holds; the first end counts. Ring the doorbell after this call.
    pub fn end(&self, end: E) {
        self.lock().end.get_or_insert(end);
    }

    /// Hands notices and then up to `messages` messages to `each`, oldest first, no more than `places` in all. `each` must
    /// not call back into the ring.
    pub fn take(&self, places: usize, messages: usize, mut each: impl FnMut(T)) -> Taken<E> {
        let mut state = self.lock();
        let notices = state.notices.len().min(places);
        state.notices.drain(..notices).for_each(&mut each);
        let count = state.messages.len().min(messages).min(places - notices);
        for _ in 0..count {
            let Some((message, bytes)) = state.messages.pop_front() else {
                break;
            };
            state.bytes -= bytes;
            each(message);
        }
        if notices + count > 0 || !state.messages.is_empty() {
            return Taken::Items(notices + count);
        }
        state.is_asleep |= messages > 0 && state.end.is_none();
        state.end.clone().map_or(Taken::Items(0), Taken::Ended)
    }

    /// Takes out the messages that `is_stale`, wherever they stand.
    pub fn withdraw(&self, mut is_stale: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut state = self.lock();
        let all = std::mem::take(&mut state.messages).into_iter();
        let (stale, kept) = all.partition::<Vec<_>, _>(|(message, _)| is_stale(message));
        state.messages = kept.into();
        state.bytes -= stale.iter().map(|(_, bytes)| bytes).sum::<usize>();
        drop(state);
        stale.into_iter().map(|(message, _)| message).collect()
    }

    /// What was said at the end, whether or not everything before it was taken.
    pub fn ended(&self) -> Option<E> {
        self.lock().end.clone()
    }

    /// How many more messages fit; 0 when the bytes are used up.
    pub fn room(&self) -> usize {
        let state = self.lock();
        if state.bytes >= self.limits.bytes { 0 } else { self.limits.messages.saturating_sub(state.messages.len()) }
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

    /// Takes up to `messages` messages, and as many notices as there are.
    fn taken(ring: &Ring<u32, &'static str>, messages: usize) -> Vec<u32> {
        let mut out = Vec::new();
        ring.take(99, messages, |item| out.push(item));
        out
    }

    #[test]
    fn messages_come_out_in_order_and_at_most_as_many_as_asked() {
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
        assert_eq!(ring.take(9, 9, |_| ()), Taken::Items(0));
        assert!(ring.push([(3, 1)]));
        assert!(!ring.push([(4, 1)]), "one ring is enough");
    }

    #[test]
    fn asking_for_no_message_is_not_sleeping() {
        let ring = ring(10, 100);
        assert_eq!(ring.take(9, 0, |_| ()), Taken::Items(0));
        assert!(!ring.push([(1, 1)]));
        assert_eq!(ring.take(9, 0, |_| ()), Taken::Items(0));
    }

    #[test]
    fn notices_overtake_messages_and_take_no_room() {
        let ring = ring(2, 100);
        let _ = ring.push([(1, 1)]);
        ring.push_notice(70);
        ring.push_notice(71);
        assert_eq!(ring.room(), 1);
        assert_eq!(taken(&ring, 0), [70, 71]);
        ring.push_notice(72);
        assert_eq!(taken(&ring, 9), [72, 1]);
    }

    #[test]
    fn no_more_comes_out_than_there_are_places() {
        let ring = ring(10, 100);
        let _ = ring.push([(1, 1), (2, 1)]);
        (70..73).for_each(|notice| ring.push_notice(notice));
        let mut out = Vec::new();
        assert_eq!(ring.take(2, 9, |item| out.push(item)), Taken::Items(2));
        assert_eq!(ring.take(2, 9, |item| out.push(item)), Taken::Items(2));
        assert_eq!(out, [70, 71, 72, 1]);
    }

    #[test]
    fn an_end_comes_after_the_items_and_stays() {
        let ring = ring(10, 100);
        let _ = ring.push([(1, 1)]);
        ring.push_notice(70);
        ring.end("first");
        ring.end("second");
        assert_eq!(taken(&ring, 0), [70]);
        assert_eq!(ring.take(9, 0, |_| ()), Taken::Items(0), "a message is still there");
        assert_eq!(taken(&ring, 9), [1]);
        assert_eq!(ring.take(9, 9, |_| ()), Taken::Ended("first"));
        assert_eq!(ring.take(9, 0, |_| ()), Taken::Ended("first"));
        assert_eq!(ring.ended(), Some("first"));
    }

    #[test]
    fn what_is_withdrawn_gives_its_room_back() {
        let ring = ring(4, 100);
        let _ = ring.push((0..4).map(|n| (n, 25)));
        assert_eq!(ring.withdraw(|n| n % 2 == 0), [0, 2]);
        assert_eq!(ring.room(), 2);
        assert_eq!(taken(&ring, 9), [1, 3]);
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
