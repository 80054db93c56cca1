//! Failed events that wait, held by siphon, because their broker cannot delay.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tokio::time::Instant;

/// Things ordered by when they are due.
#[derive(Debug)]
pub struct Waiting<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    sequence: u64,
}

#[derive(Debug)]
struct Entry<T> {
    due: Instant,
    sequence: u64,
    what: T,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }
}

impl<T> Waiting<T> {
    pub fn add(&mut self, due: Instant, what: T) {
        self.sequence += 1;
        self.heap.push(Reverse(Entry { due, sequence: self.sequence, what }));
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// When the first is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.due)
    }

    /// The first that is due, if any; equal times in the order in which they were added.
    pub fn take_due(&mut self, now: Instant) -> Option<T> {
        self.next_due().filter(|due| *due <= now)?;
        self.heap.pop().map(|Reverse(entry)| entry.what)
    }

    /// All that `is_taken`, in no particular order; the rest goes on waiting.
    pub fn take_if(&mut self, mut is_taken: impl FnMut(&T) -> bool) -> Vec<T> {
        let (taken, kept) =
            std::mem::take(&mut self.heap).into_iter().partition::<Vec<_>, _>(|entry| is_taken(&entry.0.what));
        self.heap = kept.into();
        taken.into_iter().map(|Reverse(entry)| entry.what).collect()
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.sequence).cmp(&(other.due, other.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn they_come_out_when_due_in_order() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut waiting = Waiting::default();
        for (ms, name) in [(30, 'c'), (10, 'a'), (10, 'b')] {
            waiting.add(at(ms), name);
        }
        assert_eq!(waiting.next_due(), Some(at(10)));
        assert_eq!(waiting.take_due(at(9)), None);
        assert_eq!(
            [waiting.take_due(at(10)), waiting.take_due(at(10)), waiting.take_due(at(29))],
            [Some('a'), Some('b'), None]
        );
        assert_eq!((waiting.len(), waiting.take_due(at(30))), (1, Some('c')));
    }

    #[test]
    fn some_can_be_taken_out_before() {
        let start = Instant::now();
        let mut waiting = Waiting::default();
        (0..6).for_each(|n| waiting.add(start + Duration::from_millis(n), n));
        let mut taken = waiting.take_if(|n| n % 2 == 0);
        taken.sort_unstable();
        assert_eq!((taken, waiting.len()), (vec![0, 2, 4], 3));
        assert_eq!(waiting.take_due(start + Duration::from_secs(1)), Some(1));
    }
}
