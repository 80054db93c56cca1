//! The books of one consumer: its partitions, what is open in each, and what they are to be told.
//!
//! No client, no task, no clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use siphon_sdk::{Settlement, Verdict};

use crate::tracker::CommitTracker;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl Place {
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// A place and an offset in it.
pub type Position = (Place, i64);

/// One partition that this consumer has.
#[derive(Debug)]
struct Slot {
    tracker: CommitTracker,
    /// What its next message carries; the handle of a message is its offset and this.
    generation: u64,
}

/// All partitions that this consumer has.
///
/// A message's generation names the assignment with which its partition came: a settlement whose generation is not known
/// any more is stale. Generations begin at 1, so that a notice about generation 0 makes nothing stale.
#[derive(Debug)]
pub struct Books {
    slots: BTreeMap<Place, Slot>,
    /// Whose generation it is, while the partition is ours.
    places: HashMap<u64, Place>,
    last_generation: u64,
    /// Offsets that may be read beyond the oldest open record of a partition.
    window: u64,
    /// Something was given back since the last look.
    has_returned: bool,
}

impl Books {
    pub fn new(window: u64) -> Self {
        Self { slots: BTreeMap::new(), places: HashMap::new(), last_generation: 0, window, has_returned: false }
    }

    /// The partition is ours, to be read from `position` on, which the group has committed.
    pub fn assign(&mut self, place: &Place, position: i64) {
        let generation = self.new_generation(place);
        let tracker = CommitTracker::starting_at(position);
        if let Some(old) = self.slots.insert(place.clone(), Slot { tracker, generation }) {
            self.places.retain(|known, own| own != place || *known > old.generation);
        }
    }

    /// The partition is somebody else's: what comes for it is stale.
    pub fn revoke(&mut self, place: &Place) {
        self.slots.remove(place);
        self.places.retain(|_, own| own != place);
    }

    /// The newest generation of the partition, while it is ours.
    pub fn generation(&self, place: &Place) -> Option<u64> {
        self.slots.get(place).map(|slot| slot.generation)
    }

    /// Whether the partition may be read further: nothing open lies too far back.
    pub fn may_read(&self, place: &Place) -> bool {
        self.slots.get(place).is_some_and(|slot| slot.tracker.span() < self.window)
    }

    /// A record was read. The generation that it goes with; `None` when nobody is to work on it.
    pub fn deliver(&mut self, place: &Place, offset: i64) -> Option<u64> {
        let slot = self.slots.get_mut(place)?;
        slot.tracker.deliver(offset).then_some(slot.generation)
    }

    /// What became of a message. Stale ones are ignored: the partition's next owner works on them.
    ///
    /// Kafka cannot reject: that is done, like an acknowledgement.
    pub fn settle(&mut self, settlement: &Settlement) {
        let place = self.places.get(&settlement.generation);
        let slot = place.and_then(|place| self.slots.get_mut(place));
        let (Some(slot), Ok(offset)) = (slot, i64::try_from(settlement.id)) else { return };
        let settled = match settlement.verdict {
            Verdict::Ack | Verdict::Reject => slot.tracker.settle(offset),
            Verdict::Requeue | Verdict::Retry { .. } => {
                self.has_returned = true;
                slot.tracker.give_back(offset)
            }
        };
        if let Err(error) = settled {
            tracing::warn!(offset = error.offset, "settled, but it was not open");
        }
    }

    /// Where reading has to go back to for what was given back, partition by partition. What is read again comes with a new
    /// generation: the host may know the old one as gone.
    pub fn rewinds(&mut self) -> Vec<Position> {
        if !std::mem::take(&mut self.has_returned) {
            return Vec::new();
        }
        let due = self.slots.iter_mut().filter_map(|(place, slot)| Some((place.clone(), slot.tracker.rewind()?)));
        let due: Vec<_> = due.collect();
        for (place, _) in &due {
            let generation = self.new_generation(place);
            if let Some(slot) = self.slots.get_mut(place) {
                slot.generation = generation;
            }
        }
        due
    }

    /// Positions that the broker has not been told yet.
    pub fn to_commit(&self) -> Vec<Position> {
        self.slots.iter().filter_map(|(place, slot)| Some((place.clone(), slot.tracker.to_commit()?))).collect()
    }

    /// The broker has noted these.
    pub fn committed(&mut self, positions: &[Position]) {
        for (place, position) in positions {
            if let Some(slot) = self.slots.get_mut(place) {
                slot.tracker.committed(*position);
            }
        }
    }

    /// Messages of these partitions that somebody works on.
    pub fn in_work(&self, places: &[Place]) -> usize {
        places.iter().filter_map(|place| self.slots.get(place)).map(|slot| slot.tracker.in_work()).sum()
    }

    /// Records behind what was read, by the partition's number (over all topics), where `end` knows the end of a partition.
    pub fn lag(&self, end: impl Fn(&Place) -> Option<i64>) -> BTreeMap<i32, u64> {
        let mut lag = BTreeMap::new();
        for (place, slot) in &self.slots {
            if let Some(end) = end(place) {
                *lag.entry(place.partition).or_default() += u64::try_from(end - slot.tracker.next()).unwrap_or(0);
            }
        }
        lag
    }

    fn new_generation(&mut self, place: &Place) -> u64 {
        self.last_generation += 1;
        self.places.insert(self.last_generation, place.clone());
        self.last_generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32) -> Place {
        Place::new("orders", partition)
    }

    /// Books with the partitions 0 and 1 from offset 0, a window of 4.
    fn books() -> Books {
        let mut books = Books::new(4);
        (0..2).for_each(|partition| books.assign(&place(partition), 0));
        books
    }

    fn settle(books: &mut Books, generation: u64, offset: u64, verdict: Verdict) {
        books.settle(&Settlement { id: offset, generation, verdict });
    }

    #[test]
    fn each_partition_commits_for_itself() {
        let mut books = books();
        let generation = books.deliver(&place(1), 0).unwrap();
        assert_eq!(books.deliver(&place(0), 0), Some(1));
        settle(&mut books, generation, 0, Verdict::Ack);
        assert_eq!(books.to_commit(), [(place(1), 1)]);
        books.committed(&[(place(1), 1)]);
        assert_eq!(books.to_commit(), []);
        settle(&mut books, 1, 0, Verdict::Reject);
        assert_eq!(books.to_commit(), [(place(0), 1)]);
    }

    #[test]
    fn a_late_answer_after_a_revocation_changes_nothing() {
        let mut books = books();
        let generation = books.deliver(&place(0), 0).unwrap();
        books.revoke(&place(0));
        settle(&mut books, generation, 0, Verdict::Ack);
        assert_eq!((books.to_commit(), books.in_work(&[place(0)])), (vec![], 0));
        books.assign(&place(0), 0);
        assert!(books.deliver(&place(0), 0).unwrap() > generation);
        settle(&mut books, generation, 0, Verdict::Ack);
        assert_eq!((books.to_commit(), books.in_work(&[place(0)])), (vec![], 1));
    }

    #[test]
    fn a_partition_that_is_assigned_once_more_starts_anew() {
        let mut books = books();
        let generation = books.deliver(&place(0), 0).unwrap();
        books.assign(&place(0), 0);
        settle(&mut books, generation, 0, Verdict::Ack);
        assert_eq!(books.to_commit(), []);
    }

    #[test]
    fn reading_stops_when_an_open_record_lies_too_far_back() {
        let mut books = books();
        let generation = books.generation(&place(0)).unwrap();
        for offset in 0..4 {
            assert!(books.may_read(&place(0)));
            assert_eq!(books.deliver(&place(0), offset), Some(generation));
        }
        (1..4).for_each(|offset| settle(&mut books, generation, offset, Verdict::Ack));
        assert!(!books.may_read(&place(0)) && books.may_read(&place(1)));
        settle(&mut books, generation, 0, Verdict::Ack);
        assert!(books.may_read(&place(0)));
    }

    #[test]
    fn what_is_given_back_is_read_again_with_a_new_generation_and_commits_wait_for_it() {
        let mut books = books();
        let generation = books.deliver(&place(0), 7).unwrap();
        settle(&mut books, generation, 7, Verdict::Retry { delay_ms: 0 });
        assert_eq!(books.rewinds(), [(place(0), 7)]);
        assert_eq!(books.rewinds(), []);
        let again = books.deliver(&place(0), 7).unwrap();
        assert!(again > generation);
        assert_eq!(books.to_commit(), [(place(0), 7)]);
        settle(&mut books, again, 7, Verdict::Ack);
        assert_eq!(books.to_commit(), [(place(0), 8)]);
    }

    #[test]
    fn the_lag_counts_what_was_not_read() {
        let mut books = books();
        books.assign(&Place::new("invoices", 0), 3);
        books.deliver(&place(0), 9);
        let ends = |place: &Place| (place.partition == 0).then_some(15);
        assert_eq!(books.lag(ends), BTreeMap::from([(0, 5 + 12)]));
        assert_eq!(books.lag(|_| Some(2)), BTreeMap::from([(0, 0), (1, 2)]), "an end that is older than what was read");
    }
}
