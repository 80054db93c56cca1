//! `KRAKEND_<KEY>`: environment variables in place of scalar keys of the root.

use std::collections::BTreeMap;

use crate::nearest;
use crate::problem::{FromEnvironment, Problem, Severity};
use crate::redact::quoted;
use crate::root;
use crate::tree::{Entry, Node, Position, Value};

const PREFIX: &str = "KRAKEND_";

/// Keys with an effect that a variable can set. `host` takes one host.
const WITH_EFFECT: [&str; 19] = [
    "version",
    "name",
    "timeout",
    "host",
    "port",
    "listen_ip",
    "debug_endpoint",
    "echo_endpoint",
    "max_idle_connections",
    "max_idle_connections_per_host",
    "idle_connection_timeout",
    "dialer_timeout",
    "dialer_keep_alive",
    "response_header_timeout",
    "disable_keep_alives",
    "disable_compression",
    "allow_insecure_connections",
    "plugin.folder",
    "plugin.pattern",
];

/// Keys of the root that are no scalars.
const NO_SCALARS: [&str; 6] = ["async_agent", "endpoints", "extra_config", "plugin", "tls", "client_tls"];

/// Keys that a variable can set.
fn scalars() -> impl Iterator<Item = &'static str> {
    WITH_EFFECT.into_iter().chain(root::WITHOUT_EFFECT)
}

/// What came of the variables.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub origins: Vec<FromEnvironment>,
    pub problems: Vec<Problem>,
}

/// Puts the values of `variables` into `root`, over what the file says. Other variables are left alone.
pub(crate) fn apply(root: &mut Node, file: &str, variables: impl IntoIterator<Item = (String, String)>) -> Applied {
    let mut applied = Applied::default();
    let sorted: BTreeMap<String, String> = variables.into_iter().collect();
    for (variable, value) in sorted {
        let Some(key) = variable.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else { continue };
        if scalars().any(|scalar| scalar == key) {
            if let Some(problem) = service_link(&key, &variable, &value) {
                applied.problems.push(problem.in_file(file));
                continue;
            }
            set(root, &key, value);
            applied.origins.push(FromEnvironment { path: key, variable });
        } else {
            applied.problems.extend(not_set(&key, &variable).map(|problem| problem.in_file(file)));
        }
    }
    applied
}

/// Kubernetes sets `KRAKEND_PORT=tcp://10.0.0.1:80` in every pod beside a service named `krakend`.
fn service_link(key: &str, variable: &str, value: &str) -> Option<Problem> {
    let is_link = key == "port" && value.starts_with("tcp://");
    is_link.then(|| {
        let message = format!(
            "the environment variable {variable} is {}, which is no port; Kubernetes sets it for a service named \
             krakend, enableServiceLinks: false in the pod turns that off",
            quoted(value)
        );
        problem(Severity::Error, key, message)
    })
}

fn not_set(key: &str, variable: &str) -> Option<Problem> {
    if NO_SCALARS.contains(&key) {
        let message = format!("is no single value and cannot come from the environment variable {variable}; unset it");
        return Some(problem(Severity::Error, key, message));
    }
    let meant = nearest::nearest(key, scalars())?;
    let message = format!(
        "the environment variable {variable} names no key of the configuration; did you mean {PREFIX}{}?",
        meant.to_ascii_uppercase()
    );
    Some(problem(Severity::Warning, "", message))
}

fn problem(severity: Severity, path: &str, message: String) -> Problem {
    Problem { severity, file: String::new(), at: None, path: path.to_owned(), message }
}

/// Sets the value at `key`, which may have dots, in place of what is there.
fn set(node: &mut Node, key: &str, value: String) {
    let Value::Map(entries) = &mut node.value else { return };
    let (head, rest) = key.split_once('.').map_or((key, None), |(head, rest)| (head, Some(rest)));
    let at = Position::default();
    let found = entries.iter().position(|entry| entry.key.eq_ignore_ascii_case(head));
    let index = found.unwrap_or_else(|| {
        let empty = Node { value: Value::Map(Vec::new()), at };
        entries.push(Entry { key: head.to_owned(), at, value: empty });
        entries.len() - 1
    });
    match rest {
        Some(rest) => set(&mut entries[index].value, rest, value),
        None => entries[index].value = Node { value: Value::String(value), at },
    }
}
