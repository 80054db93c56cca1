//! One entry of an agent's `backend`.

use crate::catalogue::{Kind, Level};
use crate::components::Components;
use crate::discovery;
use crate::host;
use crate::model::{Backend, Component, Encoding};
use crate::nearest;
use crate::pattern::{canonical_header, is_token, normalised};
use crate::problem::Severity;
use crate::remarks;
use crate::root::Inherited;
use crate::section::{Field, Section};
use crate::tree::Value;
use crate::weak;
use crate::workflow;

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

/// Whose backends are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    /// As part of a sentence.
    pub name: &'static str,
    /// How many workflows it stands in, itself included.
    pub depth: usize,
}

/// Every backend of an agent or a workflow. None at all is an error.
pub(crate) fn read_all<'a>(
    section: &Section<'a>,
    owner: Owner,
    components: &Components<'a>,
    inherited: &Inherited,
) -> Vec<Backend> {
    let field = section.field("backend");
    let entries = field.as_ref().map(entries).unwrap_or_default();
    if entries.is_empty() {
        let at = field.map_or(section.at, |field| field.node.at);
        let message = format!("{} needs at least one backend", owner.name);
        section.report.error(at, &format!("{}.backend", section.path), message);
    }
    let sections = entries.iter().filter_map(|entry| Section::open(entry.node, &entry.path, entry.report));
    sections.map(|section| read(section, owner, components, inherited)).collect()
}

fn entries<'a>(field: &Field<'a>) -> Vec<Field<'a>> {
    let mut entries = field.items();
    if !matches!(field.node.value, Value::List(_)) {
        entries.iter_mut().for_each(|entry| entry.path += "[0]");
    }
    entries
}

fn read<'a>(section: Section<'a>, owner: Owner, components: &Components<'a>, inherited: &Inherited) -> Backend {
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
        workflow: workflow::read(&found, owner, components, inherited),
        components: found.components,
    };
    remarks::on(&section, &backend);
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
