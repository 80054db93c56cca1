//! The books against a model: whatever happens, each event gets exactly one settlement.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use super::*;
use crate::delivery::Backoff;
use crate::{FailureKind, Outcome};

const WORKERS: usize = 3;
const HELD: usize = 4;
const WAIT: Duration = Duration::from_millis(100);

/// One thing that happens to an agent.
#[derive(Debug, Clone)]
enum Step {
    /// The driver has events, as many as there are places.
    Turn,
    /// One of those in the pipe leaves it.
    Finish {
        which: usize,
        succeeds: bool,
    },
    Pass {
        ms: u64,
    },
    /// The driver takes some settlements.
    Send {
        count: usize,
    },
    /// A connection that heals is lost: what comes from now on has another generation.
    Lose,
    Revoke {
        partition: i32,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Turn),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, succeeds)| Step::Finish { which, succeeds }),
        3 => (0u64..150).prop_map(|ms| Step::Pass { ms }),
        3 => (0usize..5).prop_map(|count| Step::Send { count }),
        1 => Just(Step::Lose),
        1 => (0i32..2).prop_map(|partition| Step::Revoke { partition }),
    ];
    prop::collection::vec(step, 1..150)
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    let gives_back = Capabilities::GIVE_BACK;
    let delays = gives_back.and(Capabilities::DELAY);
    let rejects = gives_back.and(Capabilities::REJECT);
    prop_oneof![Just(Capabilities::NONE), Just(gives_back), Just(delays), Just(rejects)]
}

fn books(capabilities: Capabilities, rate: Option<f64>, now: Instant) -> Deliveries {
    let retry = Backoff { strategy: crate::delivery::Strategy::Constant, base: WAIT, max: WAIT };
    Deliveries {
        workers: WORKERS,
        held_limit: HELD,
        policy: Policy { retry },
        capabilities,
        rate: rate.map(|rate| TokenBucket::new(rate, now)),
        attempts: Attempts::default(),
        waiting: Waiting::default(),
        running: 0,
        unsent: Vec::new(),
        gone: Gone::default(),
        terms: Terms::NONE,
        is_draining: false,
    }
}

/// What a check wants of the event when it fails: some events have one.
fn chosen(id: u64) -> Option<Outcome> {
    [None, None, Some(Outcome::Retry), Some(Outcome::DeadLetter), Some(Outcome::Discard)][(id % 5) as usize]
}

/// An agent's books beside what should be in them.
struct World {
    deliveries: Deliveries,
    now: Instant,
    pipe: Vec<Event>,
    generation: u64,
    /// Every event that was started, and its settlements.
    settled: BTreeMap<u64, Vec<Settlement>>,
    /// When a failed event may go back at the earliest.
    due: BTreeMap<u64, Instant>,
    /// Events whose connection or partition is gone.
    gone: BTreeSet<u64>,
}

impl World {
    fn new(capabilities: Capabilities, rate: Option<f64>) -> Self {
        let now = Instant::now();
        let deliveries = books(capabilities, rate, now);
        let (pipe, settled, due, gone) = (Vec::new(), BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { deliveries, now, pipe, generation: 1, settled, due, gone }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Turn => self.turn(),
            Step::Finish { which, succeeds } if !self.pipe.is_empty() => self.finish(which, succeeds),
            Step::Finish { .. } => {}
            Step::Pass { ms } => self.now += Duration::from_millis(ms),
            Step::Send { count } => self.send(count),
            Step::Lose => self.lose(),
            Step::Revoke { partition } => self.revoke(partition),
        }
        self.check();
    }

    fn turn(&mut self) {
        let pipe = &mut self.pipe;
        self.deliveries.take_due(self.now, |event| pipe.push(event));
        loop {
            let places = self.deliveries.places(self.now);
            if places == 0 {
                break;
            }
            (0..places).for_each(|_| self.start());
        }
        // A wake that is due already would turn the loop for ever.
        for is_dry in [false, true] {
            let wake = self.deliveries.next_wake(is_dry);
            assert!(wake.is_none_or(|wake| wake > self.now), "dry {is_dry}: {:?}", self.deliveries);
        }
    }

    fn start(&mut self) {
        let id = self.settled.len() as u64;
        let handle = Handle { id, generation: self.generation };
        self.settled.insert(id, Vec::new());
        self.deliveries.started();
        self.pipe.push(Event::of_nobody(handle, (id % 2) as i32, 0, "payload"));
    }

    fn finish(&mut self, which: usize, succeeds: bool) {
        let event = self.pipe.swap_remove(which % self.pipe.len());
        if succeeds {
            return self.deliveries.succeeded(&event);
        }
        self.due.insert(event.handle().id, self.now + WAIT);
        let outcome = chosen(event.handle().id);
        let failure = Failure { outcome, ..Failure::new(FailureKind::Status(500), "no") };
        self.deliveries.failed(event, &failure, self.now, 0.5);
    }

    fn send(&mut self, count: usize) {
        let count = count.min(self.deliveries.unsent().len());
        for settlement in &self.deliveries.unsent()[..count] {
            let settlements = self.settled.get_mut(&settlement.handle.id).expect("only started events are settled");
            settlements.push(*settlement);
        }
        self.deliveries.sent(count);
    }

    fn lose(&mut self) {
        self.deliveries.lost(self.generation);
        self.gone.extend(self.settled.keys());
        self.generation += 1;
    }

    fn revoke(&mut self, partition: i32) {
        self.deliveries.revoked(partition, self.generation);
        self.gone.extend(self.settled.keys().filter(|id| **id % 2 == partition as u64));
        self.generation += 1;
    }

    /// What holds at any time.
    fn check(&self) {
        let books = &self.deliveries;
        assert_eq!(books.running(), self.pipe.len());
        assert!(books.running() <= WORKERS);
        assert!(books.waiting() <= HELD + WORKERS, "{} are held", books.waiting());
        let settled = self.settled.values().filter(|settlements| !settlements.is_empty()).count();
        let accounted = settled + books.unsent().len() + books.waiting() + self.pipe.len();
        assert_eq!(accounted, self.settled.len(), "an event was lost, or has two places");
        books.unsent().iter().for_each(|settlement| self.check_settlement(settlement));
    }

    /// Nothing goes back too early, and nobody is asked for what it cannot do.
    fn check_settlement(&self, settlement: &Settlement) {
        let can = |ability| self.deliveries.capabilities.has(ability);
        let id = settlement.handle.id;
        assert!(settlement.delay_ms == 0 || can(Capabilities::DELAY));
        match settlement.verdict {
            Verdict::RETRY if can(Capabilities::DELAY) => assert_eq!(settlement.delay_ms, 100),
            Verdict::RETRY => {
                assert!(can(Capabilities::GIVE_BACK), "nothing can be given back");
                assert!(self.due[&id] <= self.now, "it did not wait");
            }
            Verdict::REQUEUE => assert!(self.gone.contains(&id), "its connection is still there"),
            Verdict::REJECT => {
                assert!(can(Capabilities::REJECT), "it would be lost");
                assert_eq!(chosen(id), Some(Outcome::DeadLetter));
            }
            verdict => assert_eq!(verdict, Verdict::ACK),
        }
    }

    /// The process ends.
    fn end(mut self) {
        while !self.pipe.is_empty() {
            self.finish(0, false);
        }
        self.deliveries.drain();
        self.send(usize::MAX);
        assert_eq!((self.deliveries.waiting(), self.deliveries.unsent().len()), (0, 0));
        for (id, settlements) in &self.settled {
            assert_eq!(settlements.len(), 1, "event {id}: {settlements:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_event_gets_exactly_one_settlement(
        steps in steps(),
        capabilities in capabilities(),
        rate in prop::option::of(1.0f64..50.0),
    ) {
        let mut world = World::new(capabilities, rate);
        steps.iter().for_each(|step| world.take(step));
        world.end();
    }
}

#[test]
fn what_fails_while_draining_goes_back_at_once() {
    for capabilities in [Capabilities::NONE, Capabilities::GIVE_BACK] {
        let now = Instant::now();
        let mut books = books(capabilities, None, now);
        books.started();
        books.drain();
        let event = Event::of_nobody(Handle { id: 1, generation: 1 }, -1, 0, "payload");
        let failed = books.failed(event, &Failure::new(FailureKind::Other, "no"), now, 0.5);
        assert!(failed.is_given_back);
        let expected =
            Settlement { handle: Handle { id: 1, generation: 1 }, verdict: Verdict::RETRY, reserved: 0, delay_ms: 0 };
        assert_eq!(books.unsent(), [expected]);
        assert_eq!(books.places(now), 0);
    }
}

#[test]
fn an_event_that_is_done_with_is_settled_at_once_whatever_its_driver_makes_of_failures() {
    let now = Instant::now();
    let handle = Handle { id: 1, generation: 1 };
    let verdicts = |terms, outcome| {
        let mut books = books(Capabilities::GIVE_BACK.and(Capabilities::REJECT), None, now);
        books.agree(terms);
        books.started();
        let failure = Failure { outcome: Some(outcome), ..Failure::new(FailureKind::Invalid, "no") };
        books.failed(Event::of_nobody(handle, -1, 0, "payload"), &failure, now, 0.5);
        books.unsent().iter().map(|settlement| settlement.verdict).collect::<Vec<_>>()
    };
    for terms in [Terms::NONE, Terms::FAILURE_IS_FINAL] {
        assert_eq!(verdicts(terms, Outcome::Discard), [Verdict::ACK]);
        assert_eq!(verdicts(terms, Outcome::DeadLetter), [Verdict::REJECT]);
    }
    assert_eq!(verdicts(Terms::FAILURE_IS_FINAL, Outcome::Retry), [Verdict::REJECT], "there is no later attempt");
    assert_eq!(verdicts(Terms::NONE, Outcome::Retry), []);
}

#[test]
fn of_an_event_whose_connection_is_gone_nothing_is_final() {
    let now = Instant::now();
    let mut books = books(Capabilities::GIVE_BACK.and(Capabilities::REJECT), None, now);
    books.started();
    books.lost(1);
    let failure = Failure { outcome: Some(Outcome::Discard), ..Failure::new(FailureKind::Invalid, "no") };
    books.failed(Event::of_nobody(Handle { id: 1, generation: 1 }, -1, 0, "payload"), &failure, now, 0.5);
    assert_eq!(books.unsent().iter().map(|one| one.verdict).collect::<Vec<_>>(), [Verdict::REQUEUE]);
}

#[test]
fn an_agent_without_events_sleeps_whatever_its_rate() {
    let now = Instant::now();
    let mut books = books(Capabilities::GIVE_BACK, Some(5.0), now);
    assert_eq!(books.places(now), WORKERS);
    assert_eq!(books.next_wake(true), None, "the doorbell will ring");
}

#[test]
fn attempts_are_the_brokers_where_it_counts() {
    let now = Instant::now();
    let mut books = books(Capabilities::GIVE_BACK, None, now);
    let failure = Failure::new(FailureKind::Other, "no");
    let mut fail = |attempt| {
        books.started();
        let event = Event::of_nobody(Handle { id: 1, generation: 1 }, -1, attempt, "payload");
        books.failed(event, &failure, now, 0.5).attempt
    };
    assert_eq!([fail(7), fail(0), fail(0), fail(9)], [7, 1, 2, 9]);
}

#[test]
fn equal_records_of_a_log_are_counted_apart() {
    let now = Instant::now();
    let mut books = books(Capabilities::NONE, None, now);
    let failure = Failure::new(FailureKind::Other, "no");
    let mut fail = |partition, offset| {
        books.started();
        let event = Event::of_nobody(Handle { id: 1, generation: 1 }, partition, 0, "payload").at_offset(offset);
        books.failed(event, &failure, now, 0.5).attempt
    };
    assert_eq!([fail(0, 7), fail(0, 8), fail(1, 7), fail(0, 7)], [1, 1, 1, 2]);
}
