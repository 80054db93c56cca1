//! `siphon publish`: sends events to an agent's own queue, through its driver.

use std::io::BufRead as _;
use std::time::Duration;

use siphon_core::plugin::{Outgoing, Sink};
use siphon_telemetry::Level;

use super::{Outcome, agent, assemble, show};
use crate::Exit;
use crate::assembly::AssembledAgent;
use crate::cli::Publish;
use crate::exit::Failure;

/// Messages that are handed to the driver at once.
const BATCH: usize = 256;

/// How long the driver may take to say goodbye.
const CLOSE: Duration = Duration::from_secs(5);

pub fn execute(arguments: &Publish) -> Outcome {
    let assembly = assemble(&arguments.sources, Some(Level::Warning))?;
    show(&assembly.problems);
    let agent = agent(&assembly, &arguments.agent)?;
    let key = agent.spec.driver.main_key();
    let component = assembly.registry.sink(key).ok_or_else(|| Failure::usage(format!("{key} cannot publish")))?;
    let sink =
        Sink::open(component, &agent.spec.open_options()).map_err(|error| Failure::configuration(error.to_string()))?;
    let topic = topic(agent, arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::configuration(format!("cannot start: {error}")))?;
    let (count, result) = runtime.block_on(publish_all(sink, arguments, &topic));
    result.map_err(|error| {
        Failure::Other(Exit::Failed, format!("{count} events were published, the next was not: {error}"))
    })?;
    let to = if topic.is_empty() { String::new() } else { format!(" with topic {topic}") };
    println!("published {count} event{} to {key}{to}", if count == 1 { "" } else { "s" });
    Ok(Exit::Fine)
}

/// What the events are addressed to: the argument, else the agent's own topic where it names exactly one.
fn topic(agent: &AssembledAgent, arguments: &Publish) -> Result<String, Failure> {
    if let Some(topic) = &arguments.topic {
        return Ok(topic.clone());
    }
    let is_pattern = |topic: &str| topic.contains(['*', '#']) || topic.starts_with('^');
    match agent.spec.topics.as_slice() {
        [] => Ok(String::new()),
        [topic] if !is_pattern(topic) => Ok(topic.clone()),
        topics => {
            let (name, topics) = (&agent.spec.label.agent, topics.join(", "));
            Err(Failure::usage(format!(
                "agent {name:?} listens to {topics}: say which topic the events have, with --topic"
            )))
        }
    }
}

/// How many were confirmed, and what kept the next one from it.
async fn publish_all(sink: Sink, arguments: &Publish, topic: &str) -> (u64, Result<(), String>) {
    let mut confirmed = 0;
    let mut batch = Vec::new();
    let mut payloads = payloads(arguments);
    loop {
        let (payload, is_last) = match payloads.next() {
            Some(Ok(payload)) => (Some(payload), false),
            Some(Err(error)) => return (confirmed, Err(error)),
            None => (None, true),
        };
        batch.extend(payload.map(|payload| message(payload, arguments, topic)));
        if batch.len() >= BATCH || (is_last && !batch.is_empty()) {
            let (count, result) = sink.publish(&batch).await;
            confirmed += count;
            batch.clear();
            if let Err(error) = result {
                return (confirmed, Err(error.to_string()));
            }
        }
        if is_last {
            return (confirmed, sink.close(CLOSE).await.map_err(|error| error.to_string()));
        }
    }
}

fn message(payload: Vec<u8>, arguments: &Publish, topic: &str) -> Outgoing {
    let (key, topic) = (arguments.key.clone().into_bytes(), topic.as_bytes().to_vec());
    Outgoing { payload, key, topic, headers: arguments.headers.clone(), attributes: Vec::new() }
}

fn payloads(arguments: &Publish) -> impl Iterator<Item = Result<Vec<u8>, String>> {
    arguments.payloads.iter().flat_map(|payload| -> Box<dyn Iterator<Item = _>> {
        if payload != "-" {
            return Box::new(std::iter::once(Ok(payload.clone().into_bytes())));
        }
        let lines = std::io::stdin().lock().split(b'\n');
        let not_empty = |line: &Result<Vec<u8>, String>| line.as_ref().map_or(true, |line| !line.is_empty());
        Box::new(
            lines.map(|line| line.map_err(|error| format!("cannot read standard input: {error}"))).filter(not_empty),
        )
    })
}
