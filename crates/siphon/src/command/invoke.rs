//! `siphon invoke`: pushes payloads through an agent's pipe, the same that `run` builds, without a broker.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use siphon_core::{Event, EventParts, Handled, Handler as _, attempt};
use siphon_pipe::Response;
use siphon_telemetry::Level;

use super::{Outcome, agent, assemble, runtime, show};
use crate::Exit;
use crate::assembly::AssembledAgent;
use crate::cli::{Invoke, Output};
use crate::exit::Failure;
use crate::out::say;

pub fn execute(arguments: &Invoke) -> Outcome {
    let assembly = assemble(&arguments.sources, Some(Level::Warning))?;
    if arguments.output == Output::Text {
        show(&assembly.problems);
    }
    let agent = agent(&assembly, &arguments.agent)?;
    let events = events(arguments)?;
    let runtime = runtime()?;
    let nacked = runtime.block_on(run_all(agent, &events, arguments.output));
    Ok(if nacked { Exit::Nacked } else { Exit::Fine })
}

/// All payloads, read before the first is run: a missing file must not surface halfway.
fn events(arguments: &Invoke) -> Result<Vec<Event>, Failure> {
    arguments.payloads.iter().map(|file| Ok(event(read(file)?, arguments))).collect()
}

fn event(payload: Vec<u8>, arguments: &Invoke) -> Event {
    let bytes = |(name, value): &(String, String)| (name.clone().into_bytes(), value.clone().into_bytes());
    let (topic, key) = (arguments.topic.clone().into_bytes(), arguments.key.clone().into_bytes());
    let headers = arguments.metadata.iter().map(bytes).collect();
    let attributes = arguments.attributes.iter().map(bytes).collect();
    EventParts { payload: payload.into(), topic, key, headers, attributes }.into()
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let read = if file == Path::new("-") {
        let mut payload = Vec::new();
        std::io::stdin().read_to_end(&mut payload).map(|_| payload)
    } else {
        std::fs::read(file)
    };
    read.map_err(|error| Failure::usage(format!("cannot read the payload {}: {error}", file.display())))
}

/// Runs them in order, then waits for what they have started besides; true when any would be given back.
async fn run_all(agent: &AssembledAgent, events: &[Event], output: Output) -> bool {
    let mut nacked = false;
    for event in events {
        let start = Instant::now();
        let mut handled = attempt(&*agent.handler, event, agent.spec.timeout).await;
        nacked |= handled.failure.is_some();
        let on_done = handled.on_done.take().filter(|_| handled.failure.is_none());
        on_done.into_iter().for_each(|on_done| on_done());
        say!("{}", line(&handled, start.elapsed(), output));
    }
    agent.handler.finish().await;
    nacked
}

/// What the agent would tell the broker.
fn outcome(failure: Option<&siphon_core::Failure>) -> &'static str {
    match failure.map(|failure| failure.outcome) {
        None => "ack",
        Some(Some(siphon_core::Outcome::Discard)) => "discard",
        Some(Some(siphon_core::Outcome::DeadLetter)) => "dead-letter",
        Some(Some(siphon_core::Outcome::Retry) | None) => "nack",
    }
}

fn line(handled: &Handled<Response>, took: Duration, output: Output) -> String {
    let outcome = outcome(handled.failure.as_ref());
    let complete = handled.failure.is_none() && handled.reply.as_ref().is_some_and(|reply| reply.complete);
    let data = handled.reply.as_ref().map_or_else(|| "null".to_owned(), |reply| reply.data.to_string());
    let error = handled.failure.as_ref().map(|failure| failure.message.as_str());
    let ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
    match output {
        Output::Json => {
            let error = serde_json::to_string(&error).unwrap_or_else(|_| "null".to_owned());
            format!(
                r#"{{"outcome": "{outcome}", "complete": {complete}, "data": {data}, "error": {error}, "duration_ms": {ms:?}}}"#
            )
        }
        Output::Text => {
            let completeness = if complete { "complete" } else { "incomplete" };
            let error =
                error.map(|error| format!("\n  error: {}", error.replace('\n', "\n         "))).unwrap_or_default();
            format!("{outcome} ({completeness}, {ms:?} ms)\n  data: {data}{error}")
        }
    }
}
