//! What the tests of the whole program share: a folder with a configuration, the running program, its queue file.

#![forbid(unsafe_code)]

mod bench;
mod configuration;
mod lab;
mod patience;
mod process;
mod queue;
mod recipe;
mod soak;
mod taking;
mod web;

pub use bench::bench_measures;
pub use configuration::{agent, config, with};
pub use lab::{Lab, Ran};
pub use patience::eventually;
pub use process::{Launch, Siphon};
pub use queue::{rows, take_write_lock};
pub use recipe::{Recipe, Survivor};
pub use soak::soak_events;
pub use taking::{check_kill, check_outcomes, documents, taking, told};
pub use web::Answer;
