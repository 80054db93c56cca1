//! Siphon against the naive loop: the same events, the same queue, the same backend, in turn.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::kinds::{Consumer, Kind, Result};
use crate::process::{Running, cpu, memory_mib};
use crate::sink::Sink;
use crate::siphon;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Bytes of an event.
    pub payload: usize,
    pub workers: usize,
    /// Events that the broker sends ahead of their settlement, where it knows such a thing.
    pub prefetch: u16,
    pub events: usize,
}

impl Load {
    /// With the driver's usual prefetch, or 100 for 64 workers. Few workers get fewer of the `events`: they are slower.
    pub fn new(payload: usize, workers: usize, events: usize) -> Self {
        let prefetch = match workers {
            64 => 100,
            few => u16::try_from(2 * few).unwrap_or(u16::MAX).max(10),
        };
        let events = match workers {
            1 => events / 4,
            2..=8 => events / 2,
            _ => events,
        };
        Self { payload, workers, prefetch, events: events.max(16) }
    }
}

/// An event's body: JSON of this length.
pub fn body(payload: usize) -> String {
    format!(r#"{{"pad":"{}"}}"#, "x".repeat(payload.saturating_sub(10)))
}

/// A name that no other run uses: a broker may remember the last one for a while.
pub fn queue() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("bench-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// One measured run.
#[derive(Debug, Clone, Copy)]
struct Run {
    events_per_second: f64,
    /// Microseconds of CPU per event: the consumer's and the broker's.
    cpu: f64,
    broker: f64,
    peak_mib: f64,
}

/// Measures all loads in each of the rounds, and prints a table of medians.
///
/// # Errors
///
/// Events are missing.
pub fn run<K: Kind>(kind: &K, sink: &Sink, loads: &[Load], rounds: usize) -> Result<()> {
    println!("{}: siphon against the naive loop, in turn, medians of {rounds} rounds", K::TITLE);
    let mut runs: Vec<[Vec<Run>; 2]> = vec![Default::default(); loads.len()];
    for round in 0..rounds {
        for (load, runs) in loads.iter().zip(&mut runs) {
            // What the first leaves behind, a warm broker or a busy one, is each one's in half of the rounds.
            let order =
                if round % 2 == 0 { [Consumer::Naive, Consumer::Siphon] } else { [Consumer::Siphon, Consumer::Naive] };
            for consumer in order {
                runs[consumer as usize].push(measure(kind, sink, load, consumer)?);
            }
        }
    }
    print(loads, &runs);
    Ok(())
}

fn print(loads: &[Load], runs: &[[Vec<Run>; 2]]) {
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>10} {:>13} {:>16} {:>9}",
        "payload", "workers", "events", "", "events/s", "CPU us/event", "broker us/event", "peak MiB"
    );
    for (load, [naive, siphon]) in loads.iter().zip(runs) {
        let Load { payload, workers, events, .. } = load;
        for (name, runs) in [("naive", naive), ("siphon", siphon)] {
            let of = |value: fn(&Run) -> f64| median(runs.iter().map(value).collect());
            let (rate, cpu) = (of(|run| run.events_per_second), of(|run| run.cpu));
            let (broker, peak) = (of(|run| run.broker), of(|run| run.peak_mib));
            println!(
                "{payload:>8} {workers:>8} {events:>8} {name:>8} {rate:>10.0} {cpu:>13.1} {broker:>16.1} {peak:>9.1}"
            );
        }
        // Of the two runs of a round, which had the same neighbours.
        let ratio = |value: fn(&Run) -> f64| {
            median(naive.iter().zip(siphon).map(|(naive, siphon)| value(siphon) / value(naive)).collect())
        };
        let (rate, cpu, broker) = (ratio(|run| run.events_per_second), ratio(|run| run.cpu), ratio(|run| run.broker));
        println!("{payload:>8} {workers:>8} {:>8} {:>8} {rate:>9.2}x {cpu:>12.2}x {broker:>15.2}x", "", "ratio");
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// One run. The start of the process and its first events are not in it: `life` measures those.
fn measure<K: Kind>(kind: &K, sink: &Sink, load: &Load, consumer: Consumer) -> Result<Run> {
    let queue = queue();
    kind.fill(consumer, &queue, load.events, &body(load.payload))?;
    sink.begin();
    let driver = kind.driver(&queue, load.prefetch);
    let folder = siphon::folder(vec![siphon::agent(&queue, &kind.topic(&queue), load.workers, driver, sink.address)])?;
    let process = match consumer {
        Consumer::Naive => naive(&kind.naive(&queue, load, sink.address))?,
        Consumer::Siphon => siphon::start(folder.path())?,
    };
    let (first, last) =
        (Moment::at(kind, sink, &process, load.events / 10)?, Moment::at(kind, sink, &process, load.events)?);
    let peak_mib = memory_mib(process.id(), "VmHWM");
    match consumer {
        Consumer::Naive => drop(process),
        Consumer::Siphon => process.terminate()?,
    }
    kind.finish(consumer, &queue)?;
    Ok(last.since(&first, peak_mib))
}

/// The naive loop, in a process of its own so that its CPU and memory can be told apart. One that ends by itself stays for
/// a line of input.
fn naive(arguments: &[String]) -> Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("naive").args(arguments).stdin(Stdio::piped()).stdout(Stdio::null());
    Ok(Running(command.spawn()?))
}

/// How far a run is.
struct Moment {
    events: usize,
    at: Instant,
    cpu: f64,
    broker: f64,
}

impl Moment {
    /// When `events` events have come to the sink.
    fn at<K: Kind>(kind: &K, sink: &Sink, process: &Running, events: usize) -> Result<Self> {
        let (events, at) = sink.wait_for(events)?;
        let cpu = |id| cpu(id).as_secs_f64();
        Ok(Self { events, at, cpu: cpu(process.id()), broker: kind.broker().map_or(f64::NAN, cpu) })
    }

    fn since(&self, first: &Self, peak_mib: f64) -> Run {
        let events = (self.events - first.events) as f64;
        let micros = |seconds: f64| seconds * 1e6 / events;
        Run {
            events_per_second: events / self.at.duration_since(first.at).as_secs_f64().max(1e-9),
            cpu: micros(self.cpu - first.cpu),
            broker: micros(self.broker - first.broker),
            peak_mib,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_body_is_json_of_its_length() {
        for length in [10, 256, 10_240] {
            let text = body(length);
            assert_eq!(text.len(), length);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
