//! `backend/conditional`: a backend that takes only some of the events (components-traffic.md §13).

use ::http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::{Backend, Component};

use super::{Build, Checked, Entry, Level, Part, Site, UnknownKeys};
use crate::choice::Condition;

const NAMESPACE: &str = "backend/conditional";

pub(super) const ENTRY: Entry = Entry {
    namespaces: &[NAMESPACE],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "takes only the events that its rule matches",
    schema,
    build: Build::Part(build),
};

/// `backend/conditional`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// What the rule is about.
    strategy: Strategy,
    /// Of `header`: the name of the header. The agent's `input_headers` has to name it too. Example: `X-Tier`.
    #[serde(default)]
    name: String,
    /// Of `header`: the value that it must have, letter case counts.
    #[serde(default)]
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    /// A header has a certain value.
    Header,
    /// No rule of the other backends matches.
    Fallback,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, _: &Site<'_>, part: &mut Part) -> Checked<()> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let condition = condition(settings).map_err(|(key, message)| vec![component.problem(key, &message)])?;
    part.condition = Some(condition);
    Ok(())
}

/// The rule, or what is wrong with which key.
fn condition(settings: Settings) -> Result<Condition, (&'static str, String)> {
    let Settings { strategy, name, value } = settings;
    let unused = |key: &'static str| {
        Err((key, format!("has no effect with the strategy {strategy:?}; remove it").to_lowercase()))
    };
    match strategy {
        Strategy::Header if name.is_empty() => Err(("name", "is missing; name the header, such as X-Tier".into())),
        Strategy::Header => {
            let message = format!("{name:?} is no name of a header");
            let name = HeaderName::try_from(name).map_err(|_| ("name", message))?;
            Ok(Condition::Header { name, value })
        }
        Strategy::Fallback if !name.is_empty() => unused("name"),
        Strategy::Fallback if !value.is_empty() => unused("value"),
        Strategy::Fallback => Ok(Condition::Fallback),
    }
}

/// Where the rule of a backend stands; the backend itself when it has none.
pub(crate) fn path(backend: &Backend) -> String {
    let own = backend.components.iter().find(|component| component.namespace == NAMESPACE);
    own.map_or(&backend.path, |component| &component.path).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::testing::{component, with_site};

    fn built(settings: &str) -> Result<Condition, String> {
        let component = component(NAMESPACE, settings);
        let mut part = Part::default();
        with_site(|site| build(&component, site, &mut part)).map_err(|problems| {
            problems
                .iter()
                .map(|problem| format!("{}: {}", problem.path, problem.message))
                .collect::<Vec<_>>()
                .join("\n")
        })?;
        Ok(part.condition.expect("a condition"))
    }

    #[test]
    fn a_rule_is_about_a_header_or_about_the_others() {
        let header = built(r#"{"strategy": "header", "name": "X-Tier", "value": "gold"}"#);
        assert!(
            matches!(&header, Ok(Condition::Header { name, value }) if name == "x-tier" && value == "gold"),
            "{header:?}"
        );
        assert!(matches!(built(r#"{"strategy": "fallback"}"#), Ok(Condition::Fallback)));
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        let cases = [
            (r#"{"strategy": "header", "value": "x"}"#, "b.name: is missing; name the header, such as X-Tier"),
            (r#"{"strategy": "header", "name": "a b"}"#, "b.name: \"a b\" is no name of a header"),
            (
                r#"{"strategy": "fallback", "name": "X-A"}"#,
                "b.name: has no effect with the strategy fallback; remove it",
            ),
            (
                r#"{"strategy": "fallback", "value": "x"}"#,
                "b.value: has no effect with the strategy fallback; remove it",
            ),
            (r#"{}"#, "b: missing field `strategy`"),
        ];
        for (settings, expected) in cases {
            assert_eq!(built(settings).map(|_| ()), Err(expected.to_owned()), "{settings}");
        }
    }
}
