//! `siphon publish`: sends events to an agent's own queue, through its driver.

use std::io::BufRead as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use siphon_core::plugin::{Outgoing, Sink};
use siphon_telemetry::Level;

use super::{Outcome, agent, assemble, runtime, show};
use crate::Exit;
use crate::assembly::AssembledAgent;
use crate::cli::Publish;
use crate::exit::Failure;
use crate::out::say;

/// Messages that are handed to the driver at once.
const BATCH: usize = 256;

/// Bytes from which on a batch takes no further message.
const BATCH_BYTES: usize = 4 << 20;

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
    let runtime = runtime()?;
    let (count, result) = runtime.block_on(publish_all(sink, arguments, &topic));
    result.map_err(|error| {
        Failure::Other(Exit::Failed, format!("{count} events were published, the next was not: {error}"))
    })?;
    let to = if topic.is_empty() { String::new() } else { format!(" with topic {topic}") };
    say!("published {count} event{} to {key}{to}", if count == 1 { "" } else { "s" });
    Ok(Exit::Fine)
}

/// What the events are addressed to: the argument, else the agent's own topic where it names exactly one.
fn topic(agent: &AssembledAgent, arguments: &Publish) -> Result<String, Failure> {
    if let Some(topic) = &arguments.topic {
        return Ok(topic.clone());
    }
    let is_pattern = |topic: &str| topic.contains(['*', '#', '>']) || topic.starts_with('^');
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
    let payloads = payloads(arguments.payloads.clone());
    while let Some(batch) = next_batch(&payloads) {
        let (payloads, unread): (Vec<_>, Vec<_>) = batch.into_iter().partition(Result::is_ok);
        let messages: Vec<_> =
            payloads.into_iter().flatten().map(|payload| message(payload, arguments, topic)).collect();
        let (count, result) = sink.publish(&messages).await;
        confirmed += count;
        if let Err(error) = result {
            return (confirmed, Err(error.to_string()));
        }
        if let Some(Err(error)) = unread.into_iter().next() {
            return (confirmed, Err(error));
        }
    }
    // Everything is confirmed: how the driver says goodbye changes nothing.
    if let Err(error) = sink.close(CLOSE).await {
        tracing::warn!(service = "Publish", %error, "the driver did not close in order");
    }
    (confirmed, Ok(()))
}

type Payload = Result<Vec<u8>, String>;

/// What is there already, but at least one: an event must not wait for the next line of a slow input.
fn next_batch(payloads: &Receiver<Payload>) -> Option<Vec<Payload>> {
    let first = payloads.recv().ok()?;
    let mut bytes = first.as_ref().map_or(0, Vec::len);
    let mut batch = vec![first];
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Ok(payload) = payloads.try_recv() else { break };
        bytes += payload.as_ref().map_or(0, Vec::len);
        batch.push(payload);
    }
    Some(batch)
}

fn message(payload: Vec<u8>, arguments: &Publish, topic: &str) -> Outgoing {
    let payload = payload.into();
    let (key, topic) = (arguments.key.clone().into_bytes(), topic.as_bytes().to_vec());
    let (headers, attributes) = (arguments.headers.clone(), arguments.attributes.clone());
    Outgoing { payload, key, topic, headers, attributes }
}

/// The payloads, in order, from a thread of their own: reading standard input blocks.
fn payloads(arguments: Vec<String>) -> Receiver<Payload> {
    let (sender, receiver) = sync_channel(BATCH);
    std::thread::spawn(move || {
        for argument in arguments {
            let sent =
                if argument == "-" { read_lines(&sender) } else { sender.send(Ok(argument.into_bytes())).is_ok() };
            if !sent {
                return; // nobody publishes any more
            }
        }
    });
    receiver
}

/// Sends each line of standard input that is not empty; false when nobody wants more.
fn read_lines(sender: &SyncSender<Payload>) -> bool {
    let lines = std::io::stdin().lock().split(b'\n');
    let lines = lines.map(|line| line.map_err(|error| format!("cannot read standard input: {error}")));
    let lines = lines.map(|line| line.map(without_carriage_return));
    lines.filter(|line| line.as_ref().map_or(true, |line| !line.is_empty())).all(|line| sender.send(line).is_ok())
}

/// A line that ends as on Windows.
fn without_carriage_return(mut line: Vec<u8>) -> Vec<u8> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    line
}
