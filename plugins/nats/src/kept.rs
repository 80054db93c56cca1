//! Messages of plain subjects that are not done yet. No server keeps them: a failed one is tried again from here.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use siphon_sdk::Message;

/// Unfinished messages, and when the failed ones are tried again.
#[derive(Debug)]
pub struct Kept {
    limit: usize,
    last_id: u64,
    unfinished: HashMap<u64, (Message, u32)>,
    due: BTreeSet<(Instant, u64)>,
}

impl Kept {
    /// `limit`: unfinished messages at most; more are not taken from the client.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), last_id: 0, unfinished: HashMap::new(), due: BTreeSet::new() }
    }

    /// How many more may come.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.unfinished.len())
    }

    /// An id for the next message.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A message came, under this id; returned as its first attempt.
    pub fn came(&mut self, id: u64, message: Message) -> Message {
        let message = message.attempt(1);
        self.unfinished.insert(id, (message.clone(), 1));
        message
    }

    /// It is done, or failed for good.
    pub fn finish(&mut self, id: u64) {
        self.unfinished.remove(&id);
    }

    /// It failed, and is tried again at this time.
    pub fn again(&mut self, id: u64, at: Instant) {
        if self.unfinished.contains_key(&id) {
            self.due.insert((at, id));
        }
    }

    /// Up to `room` messages whose time has come, each as its next attempt.
    pub fn take_due(&mut self, room: usize, now: Instant) -> Vec<Message> {
        let mut taken = Vec::new();
        while taken.len() < room && self.next_due().is_some_and(|due| due <= now) {
            let Some((_, id)) = self.due.pop_first() else { break };
            let Some((message, attempt)) = self.unfinished.get_mut(&id) else { continue };
            *attempt = attempt.saturating_add(1);
            taken.push(message.clone().attempt(*attempt));
        }
        taken
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Messages that are not done.
    pub fn len(&self) -> usize {
        self.unfinished.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn with_one() -> (Kept, u64, Instant) {
        let mut kept = Kept::new(2);
        let id = kept.next_id();
        kept.came(id, Message::new(id, "a"));
        (kept, id, Instant::now())
    }

    #[test]
    fn a_failed_message_comes_again_at_its_time_as_its_next_attempt() {
        let (mut kept, id, now) = with_one();
        let later = now + Duration::from_secs(1);
        kept.again(id, later);
        assert_eq!((kept.take_due(5, now).len(), kept.next_due()), (0, Some(later)));
        assert_eq!(kept.take_due(0, later).len(), 0);
        let again = kept.take_due(5, later);
        assert!(format!("{again:?}").contains("attempt: 2"), "{again:?}");
        kept.again(id, later);
        assert!(format!("{:?}", kept.take_due(5, later)).contains("attempt: 3"));
        kept.finish(id);
        assert_eq!((kept.len(), kept.take_due(5, later).len()), (0, 0));
    }

    #[test]
    fn what_is_done_does_not_come_again() {
        let (mut kept, id, now) = with_one();
        kept.again(id, now);
        kept.finish(id);
        kept.again(id, now);
        assert_eq!((kept.take_due(5, now).len(), kept.next_due()), (0, None));
    }

    #[test]
    fn the_number_of_unfinished_messages_is_bounded() {
        let (mut kept, first, _) = with_one();
        assert_eq!(kept.room(), 1);
        let id = kept.next_id();
        kept.came(id, Message::new(id, "b"));
        assert_eq!((kept.room(), kept.len()), (0, 2));
        kept.finish(first);
        assert_eq!(kept.room(), 1);
    }
}
