//! `client_tls`: whom a client trusts, and as whom it appears. What the files hold is judged by whoever opens them.

use crate::model::Component;
use crate::section::{Field, Section};
use crate::tree::{Entry, Node, Value, join};
use crate::weak;

const KEYS: [&str; 8] = [
    "allow_insecure_connections",
    "ca_certs",
    "disable_system_ca_pool",
    "min_version",
    "max_version",
    "curve_preferences",
    "cipher_suites",
    "client_certs",
];

const INSECURE: &str = KEYS[0];
const MIN_VERSION: &str = KEYS[3];

/// Versions that nobody should speak any more; as a minimum they are raised.
const OLD_VERSIONS: [&str; 3] = ["SSL3.0", "TLS10", "TLS11"];

/// The root's `client_tls` and its older twin `allow_insecure_connections`; `None` when neither says anything.
pub(crate) fn service(root: &Section<'_>) -> Option<Component> {
    let is_insecure = root.boolean(INSECURE);
    let own = root.field(INSECURE).filter(|_| is_insecure);
    let field = root.field("client_tls");
    let mut entries = field.as_ref().map(entries).unwrap_or_default();
    if let Some(field) = &own {
        entries.retain(|entry| entry.key != INSECURE);
        entries.push(Entry { key: INSECURE.into(), at: field.node.at, value: field.node.clone() });
        warn_insecure(field);
    }
    let at = field.as_ref().or(own.as_ref())?.node.at;
    let settings = Node { value: Value::Map(entries), at };
    Some(Component { namespace: "client_tls".into(), path: "client_tls".into(), settings })
}

/// The known keys of an object, in lower case, with remarks on what weakens it.
fn entries(field: &Field<'_>) -> Vec<Entry> {
    let Some(section) = Section::open(field.node, &field.path, field.report) else { return Vec::new() };
    let known = KEYS.iter().filter_map(|key| {
        let field = section.field(key)?;
        Some(Entry { key: (*key).into(), at: field.node.at, value: field.node.clone() })
    });
    let known = known.collect();
    remark(&section);
    section.finish(crate::problem::Severity::Warning);
    known
}

/// Remarks on the `client_tls` of a component, whose values are judged elsewhere.
pub(crate) fn remark_component(component: &Component, report: &crate::problem::Report<'_>) {
    let Value::Map(entries) = &component.settings.value else { return };
    let Some(tls) = entries.iter().find(|entry| entry.key.eq_ignore_ascii_case("client_tls")) else { return };
    if matches!(tls.value.value, Value::Map(_))
        && let Some(section) = Section::open(&tls.value, &join(&component.path, "client_tls"), report)
    {
        remark(&section);
    }
}

fn remark(section: &Section<'_>) {
    let is_true = |field: &Field<'_>| weak::boolean(field.node).is_ok_and(|(value, _)| value);
    if let Some(field) = section.field(INSECURE).filter(is_true) {
        warn_insecure(&field);
    }
    let is_old = |field: &Field<'_>| field.node.as_str().is_some_and(|version| OLD_VERSIONS.contains(&version));
    if let Some(field) = section.field(MIN_VERSION).filter(is_old) {
        field.notice("is raised to TLS12");
    }
}

fn warn_insecure(field: &Field<'_>) {
    field.warning("lets anybody pose as the backend; name its CA in client_tls.ca_certs instead");
}
