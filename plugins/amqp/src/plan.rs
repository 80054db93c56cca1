//! Which acknowledgements go on the wire, and when.
//!
//! An acknowledgement of its own costs more than half of an event, on both sides of the wire (measured). AMQP can
//! acknowledge all deliveries up to a tag at once (`multiple`), so [`AckPlan`] waits a moment and then confirms the
//! longest finished run with one frame. An event that is still open is never passed: what finished behind it waits a
//! little longer, and is then confirmed tag by tag.
//!
//! Source: <https://www.rabbitmq.com/docs/confirms#consumer-acks-multiple-parameter>. Tags count from 1 on each channel
//! without gaps. A frame that names a settled tag ends the channel, so every tag is settled exactly once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long an acknowledgement may wait for others.
const PATIENCE: Duration = Duration::from_millis(1);

/// Acknowledgements that are not kept waiting any longer.
const ENOUGH: usize = 32;

/// How long what finished behind an open event waits for it.
const HOLE_PATIENCE: Duration = Duration::from_millis(10);

/// RabbitMQ ends the channel of a consumer that holds a message for longer than 30 minutes, and with it everything that
/// the consumer holds. What is open for this long is given back before.
pub const LONGEST_HOLD: Duration = Duration::from_secs(25 * 60);

/// What becomes of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ack,
    GiveBack,
    Reject,
}

/// What goes on the wire. The order matters: [`Frame::AckUpTo`] takes everything with it that is not settled before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    Ack(u64),
    AckUpTo(u64),
    Nack { tag: u64, requeue: bool },
}

/// The deliveries of one channel that are not settled on the wire.
#[derive(Debug)]
pub struct AckPlan {
    workers: usize,
    prefetch: usize,
    /// Tags up to this one are settled on the wire.
    floor: u64,
    /// The tags after `floor`, in order.
    entries: VecDeque<Entry>,
    open: usize,
    done: usize,
    /// To be sent before any acknowledgement.
    refusals: Vec<Frame>,
    /// Since when an acknowledgement waits.
    waits_since: Option<Instant>,
    /// Since when what is done waits behind the open event at the front.
    hole_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// Delivered then, and not settled.
    Open(Instant),
    /// To be acknowledged.
    Done,
    /// Settled on the wire.
    Sent,
}

impl AckPlan {
    /// For an agent with so many workers on a channel with this prefetch.
    pub fn new(workers: usize, prefetch: usize) -> Self {
        Self {
            workers,
            prefetch,
            floor: 0,
            entries: VecDeque::new(),
            open: 0,
            done: 0,
            refusals: Vec::new(),
            waits_since: None,
            hole_since: None,
        }
    }

    /// The broker delivered `tag`.
    pub fn delivered(&mut self, tag: u64, now: Instant) {
        // Tags have no gaps; should one ever appear, it is nobody's, and must not be acknowledged with the others.
        while self.floor + (self.entries.len() as u64) < tag {
            self.entries.push_back(Entry::Open(now));
            self.open += 1;
        }
    }

    /// The agent settled `tag`. False: too late, it is settled already.
    pub fn settle(&mut self, tag: u64, outcome: Outcome, now: Instant) -> bool {
        let Some(entry @ Entry::Open(_)) = self.entry(tag) else { return false };
        *entry = if outcome == Outcome::Ack { Entry::Done } else { Entry::Sent };
        self.open -= 1;
        match outcome {
            Outcome::Ack => {
                self.done += 1;
                self.waits_since.get_or_insert(now);
            }
            Outcome::GiveBack => self.refusals.push(Frame::Nack { tag, requeue: true }),
            Outcome::Reject => self.refusals.push(Frame::Nack { tag, requeue: false }),
        }
        true
    }

    /// What goes on the wire at `now`, in this order.
    pub fn take(&mut self, now: Instant, frames: &mut Vec<Frame>) {
        frames.append(&mut self.refusals);
        if self.is_urgent() {
            self.take_run(frames);
            self.take_singles(frames);
        } else if self.done >= ENOUGH || self.next_wake().is_some_and(|wake| now >= wake) {
            let before = self.floor;
            self.take_run(frames);
            self.judge_hole(before, now, frames);
        }
    }

    /// Everything that is done, however young: before the goodbye.
    pub fn take_all(&mut self, frames: &mut Vec<Frame>) {
        frames.append(&mut self.refusals);
        self.take_run(frames);
        self.take_singles(frames);
    }

    /// Gives back what is open for too long; returns how many.
    pub fn give_back_overdue(&mut self, now: Instant) -> usize {
        let is_overdue = |entry: &Entry| matches!(entry, Entry::Open(since) if now >= *since + LONGEST_HOLD);
        let first = self.floor + 1;
        let tags = self.entries.iter().enumerate().filter(|(_, entry)| is_overdue(entry));
        let tags: Vec<u64> = tags.map(|(index, _)| first + index as u64).collect();
        tags.iter().for_each(|tag| {
            self.settle(*tag, Outcome::GiveBack, now);
        });
        tags.len()
    }

    /// When [`take`](Self::take) has something to send if nothing happens before.
    pub fn next_wake(&self) -> Option<Instant> {
        match (self.waits_since, self.hole_since) {
            (Some(since), _) => Some(since + PATIENCE),
            (None, since) => since.map(|since| since + HOLE_PATIENCE),
        }
    }

    /// Nobody works any more, or somebody could and the broker sends nothing because of what waits here.
    fn is_urgent(&self) -> bool {
        self.done > 0 && (self.open == 0 || (self.open < self.workers && self.open + self.done >= self.prefetch))
    }

    /// The run of settled tags at the front, as one frame.
    fn take_run(&mut self, frames: &mut Vec<Frame>) {
        let (mut last, mut count) = (0, 0);
        while let Some(Entry::Done | Entry::Sent) = self.entries.front() {
            self.floor += 1;
            if self.entries.pop_front() == Some(Entry::Done) {
                (last, count) = (self.floor, count + 1);
            }
        }
        self.done -= count;
        match count {
            0 => {}
            1 => frames.push(Frame::Ack(last)),
            _ => frames.push(Frame::AckUpTo(last)),
        }
        self.waits_since = None;
        if self.done == 0 {
            self.hole_since = None;
        }
    }

    /// What is done behind the open event at the front: it waits on, unless it has waited long or is much.
    fn judge_hole(&mut self, floor_before: u64, now: Instant, frames: &mut Vec<Frame>) {
        if self.done == 0 {
            return;
        }
        let is_another = self.floor != floor_before;
        let since = self.hole_since.filter(|_| !is_another).unwrap_or(now);
        self.hole_since = Some(since);
        if self.done >= ENOUGH || now >= since + HOLE_PATIENCE {
            self.take_singles(frames);
        }
    }

    fn take_singles(&mut self, frames: &mut Vec<Frame>) {
        let first = self.floor + 1;
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if *entry == Entry::Done {
                *entry = Entry::Sent;
                frames.push(Frame::Ack(first + index as u64));
            }
        }
        self.done = 0;
        (self.waits_since, self.hole_since) = (None, None);
    }

    fn entry(&mut self, tag: u64) -> Option<&mut Entry> {
        let index = tag.checked_sub(self.floor + 1)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const WORKERS: usize = 4;
    const PREFETCH: usize = 100;

    struct Bench {
        plan: AckPlan,
        start: Instant,
    }

    impl Bench {
        fn with(delivered: u64) -> Self {
            let mut bench = Self { plan: AckPlan::new(WORKERS, PREFETCH), start: Instant::now() };
            bench.deliver(1..=delivered);
            bench
        }

        fn deliver(&mut self, tags: impl IntoIterator<Item = u64>) {
            tags.into_iter().for_each(|tag| self.plan.delivered(tag, self.start));
        }

        fn ack(&mut self, tags: impl IntoIterator<Item = u64>) -> &mut Self {
            tags.into_iter().for_each(|tag| assert!(self.plan.settle(tag, Outcome::Ack, self.start)));
            self
        }

        /// Expects these frames so many milliseconds after the start.
        #[track_caller]
        fn check(&mut self, after_ms: u64, expected: &[Frame]) -> &mut Self {
            let mut frames = Vec::new();
            self.plan.take(self.start + Duration::from_millis(after_ms), &mut frames);
            assert_eq!(frames, expected, "after {after_ms} ms");
            self
        }
    }

    use Frame::{Ack, AckUpTo, Nack};

    #[test]
    fn a_finished_run_is_one_frame_after_a_moment() {
        Bench::with(10).ack([2, 1, 3]).check(0, &[]).check(1, &[AckUpTo(3)]).check(9, &[]);
    }

    #[test]
    fn many_are_not_kept_waiting() {
        Bench::with(64).ack(1..=31).check(0, &[]).ack([32]).check(0, &[AckUpTo(32)]);
    }

    #[test]
    fn the_last_one_is_sent_at_once() {
        Bench::with(2).ack([1]).check(0, &[]).ack([2]).check(0, &[AckUpTo(2)]);
        Bench::with(1).ack([1]).check(0, &[Ack(1)]);
    }

    #[test]
    fn what_keeps_the_broker_from_feeding_idle_workers_is_sent_at_once() {
        let mut bench = Bench::with(100);
        bench.ack(1..=31).check(1, &[AckUpTo(31)]);
        bench.plan = AckPlan::new(WORKERS, 10);
        bench.deliver(1..=10);
        bench
            .ack([1, 2, 4, 5, 6, 7])
            .check(0, &[])
            .ack([8])
            .check(0, &[AckUpTo(2), Ack(4), Ack(5), Ack(6), Ack(7), Ack(8)]);
    }

    #[test]
    fn what_finished_behind_a_slow_event_is_sent_singly_after_a_while() {
        let mut bench = Bench::with(10);
        bench.ack([1, 3, 4]).check(1, &[Ack(1)]).check(5, &[]).check(11, &[Ack(3), Ack(4)]);
        bench.ack([2]).check(12, &[Ack(2)]);
    }

    #[test]
    fn failed_events_are_refused_at_once_and_not_acknowledged_by_a_later_frame() {
        let mut bench = Bench::with(10);
        bench.ack([1, 3]);
        assert!(bench.plan.settle(2, Outcome::GiveBack, bench.start));
        assert!(bench.plan.settle(4, Outcome::Reject, bench.start));
        let (given_back, rejected) = (Nack { tag: 2, requeue: true }, Nack { tag: 4, requeue: false });
        bench.check(0, &[given_back, rejected]).check(1, &[AckUpTo(3)]);
    }

    #[test]
    fn late_and_unknown_settlements_have_no_effect() {
        let mut bench = Bench::with(2);
        bench.ack([1, 2]).check(0, &[AckUpTo(2)]);
        for tag in [0, 1, 2, 3, u64::MAX] {
            assert!(!bench.plan.settle(tag, Outcome::Ack, bench.start), "{tag}");
        }
        bench.check(99, &[]);
    }

    #[test]
    fn what_is_open_for_too_long_is_given_back_once() {
        let mut bench = Bench::with(2);
        bench.ack([1]);
        let late = bench.start + LONGEST_HOLD;
        assert_eq!([bench.plan.give_back_overdue(late), bench.plan.give_back_overdue(late)], [1, 0]);
        assert!(!bench.plan.settle(2, Outcome::Ack, late));
        bench.check(0, &[Nack { tag: 2, requeue: true }, Ack(1)]);
    }

    #[test]
    fn it_says_when_to_look_again() {
        let mut bench = Bench::with(9);
        let (start, ms) = (bench.start, Duration::from_millis);
        assert_eq!(bench.plan.next_wake(), None);
        bench.ack([1, 3]);
        assert_eq!(bench.plan.next_wake(), Some(start + ms(1)));
        bench.check(2, &[Ack(1)]);
        assert_eq!(bench.plan.next_wake(), Some(start + ms(12)));
        bench.check(12, &[Ack(3)]);
        assert_eq!(bench.plan.next_wake(), None);
    }

    /// A broker that knows what it has delivered, and ends the channel at a frame that names a settled tag.
    #[derive(Default)]
    struct Broker {
        delivered: u64,
        settled: BTreeMap<u64, Outcome>,
    }

    impl Broker {
        fn take(&mut self, frame: Frame) {
            let mut settle = |tag, outcome| {
                assert!(tag <= self.delivered, "{frame:?} was never delivered");
                assert_eq!(self.settled.insert(tag, outcome), None, "{frame:?}: settled already");
            };
            match frame {
                Ack(tag) => settle(tag, Outcome::Ack),
                Nack { tag, requeue: true } => settle(tag, Outcome::GiveBack),
                Nack { tag, requeue: false } => settle(tag, Outcome::Reject),
                AckUpTo(last) => {
                    settle(last, Outcome::Ack);
                    for tag in 1..last {
                        self.settled.entry(tag).or_insert(Outcome::Ack);
                    }
                }
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Deliver(u64),
        /// The nth open tag.
        Settle(usize, Outcome),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let outcome = prop_oneof![8 => Just(Outcome::Ack), 1 => Just(Outcome::GiveBack), 1 => Just(Outcome::Reject)];
        prop_oneof![
            2 => (1..9_u64).prop_map(Step::Deliver),
            8 => (0..40_usize, outcome).prop_map(|(nth, outcome)| Step::Settle(nth, outcome)),
            2 => (0..7_u64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn the_broker_learns_every_verdict_once_and_no_other(
            steps in prop::collection::vec(step(), 1..300),
            workers in 1..9_usize,
            prefetch in 1..60_usize,
        ) {
            let mut plan = AckPlan::new(workers, prefetch);
            let (mut broker, mut now) = (Broker::default(), Instant::now());
            let (mut open, mut expected) = (Vec::new(), BTreeMap::new());
            let mut frames = Vec::new();
            for step in steps {
                match step {
                    Step::Deliver(count) => for _ in 0..count {
                        broker.delivered += 1;
                        open.push(broker.delivered);
                        plan.delivered(broker.delivered, now);
                    },
                    Step::Settle(nth, outcome) if !open.is_empty() => {
                        let tag = open.remove(nth % open.len());
                        expected.insert(tag, outcome);
                        prop_assert!(plan.settle(tag, outcome, now));
                    }
                    Step::Settle(..) => {}
                    Step::Pass(ms) => now += Duration::from_millis(ms),
                }
                plan.take(now, &mut frames);
                frames.drain(..).for_each(|frame| broker.take(frame));
                // Nothing open is settled, and nothing that is done waits without an alarm.
                prop_assert!(broker.settled.iter().all(|(tag, outcome)| expected.get(tag) == Some(outcome)));
                prop_assert!(broker.settled.len() == expected.len() || plan.next_wake().is_some());
            }
            for _ in 0..3 {
                now = plan.next_wake().unwrap_or(now).max(now);
                plan.take(now, &mut frames);
            }
            frames.drain(..).for_each(|frame| broker.take(frame));
            prop_assert_eq!(&broker.settled, &expected, "the alarms alone bring the rest");
        }

        #[test]
        fn before_the_goodbye_everything_goes(
            count in 1..60_u64,
            done in prop::collection::btree_set(1..60_u64, 0..60),
        ) {
            let mut plan = AckPlan::new(1, 1_000);
            let (now, mut frames) = (Instant::now(), Vec::new());
            (1..=count).for_each(|tag| plan.delivered(tag, now));
            let done: Vec<u64> = done.into_iter().filter(|tag| plan.settle(*tag, Outcome::Ack, now)).collect();
            plan.take_all(&mut frames);
            let mut broker = Broker { delivered: count, ..Broker::default() };
            frames.into_iter().for_each(|frame| broker.take(frame));
            prop_assert_eq!(broker.settled.into_keys().collect::<Vec<_>>(), done);
            prop_assert_eq!(plan.next_wake(), None);
        }
    }
}
