//! Random work of three consumers in two processes, held against a model in memory.
//!
//! Two engines share the file, as two processes would. The model knows for each event who holds it
//! until when; after each step the store must have answered as the model says, and at the end every
//! event that was not acknowledged must still be there.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        process: usize,
        topic: &'static str,
        count: usize,
        delay: u64,
    },
    Claim {
        reader: usize,
        max: usize,
    },
    /// Settles the `nth` event that the reader ever claimed, also when that is long gone.
    Settle {
        reader: usize,
        nth: usize,
        verdict: Verdict,
    },
    Pass {
        seconds: u64,
    },
    /// The process is killed and started again.
    Kill {
        process: usize,
    },
}

/// The readers: their process, and what they let through.
const READERS: [(usize, &str); 3] = [(0, "a.*"), (1, "#"), (1, "b a.x")];

const TOPICS: [&str; 3] = ["a.x", "a.y", "b"];

/// Topics with an event each from the start: so many that they are not asked one by one.
const MORE_TOPICS: [&str; 10] = ["a.0", "a.1", "a.2", "a.3", "a.4", "a.5", "a.6", "a.7", "a.8", "a.9"];

#[derive(Debug)]
struct Modelled {
    topic: &'static str,
    attempts: u32,
    due: i64,
    /// Its place in the line.
    place: i64,
    ticket: Option<Ticket>,
}

/// A lease as its holder sees it.
#[derive(Debug, Clone, Copy)]
struct Hold {
    ticket: Ticket,
    renewed: i64,
}

struct World {
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
    benches: Vec<Bench>,
    readers: Vec<Reader>,
    /// Every ticket that a reader got since its process started.
    tickets: Vec<Vec<Ticket>>,
    held: Vec<Vec<Hold>>,
    events: BTreeMap<i64, Modelled>,
    /// The last number that was given to an event or to a place.
    last: i64,
    now: Now,
}

impl World {
    fn new() -> Self {
        let (folder, path) = folder();
        let now = start_of_time();
        let mut benches: Vec<Bench> = (0..2).map(|_| Bench::open(&path, now)).collect();
        let readers = READERS.map(|(process, topics)| benches[process].reader("q", topics)).into();
        let (tickets, held) = (vec![Vec::new(); READERS.len()], vec![Vec::new(); READERS.len()]);
        let mut world =
            Self { path, _folder: folder, benches, readers, tickets, held, events: BTreeMap::new(), last: 0, now };
        MORE_TOPICS.iter().for_each(|topic| world.publish(0, topic, 1, 0));
        world
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Publish { process, topic, count, delay } => self.publish(process, topic, count, delay),
            Step::Claim { reader, max } => self.claim(reader, max),
            Step::Settle { reader, nth, ref verdict } => self.settle(reader, nth, verdict),
            Step::Pass { seconds } => self.now = later(self.now, Duration::from_secs(seconds)),
            Step::Kill { process } => self.kill(process),
        }
        self.benches.iter_mut().for_each(|bench| bench.now = self.now);
    }

    fn publish(&mut self, process: usize, topic: &'static str, count: usize, delay: u64) {
        let new = NewEvent { delay: Duration::from_secs(delay), ..event(topic, topic) };
        let ids = self.benches[process].publish("q", vec![new; count]);
        let due = if delay == 0 { 0 } else { self.now.wall + delay as i64 * 1_000 };
        for id in ids {
            assert_eq!(id, self.last + 1, "numbers grow one by one");
            self.last = id;
            self.events.insert(id, Modelled { topic, attempts: 0, due, place: id, ticket: None });
        }
        self.renew(process);
    }

    /// What a round of `process` renews.
    fn renew(&mut self, process: usize) {
        let now = self.now.wall;
        for (reader, held) in self.held.iter_mut().enumerate() {
            if READERS[reader].0 != process {
                continue;
            }
            held.retain_mut(|hold| {
                let is_due = now - hold.renewed >= LEASE.as_millis() as i64 / 3;
                let event = self.events.get_mut(&hold.ticket.id);
                let event = event.filter(|event| event.ticket == Some(hold.ticket));
                match event {
                    Some(event) if is_due => {
                        event.due = now + LEASE.as_millis() as i64;
                        hold.renewed = now;
                        true
                    }
                    Some(_) => true,
                    None => !is_due,
                }
            });
        }
    }

    fn claim(&mut self, reader: usize, max: usize) {
        let (process, topics) = READERS[reader];
        self.renew(process);
        let filter = TopicFilter::new(&topics.split(' ').collect::<Vec<_>>());
        let now = self.now.wall;
        let is_free = |event: &&mut Modelled| event.due <= now && filter.matches(event.topic);
        let mut free: Vec<_> = self.events.iter_mut().filter(|(_, event)| is_free(event)).collect();
        free.sort_by_key(|(_, event)| event.place);
        free.truncate(max);
        let found = self.benches[process].claim(&self.readers[reader], max);
        assert_eq!(ids(&found), free.iter().map(|(id, _)| **id).collect::<Vec<_>>(), "claimed by {reader}");
        for (found, (_, event)) in found.iter().zip(free) {
            event.attempts += 1;
            event.due = now + LEASE.as_millis() as i64;
            event.ticket = Some(found.ticket);
            assert_eq!((found.topic.as_str(), found.attempt), (event.topic, event.attempts));
            self.tickets[reader].push(found.ticket);
            self.held[reader].push(Hold { ticket: found.ticket, renewed: now });
        }
    }

    fn settle(&mut self, reader: usize, nth: usize, verdict: &Verdict) {
        let tickets = &self.tickets[reader];
        let Some(&ticket) = tickets.get(nth % tickets.len().max(1)) else { return };
        let settled = self.benches[READERS[reader].0].settle(&self.readers[reader], ticket, verdict.clone());
        let event = self.events.get_mut(&ticket.id).filter(|event| event.ticket == Some(ticket));
        assert_eq!(settled == Settled::Done, event.is_some(), "{ticket:?} {verdict:?}");
        if let Some(event) = event {
            event.ticket = None;
            let now = self.now.wall;
            match verdict {
                Verdict::Ack | Verdict::Reject => drop(self.events.remove(&ticket.id)),
                Verdict::Requeue => (event.due, event.attempts) = (0, event.attempts - 1),
                Verdict::Retry(delay) => {
                    event.due = if delay.is_zero() { 0 } else { now + delay.as_millis() as i64 };
                    self.last += 1;
                    event.place = self.last;
                }
            }
        }
        self.held[reader].retain(|hold| hold.ticket != ticket);
        self.renew(READERS[reader].0);
    }

    fn kill(&mut self, process: usize) {
        self.benches[process] = Bench::open(&self.path, self.now);
        for (reader, (home, topics)) in READERS.iter().enumerate() {
            if *home == process {
                self.readers[reader] = self.benches[process].reader("q", topics);
                self.tickets[reader].clear();
                self.held[reader].clear();
            }
        }
    }

    /// After a long time without anybody, all that was not settled can be claimed, in order.
    fn check_nothing_is_lost(&mut self) {
        let mut bench = Bench::open(&self.path, later(self.now, Duration::from_secs(100_000)));
        let reader = bench.reader("q", "");
        let mut left: Vec<_> = self.events.iter().collect();
        left.sort_by_key(|(_, event)| event.place);
        let left: Vec<i64> = left.into_iter().map(|(id, _)| *id).collect();
        assert_eq!(ids(&bench.claim(&reader, 10_000)), left);
    }
}

fn ids(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.ticket.id).collect()
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        3 => Just(Verdict::Ack),
        1 => Just(Verdict::Requeue),
        1 => Just(Verdict::Reject),
        2 => (0..60u64).prop_map(|seconds| Verdict::Retry(Duration::from_secs(seconds))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let topic = prop::sample::select(TOPICS.to_vec());
    let delay = prop_oneof![3 => Just(0), 1 => 1..90u64];
    prop_oneof![
        3 => (0..2usize, topic, 1..4usize, delay)
            .prop_map(|(process, topic, count, delay)| Step::Publish { process, topic, count, delay }),
        5 => (0..READERS.len(), 1..5usize).prop_map(|(reader, max)| Step::Claim { reader, max }),
        5 => (0..READERS.len(), 0..100usize, verdict())
            .prop_map(|(reader, nth, verdict)| Step::Settle { reader, nth, verdict }),
        3 => (1..40u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => (0..2usize).prop_map(|process| Step::Kill { process }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_as_the_model_says(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.check_nothing_is_lost();
    }
}
