//! What siphon costs beside events: its start, many agents, doing nothing.

use std::time::{Duration, Instant};

use crate::kinds::{Consumer, Kind, Result};
use crate::loads::{body, queue};
use crate::process::{Running, cpu, memory_mib};
use crate::sink::Sink;
use crate::siphon;

/// Bytes of an event.
const PAYLOAD: usize = 256;

/// Prefetch of an agent with one worker.
const PREFETCH: u16 = 10;

/// How long a siphon that has done its events is left alone before it counts as idle: the last settlements go out.
const SETTLING: Duration = Duration::from_secs(1);

/// How much is measured.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Life {
    /// How often the start is measured; 0: not
    #[arg(long, default_value_t = 11)]
    starts: usize,
    /// Agents of a large configuration, beside a small one of 1; 0: none
    #[arg(long, default_value_t = 200)]
    agents: usize,
    /// Seconds for which an idle siphon is watched; 0: not
    #[arg(long, default_value_t = 8)]
    idle: u64,
}

/// Measures and prints.
///
/// # Errors
///
/// Events are missing.
pub fn run<K: Kind>(kind: &K, sink: &Sink, life: &Life) -> Result<()> {
    if life.starts > 0 {
        starts(kind, sink, life.starts)?;
    }
    for agents in [1, life.agents].into_iter().filter(|agents| *agents > 0) {
        crowd(kind, sink, agents, life.idle)?;
    }
    Ok(())
}

/// From the start of the process to its first call of the backend, with an event waiting in the queue.
fn starts<K: Kind>(kind: &K, sink: &Sink, count: usize) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..count {
        let crowd = Crowd::start(kind, sink, 1)?;
        times.push(crowd.all_consume);
        crowd.end(kind)?;
    }
    times.sort();
    println!("start to first event: median {:.1?}, worst {:.1?} of {count}", times[count / 2], times[count - 1]);
    Ok(())
}

fn crowd<K: Kind>(kind: &K, sink: &Sink, agents: usize, seconds: u64) -> Result<()> {
    let crowd = Crowd::start(kind, sink, agents)?;
    println!("{agents} agent(s): all consume {:.1?} after the start of the process", crowd.all_consume);
    if seconds > 0 {
        std::thread::sleep(SETTLING);
        let (id, before) = (crowd.process.id(), cpu(crowd.process.id()));
        std::thread::sleep(Duration::from_secs(seconds));
        let percent = (cpu(id) - before).as_secs_f64() / seconds as f64 * 100.0;
        let (now, peak) = (memory_mib(id, "VmRSS"), memory_mib(id, "VmHWM"));
        println!("{agents} agent(s), idle: {percent:.2} % of a core, {now:.1} MiB resident, {peak:.1} at the peak");
    }
    crowd.end(kind)
}

/// A siphon of which each agent has done one event.
struct Crowd {
    process: Running,
    queues: Vec<String>,
    /// Since the start of the process.
    all_consume: Duration,
}

impl Crowd {
    fn start<K: Kind>(kind: &K, sink: &Sink, agents: usize) -> Result<Self> {
        let queues: Vec<_> = (0..agents).map(|_| queue()).collect();
        queues.iter().try_for_each(|queue| kind.fill(Consumer::Siphon, queue, 1, &body(PAYLOAD)))?;
        let agent =
            |queue: &String| siphon::agent(queue, &kind.topic(queue), 1, kind.driver(queue, PREFETCH), sink.address);
        let folder = siphon::folder(queues.iter().map(agent).collect())?;
        sink.begin();
        let began = Instant::now();
        let process = siphon::start(folder.path())?;
        let (_, last) = sink.wait_for(agents)?;
        Ok(Self { process, queues, all_consume: last.duration_since(began) })
    }

    fn end<K: Kind>(self, kind: &K) -> Result<()> {
        self.process.terminate()?;
        self.queues.iter().try_for_each(|queue| kind.finish(Consumer::Siphon, queue))
    }
}
