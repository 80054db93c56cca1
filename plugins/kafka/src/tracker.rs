//! Which offset of a partition may be committed while its records finish in any order.
//!
//! Workers settle records of one partition as they get done. The broker keeps one number for each partition and group:
//! the offset of the *next* record to read. [`CommitTracker`] turns "offset 7 is done" into that number without ever
//! passing a record that is still open.
//!
//! Source: Kafka protocol, `OffsetCommit`: <https://kafka.apache.org/protocol>.

use std::collections::BTreeSet;

/// Open records of one partition, and the position that is safe to commit.
///
/// Offsets are those of the partition: `i64`, from 0, without unit. Gaps (compaction, markers of transactions) are allowed:
/// an offset that was never [`deliver`](Self::deliver)ed does not hold the commit.
#[derive(Debug)]
pub struct CommitTracker {
    /// Delivered and not done, those in `returned` and `awaited` included.
    open: BTreeSet<i64>,
    /// Given back untouched, to be read again.
    returned: BTreeSet<i64>,
    /// Of those given back, the ones that the reading position was set back for.
    awaited: BTreeSet<i64>,
    next: i64,
    committed: i64,
}

/// The offset was not open: settled twice, or never delivered.
#[derive(Debug, PartialEq, Eq)]
pub struct NotOpen {
    pub offset: i64,
}

impl CommitTracker {
    /// A partition that is read from `position` on, which the broker knows already.
    pub fn starting_at(position: i64) -> Self {
        Self {
            open: BTreeSet::new(),
            returned: BTreeSet::new(),
            awaited: BTreeSet::new(),
            next: position,
            committed: position,
        }
    }

    /// Notes that the record at `offset` was read; whether it is to be worked on. After the reading position was set back
    /// most records are not: they are done, or in work.
    pub fn deliver(&mut self, offset: i64) -> bool {
        self.forget_before(offset);
        if offset < self.next {
            return self.awaited.remove(&offset);
        }
        self.open.insert(offset);
        self.next = offset + 1;
        true
    }

    /// Records come in order: what is awaited before `offset` and has not come is gone from the partition (compaction,
    /// retention), and must not hold the commit.
    fn forget_before(&mut self, offset: i64) {
        if self.awaited.is_empty() {
            return;
        }
        let later = self.awaited.split_off(&offset);
        let gone = std::mem::replace(&mut self.awaited, later);
        for offset in gone {
            self.open.remove(&offset);
        }
    }

    /// Notes that the record at `offset` reached its final outcome.
    ///
    /// # Errors
    ///
    /// [`NotOpen`], and nothing changes.
    pub fn settle(&mut self, offset: i64) -> Result<(), NotOpen> {
        if self.is_waiting_to_be_read(offset) || !self.open.remove(&offset) {
            return Err(NotOpen { offset });
        }
        Ok(())
    }

    /// Notes that the record at `offset` was given back untouched. It stays open, and is to be read again.
    ///
    /// # Errors
    ///
    /// [`NotOpen`], and nothing changes.
    pub fn give_back(&mut self, offset: i64) -> Result<(), NotOpen> {
        if self.is_waiting_to_be_read(offset) || !self.open.contains(&offset) {
            return Err(NotOpen { offset });
        }
        self.returned.insert(offset);
        Ok(())
    }

    /// Where to set the reading position so that what was given back is read again; `None` when there is nothing new.
    pub fn rewind(&mut self) -> Option<i64> {
        if self.returned.is_empty() {
            return None;
        }
        self.awaited.append(&mut self.returned);
        self.awaited.first().copied()
    }

    /// The offset to commit: that of the oldest open record, or one past the newest that was read.
    pub fn commit_position(&self) -> i64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    /// The position that the broker should be told, and was not.
    pub fn to_commit(&self) -> Option<i64> {
        let position = self.commit_position();
        (self.committed != position).then_some(position)
    }

    /// The broker has noted `position`.
    pub fn committed(&mut self, position: i64) {
        self.committed = position;
    }

    /// The offset of the next record that was never read.
    pub fn next(&self) -> i64 {
        self.next
    }

    /// Records that somebody works on.
    pub fn in_work(&self) -> usize {
        self.open.len() - self.returned.len() - self.awaited.len()
    }

    /// Offsets between the oldest open record and the newest that was read: what a restart would read again.
    pub fn span(&self) -> u64 {
        u64::try_from(self.next - self.commit_position()).unwrap_or(0)
    }

    fn is_waiting_to_be_read(&self, offset: i64) -> bool {
        self.returned.contains(&offset) || self.awaited.contains(&offset)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Reads `0..read`, settles `settled` in that order, expects `position`.
    #[track_caller]
    fn check(read: i64, settled: &[i64], position: i64) {
        let mut tracker = CommitTracker::starting_at(0);
        assert!((0..read).all(|offset| tracker.deliver(offset)));
        settled.iter().for_each(|offset| assert_eq!(tracker.settle(*offset), Ok(())));
        assert_eq!(tracker.commit_position(), position);
    }

    #[test]
    fn an_open_record_holds_the_commit() {
        check(3, &[1, 2], 0);
        check(3, &[0, 2], 1);
    }

    #[test]
    fn the_commit_jumps_when_the_gap_closes() {
        check(3, &[2, 1, 0], 3);
    }

    #[test]
    fn offsets_that_do_not_exist_hold_nothing() {
        let mut tracker = CommitTracker::starting_at(4);
        for offset in [7, 20, 21] {
            assert!(tracker.deliver(offset));
        }
        assert_eq!(tracker.commit_position(), 7);
        tracker.settle(7).unwrap();
        assert_eq!((tracker.commit_position(), tracker.span()), (20, 2));
        tracker.settle(21).unwrap();
        tracker.settle(20).unwrap();
        assert_eq!((tracker.commit_position(), tracker.span()), (22, 0));
    }

    #[test]
    fn only_what_the_broker_does_not_know_is_committed() {
        let mut tracker = CommitTracker::starting_at(5);
        assert_eq!(tracker.to_commit(), None);
        tracker.deliver(5);
        assert_eq!(tracker.to_commit(), None);
        tracker.settle(5).unwrap();
        assert_eq!(tracker.to_commit(), Some(6));
        tracker.committed(6);
        assert_eq!(tracker.to_commit(), None);
    }

    #[test]
    fn what_is_settled_twice_or_was_never_read_is_refused() {
        let mut tracker = CommitTracker::starting_at(0);
        tracker.deliver(0);
        assert_eq!(tracker.settle(1), Err(NotOpen { offset: 1 }));
        tracker.settle(0).unwrap();
        assert_eq!(tracker.settle(0), Err(NotOpen { offset: 0 }));
        assert_eq!(tracker.give_back(0), Err(NotOpen { offset: 0 }));
    }

    #[test]
    fn what_was_given_back_is_read_again_and_nothing_else() {
        let mut tracker = CommitTracker::starting_at(0);
        (0..5).for_each(|offset| assert!(tracker.deliver(offset)));
        tracker.settle(1).unwrap();
        tracker.give_back(2).unwrap();
        tracker.give_back(3).unwrap();
        assert_eq!(tracker.settle(2), Err(NotOpen { offset: 2 }));
        assert_eq!((tracker.rewind(), tracker.rewind()), (Some(2), None));
        assert_eq!((tracker.in_work(), tracker.commit_position()), (2, 0));
        let read: Vec<_> = (2..6).filter(|offset| tracker.deliver(*offset)).collect();
        assert_eq!(read, [2, 3, 5], "4 is in work");
        [0, 2, 3, 4, 5].into_iter().for_each(|offset| tracker.settle(offset).unwrap());
        assert_eq!((tracker.commit_position(), tracker.in_work()), (6, 0));
    }

    #[test]
    fn a_record_that_vanished_meanwhile_holds_nothing() {
        let mut tracker = CommitTracker::starting_at(0);
        (0..2).for_each(|offset| assert!(tracker.deliver(offset)));
        tracker.give_back(0).unwrap();
        tracker.settle(1).unwrap();
        assert_eq!(tracker.rewind(), Some(0));
        assert!(!tracker.deliver(1), "it is done, and 0 is not there any more");
        assert_eq!(tracker.commit_position(), 2);
    }

    /// What happens to a partition, by a number that chooses among what is possible.
    #[derive(Debug, Clone)]
    enum Step {
        /// Reads the next record, so many offsets behind the one before.
        Read(i64),
        Settle(usize),
        GiveBack(usize),
        Rewind,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1_i64..4).prop_map(Step::Read),
            3 => (0_usize..50).prop_map(Step::Settle),
            1 => (0_usize..50).prop_map(Step::GiveBack),
            1 => Just(Step::Rewind),
        ];
        prop::collection::vec(step, 0..200)
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum State {
        InWork,
        Returned,
        Done,
    }

    proptest! {
        /// The model: every record with its state, in a log that can be read from any place.
        #[test]
        fn the_commit_never_passes_an_open_record_and_never_goes_back(steps in steps()) {
            let (mut tracker, mut log) = (CommitTracker::starting_at(0), BTreeMap::new());
            let mut last = -1;
            let mut position = 0;
            for step in steps {
                let in_work: Vec<i64> =
                    log.iter().filter(|(_, state)| **state == State::InWork).map(|(offset, _)| *offset).collect();
                match step {
                    Step::Read(distance) => {
                        last += distance;
                        log.insert(last, State::InWork);
                        prop_assert!(tracker.deliver(last));
                    }
                    Step::Settle(n) if !in_work.is_empty() => {
                        let offset = in_work[n % in_work.len()];
                        log.insert(offset, State::Done);
                        prop_assert_eq!(tracker.settle(offset), Ok(()));
                    }
                    Step::GiveBack(n) if !in_work.is_empty() => {
                        let offset = in_work[n % in_work.len()];
                        log.insert(offset, State::Returned);
                        prop_assert_eq!(tracker.give_back(offset), Ok(()));
                    }
                    Step::Rewind => {
                        let returned = log.iter().find(|(_, state)| **state == State::Returned).map(|(offset, _)| *offset);
                        prop_assert_eq!(tracker.rewind(), returned);
                        let again: Vec<i64> = returned.map(|from| log.range(from..).map(|(offset, _)| *offset).collect()).unwrap_or_default();
                        for offset in again {
                            let is_wanted = log[&offset] == State::Returned;
                            prop_assert_eq!(tracker.deliver(offset), is_wanted);
                            if is_wanted {
                                log.insert(offset, State::InWork);
                            }
                        }
                    }
                    Step::Settle(_) | Step::GiveBack(_) => {}
                }
                let open = log.iter().find(|(_, state)| **state != State::Done).map(|(offset, _)| *offset);
                prop_assert_eq!(tracker.commit_position(), open.unwrap_or(last + 1));
                prop_assert!(tracker.commit_position() >= position);
                position = tracker.commit_position();
                let working = log.values().filter(|state| **state == State::InWork).count();
                prop_assert_eq!(tracker.in_work(), working);
            }
        }
    }
}
