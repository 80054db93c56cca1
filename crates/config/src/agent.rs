//! One entry of `async_agent`, in its flat and in its nested form.

use std::time::Duration;

use crate::backend;
use crate::catalogue::Level;
use crate::components::Components;
use crate::delivery;
use crate::driver;
use crate::model::{Agent, BackoffStrategy, Component, Delivery, Driver};
use crate::problem::Severity;
use crate::remarks;
use crate::root::{Inherited, without_effect};
use crate::section::{Field, Section};
use crate::timing::{self, Zero};
use crate::tree::Value;
use crate::weak;

/// Events in the pipe at once, at most: more is a mistake, and costs memory before the first event.
const MOST_WORKERS: i64 = 65_536;
const SHORTEST_HEALTH_INTERVAL: Duration = Duration::from_secs(1);

const OWNER: backend::Owner = backend::Owner { name: "an agent", depth: 0 };

/// Keys of an endpoint that do nothing on an agent.
const WITHOUT_EFFECT: [&str; 6] =
    ["endpoint", "method", "output_encoding", "cache_ttl", "concurrent_calls", "input_query_strings"];

/// Every agent of the file, without those that have no driver or no backend: for these an error was reported.
pub(crate) fn read_all<'a>(root: &Section<'a>, components: &Components<'a>, inherited: &Inherited) -> Vec<Agent> {
    let Some(field) = root.field("async_agent") else {
        root.report.warning(root.at, "async_agent", "is missing: there is nothing to run");
        return Vec::new();
    };
    let entries = entries(&field);
    if entries.is_empty() {
        field.warning("is empty: there is nothing to run");
    }
    let mut names: Vec<(String, u32)> = Vec::new();
    let mut agents = Vec::new();
    for (index, field) in entries.into_iter().enumerate() {
        let Some(section) = Section::open(field.node, &field.path, field.report) else { continue };
        let name = name(&section, index);
        report_repeated(&name, &field, &mut names);
        agents.extend(read(section, name, components, inherited));
    }
    agents
}

/// A single object counts as a list of one.
fn entries<'a>(field: &Field<'a>) -> Vec<Field<'a>> {
    let mut entries = field.items();
    if !matches!(field.node.value, Value::List(_)) {
        entries.iter_mut().for_each(|entry| entry.path += "[0]");
    }
    entries
}

fn name(section: &Section<'_>, index: usize) -> String {
    let given = section.text("name").filter(|name| !name.is_empty());
    if let Some(field) = section.field("name")
        && given.as_ref().is_some_and(|name| name.contains(char::is_control))
    {
        field.error("a name has no line breaks or other control characters");
    }
    given.unwrap_or_else(|| format!("AsyncAgent-{index:02}"))
}

fn report_repeated(name: &str, field: &Field<'_>, names: &mut Vec<(String, u32)>) {
    if let Some((_, line)) = names.iter().find(|(other, _)| other == name) {
        field.warning(format!(
            "the agent in line {line} is called {name:?} too; logs and health cannot tell them apart"
        ));
    }
    names.push((name.to_owned(), field.node.at.line));
}

/// `None` where the agent has no driver; everything else of it is checked all the same.
fn read<'a>(section: Section<'a>, name: String, components: &Components<'a>, inherited: &Inherited) -> Option<Agent> {
    let (consumer, connection) = (section.section("consumer"), section.section("connection"));
    let forms = Forms { consumer, connection, agent: &section };
    let extras = extras(&section, &name, components);
    let topics = topics(&forms);
    let workers = workers(&forms);
    let timeout = timeout(&forms).unwrap_or(inherited.timeout);
    let max_rate = max_rate(&forms);
    let max_retries = max_retries(&forms);
    let backoff = backoff(&forms);
    let health_interval = health_interval(&forms);
    let input_headers = backend::header_names(&section);
    let backends = backend::read_all(&section, OWNER, components, inherited);
    encoding(&section);
    without_effect(&section, &WITHOUT_EFFECT);
    let path = section.path.clone();
    forms.finish();
    let report = section.report;
    section.finish(Severity::Warning);
    let agent = Agent {
        name,
        path,
        topics,
        workers,
        timeout,
        max_rate,
        max_retries,
        backoff,
        health_interval,
        backends,
        driver: extras.driver?,
        components: extras.components,
        delivery: extras.delivery,
        input_headers,
    };
    remarks::on_rules(&agent, report);
    Some(agent)
}

/// What an agent's `extra_config` says.
struct Extras {
    driver: Option<Driver>,
    components: Vec<Component>,
    delivery: Delivery,
}

fn extras<'a>(section: &Section<'a>, name: &str, components: &Components<'a>) -> Extras {
    let field = section.field("extra_config");
    let (at, path) = match &field {
        Some(field) => (field.node.at, field.path.clone()),
        None => (section.at, section.path.clone()),
    };
    let mut found = components.read(Level::Agent, field);
    let agent = driver::Agent { name, at, path: &path };
    Extras {
        driver: driver::choose(&mut found, &agent, components.catalogue, section.report),
        delivery: delivery::read(found.own("async/delivery")),
        components: found.components,
    }
}

/// The agent's object with the two that the nested form has inside.
struct Forms<'a, 'section> {
    consumer: Section<'a>,
    connection: Section<'a>,
    agent: &'section Section<'a>,
}

impl<'a> Forms<'a, '_> {
    fn consumer(&self, key: &'static str) -> Option<Field<'a>> {
        self.either(&self.consumer, key)
    }

    fn connection(&self, key: &'static str) -> Option<Field<'a>> {
        self.either(&self.connection, key)
    }

    fn finish(self) {
        self.consumer.finish(Severity::Warning);
        self.connection.finish(Severity::Warning);
    }

    /// The nested value; where there is none, the flat one.
    fn either(&self, nested: &Section<'a>, key: &'static str) -> Option<Field<'a>> {
        let (inside, flat) = (nested.field(key), self.agent.field(key));
        if let (Some(inside), Some(flat)) = (&inside, &flat)
            && inside.node.to_json_text() != flat.node.to_json_text()
        {
            flat.warning(format!("is ignored, because {} says {}", inside.path, inside.shown()));
        }
        inside.or(flat)
    }
}

fn topics(forms: &Forms<'_, '_>) -> Vec<String> {
    let Some(field) = forms.consumer("topic") else {
        let path = &forms.consumer.path;
        forms.agent.report.warning(
            forms.consumer.at,
            path,
            "the key \"topic\" is missing: the driver decides what to consume",
        );
        return Vec::new();
    };
    field.items().iter().filter_map(|item| item.read(weak::text)).collect()
}

fn workers(forms: &Forms<'_, '_>) -> usize {
    let Some(field) = forms.consumer("workers") else { return 1 };
    let workers = field.read(weak::integer).unwrap_or(1);
    if workers > MOST_WORKERS {
        field.error(format!("{} is too many; an agent has at most {MOST_WORKERS} workers", field.shown()));
    }
    usize::try_from(workers).unwrap_or(1).max(1)
}

fn timeout(forms: &Forms<'_, '_>) -> Option<Duration> {
    timing::of_field(&forms.consumer("timeout")?, Zero::IsDefault)
}

fn max_rate(forms: &Forms<'_, '_>) -> Option<f64> {
    forms.consumer("max_rate")?.read(weak::float).filter(|rate| *rate > 0.0)
}

fn max_retries(forms: &Forms<'_, '_>) -> Option<u32> {
    let retries = forms.connection("max_retries")?.read(weak::integer).filter(|retries| *retries > 0)?;
    Some(u32::try_from(retries).unwrap_or(u32::MAX))
}

/// Anything unknown is constant, as documented; the one value that is not refused.
fn backoff(forms: &Forms<'_, '_>) -> BackoffStrategy {
    let Some(field) = forms.connection("backoff_strategy") else { return BackoffStrategy::Constant };
    let text = field.read(weak::text).unwrap_or_default();
    let found = delivery::STRATEGIES.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text));
    let is_fallback = text.is_empty() || text.eq_ignore_ascii_case("fallback");
    if found.is_none() && !is_fallback {
        let words: Vec<&str> = delivery::STRATEGIES.iter().map(|(word, _)| *word).collect();
        let hint = crate::nearest::hint(&text, words.iter().copied());
        field.warning(format!("{} is none of {}; constant is used{hint}", field.shown(), words.join(", ")));
    }
    found.map_or(BackoffStrategy::Constant, |(_, strategy)| *strategy)
}

fn health_interval(forms: &Forms<'_, '_>) -> Duration {
    let shortest = SHORTEST_HEALTH_INTERVAL;
    let Some(field) = forms.connection("health_interval") else { return shortest };
    let Some(interval) = field.read(weak::duration) else { return shortest };
    let given = interval.unsigned().unwrap_or_default();
    if given < shortest && !interval.is_zero() {
        field.notice(format!("{} is less than 1s, which is used", field.shown()));
    }
    given.max(shortest)
}

fn encoding(section: &Section<'_>) {
    if let Some(field) = section.field("encoding") {
        field.notice("has no effect on an agent; each backend has its own encoding");
    }
}
