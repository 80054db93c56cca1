//! The plugin border by itself: message in a driver → ring → table → [`Event`] → settlement, without a pipe.
//!
//! *inline*: the messages are in the ring already, and nobody works beside the host: the host's side of the border, the release
//! of each message included. *across*: the
//! driver makes each message (one allocation and copy, as a client library does) on its thread while the host takes them on
//! its own, sleeping when there is none: all of both sides, wake-ups included.

mod allocations;
mod driver;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use siphon_core::plugin::{Arrival, Event, OpenOptions, Registered, Registry, Settlement, Source, Verdict};

use self::driver::{Border, filled};
use crate::process::cpu;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Events that one call of `next` hands over at most.
const BATCHES: [usize; 3] = [1, 16, 256];

/// Messages that lie in the ring when *inline* begins.
const RING: usize = 256;

/// Runs of each row; the fastest is shown, because everything else on the machine only adds.
const ROUNDS: usize = 5;

/// What one row costs, per event.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
    allocations: f64,
}

/// Measures with `events` events a round, of `payload` bytes each, and prints a table.
///
/// # Errors
///
/// When the source breaks.
pub fn run(events: usize, payload: usize) -> Result<()> {
    let mut registry = Registry::default();
    registry.add_in_process("border", vec![siphon_sdk::source::<Border>()]).map_err(|why| format!("{why:?}"))?;
    let component = registry.source("async/border").ok_or("the source is not registered")?;
    println!("plugin border, {events} events of {payload} bytes a round, best of {ROUNDS} rounds, per event");
    println!("{:>8} {:>6} {:>10} {:>10} {:>18}", "", "batch", "wall ns", "CPU ns", "host allocations");
    for (name, measure) in [("inline", inline as Measure), ("across", across as Measure)] {
        for batch in BATCHES {
            let costs = (0..ROUNDS).map(|_| measure(component, events, payload, batch)).collect::<Result<Vec<_>>>()?;
            let best = |of: fn(&Cost) -> f64| costs.iter().map(of).fold(f64::INFINITY, f64::min);
            let (wall, cpu, allocations) =
                (best(|cost| cost.wall), best(|cost| cost.cpu), best(|cost| cost.allocations));
            println!("{name:>8} {batch:>6} {wall:>10.1} {cpu:>10.1} {allocations:>18.2}");
        }
    }
    Ok(())
}

type Measure = fn(&Arc<Registered>, usize, usize, usize) -> Result<Cost>;

fn options(events: usize, payload: usize, batch: usize, is_filled: bool) -> OpenOptions {
    // One more than there are: the driver is asked once more, and so knows that all are in the ring.
    let read_ahead = if is_filled { events + 1 } else { 2 * batch.max(32) };
    OpenOptions {
        agent: "border".into(),
        namespace: "async/border".into(),
        topics: Vec::new(),
        config: format!(r#"{{"events": {events}, "payload": {payload}, "batch": {batch}, "is_filled": {is_filled}}}"#),
        read_ahead,
        max_in_flight: 2 * read_ahead,
        max_bytes: u64::MAX,
        workers: batch,
    }
}

/// The ring is filled before the clock starts, and the driver rests: again and again with as many messages as a ring holds in
/// practice, since with all at once it would be main memory that is measured.
fn inline(component: &Arc<Registered>, events: usize, payload: usize, batch: usize) -> Result<Cost> {
    let rounds = events.div_ceil(RING);
    let mut total = Cost { wall: 0.0, cpu: 0.0, allocations: 0.0 };
    for _ in 0..rounds {
        let before = filled();
        let mut host = Host::open(component, &options(RING, payload, batch, true), batch)?;
        while filled() == before {
            std::thread::yield_now();
        }
        let meter = Meter::start(RING);
        while host.done < RING {
            host.turn()?;
        }
        let cost = meter.stop();
        total.wall += cost.wall / rounds as f64;
        total.allocations += cost.allocations / rounds as f64;
    }
    // One thread that never sleeps: its time is its CPU. A round is too short for the system's own count.
    Ok(Cost { cpu: total.wall, ..total })
}

/// The driver works while the host does.
fn across(component: &Arc<Registered>, events: usize, payload: usize, batch: usize) -> Result<Cost> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut host = Host::open(component, &options(events, payload, batch, false), batch)?;
    runtime.block_on(async {
        let meter = Meter::start(events);
        while host.done < events {
            if host.turn()? == 0 {
                host.source.rung().await;
            }
        }
        Ok(meter.stop())
    })
}

/// What the core does with a source, without a pipe.
struct Host {
    source: Source,
    batch: usize,
    taken: Vec<Event>,
    settlements: Vec<Settlement>,
    done: usize,
}

impl Host {
    fn open(component: &Arc<Registered>, options: &OpenOptions, batch: usize) -> Result<Self> {
        let source = Source::open(component, options)?;
        let (taken, settlements) = (Vec::with_capacity(batch), Vec::with_capacity(2 * batch));
        Ok(Self { source, batch, taken, settlements, done: 0 })
    }

    /// Takes a batch, looks at it, settles it; returns how many items came.
    fn turn(&mut self) -> Result<usize> {
        let Self { source, batch, taken, settlements, done } = self;
        let mut keep = |arrival| {
            if let Arrival::Event(event) = arrival {
                taken.push(event);
            }
        };
        let count = source.next(*batch, &mut keep).map_err(|end| format!("{end:?}"))?;
        *done += taken.len();
        for event in taken.drain(..) {
            black_box(event.payload().len());
            settlements.push(Settlement { handle: event.handle(), verdict: Verdict::ACK, reserved: 0, delay_ms: 0 });
        }
        let accepted = source.settle(settlements);
        settlements.drain(..accepted);
        Ok(count)
    }
}

/// Measures between two moments, on this thread and in this process.
struct Meter {
    events: usize,
    allocations: u64,
    cpu: Duration,
    start: Instant,
}

impl Meter {
    fn start(events: usize) -> Self {
        Self { events, allocations: allocations::here(), cpu: cpu(std::process::id()), start: Instant::now() }
    }

    fn stop(self) -> Cost {
        let wall = self.start.elapsed();
        let per_event = |duration: Duration| duration.as_secs_f64() * 1e9 / self.events as f64;
        let allocations = (allocations::here() - self.allocations) as f64 / self.events as f64;
        Cost { wall: per_event(wall), cpu: per_event(cpu(std::process::id()) - self.cpu), allocations }
    }
}
