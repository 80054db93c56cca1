//! Benchmarks: `cargo xtask bench -- --help`. Everything is measured in one run against a baseline; docs/performance.md has
//! the figures.

mod border;
mod pipes;
mod process;
mod queue;
mod sink;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// The embedded queue through the whole program: events per second, CPU, memory, start, idle
    Queue {
        /// Events with 64 workers; a tenth of it with one
        #[arg(long, default_value_t = 30_000)]
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
    /// The baseline of `queue`, in a process of its own
    #[command(hide = true)]
    NaiveQueue { file: PathBuf, workers: usize, backend: SocketAddr },
}

fn main() -> ExitCode {
    let result = match Cli::parse().what {
        What::Border { events, payload } => border::run(events, payload),
        What::Queue { events, payload } => queue::run(events, payload),
        What::Pipes { events } => pipes::run(events),
        What::NaiveQueue { file, workers, backend } => queue::naive_consumer(&file, workers, backend),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
