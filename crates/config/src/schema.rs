//! Settings against the JSON schema of their component, every finding with its place in the file.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;

use crate::catalogue::{Catalogue, Entry, UnknownKeys};
use crate::nearest;
use crate::problem::{Report, Severity};
use crate::redact::{self, shown};
use crate::sweep;
use crate::tree::{Node, Position, Value, join};

/// The validators of a catalogue, in the order of its entries.
pub(crate) struct Schemas(Vec<Option<Validator>>);

impl Schemas {
    /// A schema that is none is an error of the plugin that registered it; its settings are then not checked.
    pub fn compile(catalogue: &Catalogue, report: &Report<'_>) -> Self {
        Self(catalogue.entries.iter().map(|entry| compiled(entry, report)).collect())
    }

    /// Reports what is wrong with `settings`; returns them without comments and without the keys that were warned of.
    pub fn check(&self, index: usize, entry: &Entry, path: &str, settings: &Node, report: &Report<'_>) -> Node {
        let (Some(Some(validator)), Some(schema)) = (self.0.get(index), &entry.schema) else {
            return settings.clone();
        };
        let severity = severity_of(entry.unknown_keys);
        let (cleaned, unknown) = sweep::sweep(settings, schema);
        for finding in unknown {
            let hint = nearest::hint(&finding.key, finding.known.iter().map(String::as_str));
            report.add(severity, finding.at, &join(path, &finding.path), &format!("{}{hint}", unknown_key(severity)));
        }
        let json = cleaned.to_json();
        let place = Place { path, settings: &cleaned, report, unknown_keys: severity };
        validator.iter_errors(&json).for_each(|error| place.report_error(&error));
        cleaned
    }
}

fn severity_of(unknown_keys: UnknownKeys) -> Severity {
    match unknown_keys {
        UnknownKeys::Warn => Severity::Warning,
        UnknownKeys::Refuse => Severity::Error,
    }
}

fn unknown_key(severity: Severity) -> &'static str {
    if severity == Severity::Error { "unknown key, remove it" } else { "unknown key, it has no effect" }
}

fn compiled(entry: &Entry, report: &Report<'_>) -> Option<Validator> {
    let schema = entry.schema.as_ref()?;
    jsonschema::validator_for(schema)
        .map_err(|error| {
            let message = format!(
                "the schema that {} registers for {} is no JSON schema: {error}; its settings cannot be checked",
                entry.origin,
                entry.main_key()
            );
            report.error(Position::default(), "", message);
        })
        .ok()
}

/// One settings object that is checked.
struct Place<'a> {
    path: &'a str,
    settings: &'a Node,
    report: &'a Report<'a>,
    unknown_keys: Severity,
}

impl Place<'_> {
    fn report_error(&self, error: &ValidationError<'_>) {
        narrowed(error).into_iter().for_each(|error| self.report_one(error));
    }

    fn report_one(&self, error: &ValidationError<'_>) {
        let (below, node) = follow(self.settings, error.instance_path().as_str());
        let path = join(self.path, &below);
        if let Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } = error.kind() {
            let at =
                |key: &String| node.entries().iter().find(|entry| entry.key == *key).map_or(node.at, |entry| entry.at);
            for key in unexpected {
                self.report.add(self.unknown_keys, at(key), &join(&path, key), unknown_key(self.unknown_keys));
            }
            return;
        }
        self.report.error(node.at, &path, message(error, &path, node));
    }
}

/// Follows a JSON pointer; the path is in the form of messages: `a.b[0]`.
fn follow<'a>(node: &'a Node, pointer: &str) -> (String, &'a Node) {
    let mut path = String::new();
    let mut node = node;
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let (step, next) = match &node.value {
            Value::List(items) => {
                (format!("[{segment}]"), segment.parse().ok().and_then(|index: usize| items.get(index)))
            }
            _ => (segment.clone(), node.get(&segment)),
        };
        path = join(&path, &step);
        node = next.unwrap_or(node);
    }
    (path, node)
}

/// Of alternatives that all failed, the findings of the one that was meant: the only one of the value's type, else that
/// which came deepest into the object.
fn narrowed<'a, 'b>(error: &'a ValidationError<'b>) -> Vec<&'a ValidationError<'b>> {
    let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }) = error.kind() else { return vec![error] };
    let depth = |found: &ValidationError<'_>| found.instance_path().as_str().matches('/').count();
    let own = depth(error);
    let is_other_type = |found: &ValidationError<'_>| depth(found) == own && type_of(found.kind()).is_some();
    let fitting: Vec<_> = context.iter().filter(|alternative| !alternative.iter().any(is_other_type)).collect();
    let deepest = |alternative: &&Vec<ValidationError<'_>>| alternative.iter().map(depth).max().unwrap_or(own);
    match (fitting.as_slice(), fitting.iter().copied().max_by_key(deepest)) {
        ([meant], _) => meant.iter().flat_map(narrowed).collect(),
        (_, Some(meant)) if deepest(&meant) > own => meant.iter().flat_map(narrowed).collect(),
        _ => vec![error],
    }
}

fn message(error: &ValidationError<'_>, path: &str, node: &Node) -> String {
    let shown = shown(path, node);
    match error.kind() {
        Kind::Type { kind } => format!("expected {}, found {shown}", types(kind)),
        Kind::Required { property } => format!("the key {property} is missing"),
        Kind::Enum { options } => none_of(&shown, node, options.as_array().map_or(&[][..], Vec::as_slice)),
        Kind::Constant { expected_value } => format!("{shown} is not {expected_value}"),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => no_alternative(&shown, node, context),
        Kind::Minimum { limit } => format!("{shown} is less than {limit}"),
        Kind::Maximum { limit } => format!("{shown} is more than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{shown} is not more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("{shown} is not less than {limit}"),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("{shown} has fewer than {limit} characters"),
        Kind::MaxLength { limit } => format!("{shown} has more than {limit} characters"),
        Kind::MinItems { limit } | Kind::MinProperties { limit } => format!("has fewer than {limit} entries"),
        Kind::MaxItems { limit } | Kind::MaxProperties { limit } => format!("has more than {limit} entries"),
        Kind::Pattern { pattern } => format!("{shown} does not have the form {pattern}"),
        Kind::Format { format } => format!("{shown} is no {format}"),
        Kind::UniqueItems => "has an entry twice".to_owned(),
        _ => redact::message(&error.masked().to_string()),
    }
}

fn types(kind: &TypeKind) -> String {
    let names: Vec<String> = match kind {
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect(),
    };
    let names: Vec<&str> = names.iter().map(|name| article(name)).filter(|name| *name != "null").collect();
    names.join(" or ")
}

fn article(name: &str) -> &str {
    match name {
        "boolean" => "a boolean",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a string",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

fn none_of(shown: &str, node: &Node, options: &[Json]) -> String {
    let listed: Vec<String> = options.iter().filter(|option| !option.is_null()).map(Json::to_string).collect();
    let words = options.iter().filter_map(Json::as_str);
    let hint = nearest::hint(node.as_str().unwrap_or_default(), words);
    format!("{shown} is none of {}{hint}", listed.join(", "))
}

/// Alternatives that fail on the value itself: together they are a list of constants, or of types.
fn no_alternative(shown: &str, node: &Node, context: &[Vec<ValidationError<'static>>]) -> String {
    let errors = || context.iter().flatten();
    let options: Vec<Json> = errors().flat_map(|error| constants(error.kind())).collect();
    if !options.is_empty() {
        return none_of(shown, node, &options);
    }
    let mut expected: Vec<String> = errors().filter_map(|error| type_of(error.kind())).collect();
    expected.retain(|name| !name.is_empty());
    expected.dedup();
    if expected.is_empty() {
        return format!("{shown} fits none of the allowed forms");
    }
    format!("expected {}, found {shown}", expected.join(" or "))
}

fn constants(kind: &Kind) -> Vec<Json> {
    match kind {
        Kind::Constant { expected_value } => vec![Json::clone(expected_value)],
        Kind::Enum { options } => options.as_array().cloned().unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn type_of(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Type { kind } => Some(types(kind)),
        _ => None,
    }
}
