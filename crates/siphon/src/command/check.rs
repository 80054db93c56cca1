//! `siphon check`: loads everything, opens every plugin, builds every pipe, contacts nobody.

use std::fmt::Write as _;

use siphon_core::delivery::Strategy;
use siphon_pipe::{BackendDescription, Description};

use super::{Outcome, log_level, show};
use crate::Exit;
use crate::assembly::{AssembledAgent, Assembly};
use crate::cli::Check;
use crate::exit::Failure;
use crate::out::say;

pub fn execute(arguments: &Check) -> Outcome {
    let assembly = Assembly::load(&arguments.sources).map_err(Failure::Problems)?;
    log_level(&arguments.sources, &assembly, None)?; // `run` would refuse it
    show(&assembly.problems);
    say!("{}", describe(&assembly).trim_end());
    Ok(Exit::Fine)
}

fn describe(assembly: &Assembly) -> String {
    let count = assembly.agents.len();
    let mut out = format!("{count} async agent{}:\n", if count == 1 { "" } else { "s" });
    for agent in &assembly.agents {
        describe_agent(agent, &mut out);
    }
    out.push_str("the configuration is fine\n");
    out
}

// Writing to a string cannot fail.
fn describe_agent(agent: &AssembledAgent, out: &mut String) {
    let spec = &agent.spec;
    let topics = if spec.topics.is_empty() { "all topics".to_owned() } else { spec.topics.join(", ") };
    let library = spec.driver.library.file.file_name().unwrap_or_default().to_string_lossy();
    let _ = writeln!(out, "- {}", spec.label.agent);
    let _ = writeln!(out, "    takes {topics} from {} ({library})", spec.driver.main_key());
    let rate = spec.max_rate.map(|rate| format!(", at most {rate} events/s")).unwrap_or_default();
    let _ = writeln!(out, "    {} at a time, each within {:?}{rate}", spec.workers, spec.timeout);
    let retry = spec.policy.retry;
    let _ = writeln!(out, "    a failed event waits {:?} to {:?} ({})", retry.base, retry.max, word(retry.strategy));
    let description = agent.handler.pipe().describe();
    for (key, effect) in &description.components {
        let _ = writeln!(out, "    {key}: {effect}");
    }
    describe_backends(description, "    ", out);
}

fn describe_backends(description: &Description, margin: &str, out: &mut String) {
    let (count, together) = (description.backends.len(), together(description));
    let _ = writeln!(out, "{margin}calls {count} backend{}{together}:", plural(count));
    description.backends.iter().for_each(|backend| describe_backend(backend, margin, out));
}

/// How the backends whose answers count are called.
fn together(description: &Description) -> &'static str {
    let live = description.backends.iter().filter(|backend| !backend.is_shadow).count();
    match (live, description.is_sequential) {
        (0 | 1, _) => "",
        (_, true) => ", one after another, merged",
        (_, false) => ", all at once, merged",
    }
}

fn describe_backend(backend: &BackendDescription, margin: &str, out: &mut String) {
    let collection = if backend.is_collection { ", a collection" } else { "" };
    let filters = if backend.filters.is_empty() { String::new() } else { format!(", {}", backend.filters.join(", ")) };
    let shadow = if backend.is_shadow { ", a shadow" } else { "" };
    let whom = match &backend.transport {
        Some(namespace) => format!("{namespace} {}", backend.urls.join(" | ")).trim_end_matches([' ', '/']).to_owned(),
        None => format!("{} {}", backend.method, backend.urls.join(" | ")),
    };
    let _ = writeln!(out, "{margin}[+] {whom} ({}{collection}{filters}{shadow})", backend.encoding);
    for (key, effect) in &backend.components {
        let _ = writeln!(out, "{margin}    {key}: {effect}");
    }
    if let Some(inside) = &backend.workflow {
        let margin = format!("{margin}    ");
        for (key, effect) in &inside.components {
            let _ = writeln!(out, "{margin}{key}: {effect}");
        }
        describe_backends(inside, &margin, out);
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A strategy as the configuration writes it.
fn word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Constant => "constant",
        Strategy::Linear => "linear",
        Strategy::LinearJitter => "linear-jitter",
        Strategy::Exponential => "exponential",
        Strategy::ExponentialJitter => "exponential-jitter",
    }
}
