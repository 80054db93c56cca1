//! Benchmarks: `cargo xtask bench -- --help`. Everything is measured in one run against a baseline; docs/performance.md has
//! the figures.

mod border;
mod kinds;
mod life;
mod loads;
mod naive;
mod pipes;
mod process;
mod sink;
mod siphon;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::kinds::{Kind, Result, amqp::Amqp, kafka::Kafka, nats::Nats, sqlite::Sqlite};
use crate::life::Life;
use crate::loads::Load;
use crate::sink::Sink;

#[derive(Debug, Parser)]
#[command(about = "Measures siphon", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The plugin border by itself: nanoseconds and host allocations per event at batch 1, 16 and 256
    Border {
        /// Events of a round
        #[arg(long, default_value_t = 200_000)]
        events: usize,
        /// Bytes of an event
        #[arg(long, default_value_t = 256)]
        payload: usize,
    },
    /// The pipe by itself: CPU per event of several kinds of pipes, as a ratio to one plain backend
    Pipes {
        /// Events of a round
        #[arg(long, default_value_t = 2_000)]
        events: usize,
    },
    /// The embedded queue through the whole program
    Queue(Program),
    /// RabbitMQ through the whole program
    Amqp(Program),
    /// Kafka through the whole program
    Kafka(Program),
    /// NATS with JetStream through the whole program
    Nats(Program),
    /// The baseline, in a process of its own
    #[command(hide = true)]
    Naive {
        #[command(subcommand)]
        naive: naive::Naive,
    },
}

/// The whole program on one kind of queue: events per second, CPU, memory, start, many agents, idle.
#[derive(Debug, clap::Args)]
struct Program {
    /// How often each load is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Events of a run with 64 workers; with fewer workers half of it or a quarter
    #[arg(long, default_value_t = 20_000)]
    events: usize,
    /// Bytes of an event; may be repeated
    #[arg(long, default_values_t = [256, 10_240])]
    payload: Vec<usize>,
    /// Workers; may be repeated
    #[arg(long, default_values_t = [1, 8, 64])]
    workers: Vec<usize>,
    #[command(flatten)]
    life: Life,
}

impl Program {
    fn run(&self, kind: &impl Kind) -> Result<()> {
        let sink = Sink::start()?;
        let loads: Vec<_> = self.payload.iter().flat_map(|payload| self.loads(*payload)).collect();
        loads::run(kind, &sink, &loads, self.rounds)?;
        life::run(kind, &sink, &self.life)
    }

    fn loads(&self, payload: usize) -> impl Iterator<Item = Load> {
        self.workers.iter().map(move |workers| Load::new(payload, *workers, self.events))
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().what {
        What::Border { events, payload } => border::run(events, payload),
        What::Queue(program) => Sqlite::new().and_then(|kind| program.run(&kind)),
        What::Amqp(program) => Amqp::connect().and_then(|kind| program.run(&kind)),
        What::Kafka(program) => Kafka::connect().and_then(|kind| program.run(&kind)),
        What::Nats(program) => Nats::connect().and_then(|kind| program.run(&kind)),
        What::Pipes { events } => pipes::run(events),
        What::Naive { naive } => naive::run(naive),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
