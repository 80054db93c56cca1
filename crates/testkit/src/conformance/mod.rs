//! What every driver must do, whatever its broker: one list of behaviours, run through the real plugin host on the
//! plugin's library, against the real broker.
//!
//! A driver's author describes a [`Bench`]: the library, the namespace key, and how the configuration of a fresh queue looks.
//! Behaviours that need an ability are left out where the driver does not declare it; the report says so.
//!
//! ```no_run
//! use siphon_testkit::conformance::{Bench, Queue, built, run};
//!
//! let fresh = |name: &str| Queue::new(format!(r#"{{"folder": "/tmp/{name}"}}"#));
//! run(&Bench::new(built(env!("CARGO_MANIFEST_DIR")), "async/inbox", fresh));
//! ```

mod arrival;
mod behaviours;
mod bench;
mod endings;
mod lab;
mod settlement;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use siphon_core::plugin::Registry;

pub use bench::{Bench, Queue, built};

use behaviours::{ALL, Behaviour, Needs};
use lab::{Driver, Lab};

/// How a behaviour came out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// With what the driver or the bench lacks.
    Skipped(&'static str),
    /// With what the behaviour found.
    Failed(String),
}

/// Runs every behaviour that fits the driver, one after the other, and prints a line for each.
///
/// # Panics
///
/// When the library does not load, registers no such source, or fails a behaviour: names all that failed, at the end.
pub fn run(bench: &Bench) {
    let driver = load(bench);
    let mut failed = Vec::new();
    for behaviour in ALL {
        let outcome = outcome(behaviour, &driver, bench);
        match &outcome {
            Outcome::Passed => println!("{}: {}: ok", bench.namespace, behaviour.name),
            Outcome::Skipped(lacks) => println!("{}: {}: left out, {lacks}", bench.namespace, behaviour.name),
            Outcome::Failed(why) => println!("{}: {}: FAILED: {why}", bench.namespace, behaviour.name),
        }
        if let Outcome::Failed(why) = outcome {
            failed.push(format!("{}: {why}", behaviour.name));
        }
    }
    assert!(
        failed.is_empty(),
        "{} fails {} of {} behaviours:\n{}",
        bench.namespace,
        failed.len(),
        ALL.len(),
        failed.join("\n")
    );
}

fn load(bench: &Bench) -> Arc<Driver> {
    let mut registry = Registry::default();
    registry.load_file(&bench.library);
    assert_eq!(registry.refusals(), [], "the library does not load");
    let source = registry.source(&bench.namespace);
    let source = source.unwrap_or_else(|| panic!("{} has no source {}", bench.library.display(), bench.namespace));
    let sink = registry.sink(&bench.namespace);
    assert!(
        sink.is_some() || bench.fill.is_some(),
        "{} has no sink: say with Bench::filled_by how events get into a queue",
        bench.namespace
    );
    Arc::new(Driver { source: Arc::clone(source), sink: sink.cloned() })
}

fn outcome(behaviour: &Behaviour, driver: &Arc<Driver>, bench: &Bench) -> Outcome {
    let abilities = driver.source.capabilities;
    let lacks = match behaviour.needs {
        Needs::Nothing => None,
        Needs::Ability(ability, lacks) => (!abilities.has(ability)).then_some(lacks),
        Needs::Headers => (!bench.has_headers).then_some("its events have no headers"),
        Needs::Sharing => (!bench.is_shared).then_some("its queues have one consumer"),
        Needs::Restart => bench.restart.is_none().then_some("there is no broker to restart"),
    };
    if let Some(lacks) = lacks {
        return Outcome::Skipped(lacks);
    }
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on((behaviour.run)(Lab::new(bench, driver, behaviour.name)));
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => Outcome::Passed,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Outcome::Failed(text.unwrap_or_else(|| "it panicked".to_owned()))
        }
    }
}
