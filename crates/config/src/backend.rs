//! One entry of an agent's `backend`.

use crate::catalogue::{Kind, Level};
use crate::client_tls;
use crate::components::Components;
use crate::discovery;
use crate::host;
use crate::model::{Backend, Component, Encoding};
use crate::nearest;
use crate::pattern::{canonical_header, is_token, normalised, placeholders};
use crate::problem::Severity;
use crate::root::Inherited;
use crate::section::{Field, Section};
use crate::tree::Value;
use crate::weak;

const ENCODINGS: [(&str, Encoding); 7] = [
    ("json", Encoding::Json),
    ("safejson", Encoding::SafeJson),
    ("fast-json", Encoding::Json),
    ("xml", Encoding::Xml),
    ("rss", Encoding::Rss),
    ("string", Encoding::String),
    ("no-op", Encoding::NoOp),
];

/// KrakenD's enterprise edition has it and nobody says what its data looks like.
const ENCODING_NOT_HERE: &str = "yaml";

/// Sets the method of its calls by itself.
const GRAPHQL: &str = "backend/graphql";

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

/// `input_headers`, spelt as HTTP spells them; `*` stands for all, and the empty name for none.
pub(crate) fn header_names(section: &Section<'_>) -> Vec<String> {
    let items = section.field("input_headers").map(|field| field.items()).unwrap_or_default();
    let name = |item: &Field<'_>| {
        let name = item.read(weak::text)?;
        if !name.bytes().all(is_token) {
            item.error(format!("{} is no name of a header", item.shown()));
        }
        Some(canonical_header(&name))
    };
    items.iter().filter_map(name).collect()
}

/// Every backend of an agent. None at all is an error.
pub(crate) fn read_all<'a>(agent: &Section<'a>, components: &Components<'a>, inherited: &Inherited) -> Vec<Backend> {
    let field = agent.field("backend");
    let entries = field.as_ref().map(entries).unwrap_or_default();
    if entries.is_empty() {
        let at = field.map_or(agent.at, |field| field.node.at);
        agent.report.error(at, &format!("{}.backend", agent.path), "an agent needs at least one backend");
    }
    let sections = entries.iter().filter_map(|entry| Section::open(entry.node, &entry.path, entry.report));
    sections.map(|section| read(section, components, inherited)).collect()
}

fn entries<'a>(field: &Field<'a>) -> Vec<Field<'a>> {
    let mut entries = field.items();
    if !matches!(field.node.value, Value::List(_)) {
        entries.iter_mut().for_each(|entry| entry.path += "[0]");
    }
    entries
}

fn read<'a>(section: Section<'a>, components: &Components<'a>, inherited: &Inherited) -> Backend {
    let found = components.read(Level::Backend, section.field("extra_config"));
    let is_http = !found.components.iter().any(|component| is_transport(components, component));
    let written = section.text("url_pattern").unwrap_or_default();
    let hosts = hosts(&section, is_http, inherited);
    let backend = Backend {
        path: section.path.clone(),
        discovery: discovery::read(&section, hosts.len()),
        hosts,
        url_pattern: normalised(&written),
        url_pattern_as_written: written,
        method: method(&section, is_http && !found.components.iter().any(|one| one.namespace == GRAPHQL)),
        encoding: encoding(&section),
        is_collection: section.boolean("is_collection"),
        target: section.text("target").unwrap_or_default(),
        allow: section.texts("allow"),
        deny: section.texts("deny"),
        mapping: mapping(&section),
        group: section.text("group").unwrap_or_default(),
        input_headers: header_names(&section),
        input_query_strings: section.texts("input_query_strings"),
        components: found.components,
    };
    remark(&section, &backend);
    remark_filters(&section, &backend);
    remark_placeholders(&section, &backend);
    section.finish(Severity::Warning);
    backend
}

fn is_transport(components: &Components<'_>, component: &Component) -> bool {
    let entry = components.catalogue.find(Level::Backend, &component.namespace);
    entry.is_some_and(|entry| entry.kind == Kind::Transport)
}

/// The backend's own hosts, else those of the root. What is no HTTP gets its own ones as they are written, if any.
fn hosts(section: &Section<'_>, is_http: bool, inherited: &Inherited) -> Vec<String> {
    let raw = section.boolean("disable_host_sanitize");
    let by_name = section.field("sd").is_some_and(|field| field.node.as_str() == Some("dns"));
    let items = section.field("host").map(|field| field.items()).unwrap_or_default();
    if !is_http {
        return items.iter().filter_map(|item| item.read(weak::text)).collect();
    }
    if !items.is_empty() {
        return items.iter().filter_map(|item| if raw { raw_host(item, by_name) } else { clean_host(item) }).collect();
    }
    if inherited.hosts.is_empty() {
        section.report.error(
            section.at,
            &section.path,
            "has no host, and the root has none either; write \"host\": [\"http://…\"]",
        );
    }
    inherited.hosts.clone()
}

fn clean_host(item: &Field<'_>) -> Option<String> {
    host::clean(&item.read(weak::text)?).map_err(|why| item.error(why)).ok()
}

/// `by_name`: what is looked up by service discovery needs no scheme.
fn raw_host(item: &Field<'_>, by_name: bool) -> Option<String> {
    let host = item.read(weak::text)?;
    if host.is_empty() {
        item.error("a host must not be empty");
    } else if !host.contains("://") && !by_name {
        item.warning(format!(
            "{} has no scheme, and disable_host_sanitize keeps it so; write one such as http://",
            item.shown()
        ));
    }
    Some(host)
}

/// `sends_payload`: a missing one is worth a warning.
fn method(section: &Section<'_>, sends_payload: bool) -> String {
    const DEFAULT: &str = "GET";
    let Some(field) = section.field("method") else {
        if sends_payload {
            let message = "has no method, so the event's payload goes out with a GET; write \"method\": \"POST\"";
            section.report.warning(section.at, &section.path, message);
        }
        return DEFAULT.to_owned();
    };
    let method = field.read(weak::text).unwrap_or_default().to_ascii_uppercase();
    if method.is_empty() {
        return DEFAULT.to_owned();
    }
    if !method.bytes().all(is_token) {
        field.error(format!("{} is no HTTP method; write one such as POST", field.shown()));
    }
    method
}

fn encoding(section: &Section<'_>) -> Encoding {
    let Some(field) = section.field("encoding") else { return Encoding::Json };
    let word = field.read(weak::text).unwrap_or_default().to_ascii_lowercase();
    let found = ENCODINGS.iter().find(|(name, _)| *name == word).map(|(_, encoding)| *encoding);
    match found {
        Some(Encoding::NoOp) => {
            field.warning("with no-op every answer counts as a success: an event whose backend failed is acked")
        }
        None if word == ENCODING_NOT_HERE => {
            field.error(format!("the encoding {} is not in this build of siphon", field.shown()));
        }
        None if !word.is_empty() => {
            let names: Vec<&str> = ENCODINGS.iter().map(|(name, _)| *name).collect();
            let hint = nearest::hint(&word, names.iter().copied());
            field.error(format!("the encoding {} is none of {}{hint}", field.shown(), names.join(", ")));
        }
        _ => {}
    }
    found.unwrap_or(Encoding::Json)
}

fn mapping(section: &Section<'_>) -> Vec<(String, String)> {
    let Some(field) = section.field("mapping") else { return Vec::new() };
    let Value::Map(entries) = &field.node.value else {
        field.error(format!("expected an object of old and new names, found {}", field.shown()));
        return Vec::new();
    };
    let renamed = |entry: &crate::tree::Entry| {
        let path = crate::tree::join(&field.path, &entry.key);
        let to = Field { node: &entry.value, path, report: field.report }.read(weak::text)?;
        Some((entry.key.clone(), to))
    };
    entries.iter().filter_map(renamed).collect()
}

/// What is allowed and hardly meant.
fn remark(section: &Section<'_>, backend: &Backend) {
    for component in &backend.components {
        match component.namespace.as_str() {
            "backend/http" => remark_details(component, section),
            "backend/http/client" => client_tls::remark_component(component, section.report),
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

fn remark_details(component: &Component, section: &Section<'_>) {
    let Value::Map(entries) = &component.settings.value else { return };
    let is_details = |entry: &&crate::tree::Entry| entry.key.eq_ignore_ascii_case("return_error_details");
    let Some(entry) = entries.iter().find(is_details) else { return };
    if entry.value.as_str().is_some_and(|name| !name.is_empty()) {
        let path = crate::tree::join(&component.path, &entry.key);
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
