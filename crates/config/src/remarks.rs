//! What is allowed in a backend and hardly meant.

use crate::client_tls;
use crate::components::WORKFLOW;
use crate::model::{Agent, Backend, Component};
use crate::nearest;
use crate::pattern::placeholders;
use crate::problem::Report;
use crate::section::Section;
use crate::tree::{Value, join};
use crate::weak;
use crate::workflow;

const CONDITIONAL: &str = "backend/conditional";

/// Headers that an agent gives to its pipe without being asked.
const ALWAYS_THERE: [&str; 3] = ["Content-Type", "Traceparent", "Tracestate"];

/// Components of an agent that give no headers to its events; others may.
const WITHOUT_HEADERS: [&str; 4] = ["proxy", "validation/cel", "validation/json-schema", "async/delivery"];

/// What drivers know about a message (design: the life of an event): the names of their params.
const PARAMS: [&str; 23] = [
    "topic",
    "key",
    "partition",
    "offset",
    "attempt",
    "message_id",
    "queue",
    "exchange",
    "routing_key",
    "redelivered",
    "delivery_count",
    "correlation_id",
    "reply_to",
    "type",
    "app_id",
    "user_id",
    "expiration",
    "priority",
    "subject",
    "stream",
    "stream_sequence",
    "consumer",
    "timestamp",
];

/// Warnings and notices about a backend that can work.
pub(crate) fn on(section: &Section<'_>, backend: &Backend) {
    remark_filters(section, backend);
    remark_placeholders(section, backend);
    for component in &backend.components {
        match component.namespace.as_str() {
            "backend/http" => remark_details(component, section),
            "backend/http/client" | "backend/grpc" => client_tls::remark_component(component, section.report),
            WORKFLOW => workflow::remark(component, section.report),
            _ => {}
        }
    }
    if let Some(field) = section.field("deny")
        && !backend.allow.is_empty()
        && !backend.deny.is_empty()
    {
        field.warning("is ignored, because allow is given");
    }
    if let Some(field) = section.field("url_pattern")
        && backend.url_pattern_as_written.contains("://")
        && !backend.url_pattern_as_written.starts_with('/')
    {
        field.warning(format!("{} looks like a whole URL; its scheme and name belong in host", field.shown()));
    }
    if let Some(field) = section.field("timeout") {
        field.read(weak::duration);
        field.notice("has no effect in an agent's backend; consumer.timeout bounds the whole pipe");
    }
}

/// A rule about a header that no event of the agent can have.
pub(crate) fn on_rules(agent: &Agent, report: &Report<'_>) {
    let gives_headers = |component: &Component| !WITHOUT_HEADERS.contains(&component.namespace.as_str());
    if agent.input_headers.iter().any(|name| name == "*") || agent.components.iter().any(gives_headers) {
        return;
    }
    let rules = agent.backends.iter().flat_map(|backend| &backend.components);
    for rule in rules.filter(|component| component.namespace == CONDITIONAL) {
        let Some((node, name)) = rule.settings.get("name").and_then(|node| Some((node, node.as_str()?))) else {
            continue;
        };
        let is_there = |known: &str| known.eq_ignore_ascii_case(name);
        if name.is_empty()
            || ALWAYS_THERE.into_iter().any(is_there)
            || agent.input_headers.iter().any(|one| is_there(one))
        {
            continue;
        }
        let message = format!("no event has the header {name:?}: the agent's input_headers does not name it");
        report.warning(node.at, &join(&rule.path, "name"), message);
    }
}

fn remark_details(component: &Component, section: &Section<'_>) {
    let Value::Map(entries) = &component.settings.value else { return };
    let is_details = |entry: &&crate::tree::Entry| entry.key.eq_ignore_ascii_case("return_error_details");
    let Some(entry) = entries.iter().find(is_details) else { return };
    if entry.value.as_str().is_some_and(|name| !name.is_empty()) {
        let path = join(&component.path, &entry.key);
        let message = "makes data of a refusal: an event whose backend failed is acked";
        section.report.warning(entry.value.at, &path, message);
    }
}

/// Filters that stand beside operations which take their place.
fn remark_filters(section: &Section<'_>, backend: &Backend) {
    let proxy = backend.components.iter().find(|component| component.namespace == "proxy");
    let operations = proxy.and_then(|proxy| proxy.settings.get("flatmap_filter"));
    if operations.is_none_or(|operations| matches!(&operations.value, Value::List(items) if items.is_empty())) {
        return;
    }
    for field in ["allow", "deny", "mapping"].into_iter().filter_map(|key| section.field(key)) {
        field.warning("is ignored, because flatmap_filter is given");
    }
}

/// Names that nothing may ever give a value. Scripts and drivers of others can, so they are allowed.
fn remark_placeholders(section: &Section<'_>, backend: &Backend) {
    let Some(field) = section.field("url_pattern") else { return };
    for name in placeholders(&backend.url_pattern) {
        let lower = name.to_ascii_lowercase();
        if PARAMS.contains(&lower.as_str()) || lower.starts_with("resp") || lower.starts_with("jwt.") {
            continue;
        }
        match nearest::nearest(&lower, PARAMS.iter().copied()) {
            Some(known) => field.warning(format!("no driver gives {{{lower}}} a value; did you mean {{{known}}}?")),
            None => field.notice(format!(
                "{{{name}}} is no name that siphon's own drivers give; without a value it is sent as it stands"
            )),
        }
    }
}
