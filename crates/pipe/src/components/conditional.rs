//! `backend/conditional`: a backend that takes only some of the events (components-traffic.md §13).

#[cfg(feature = "cel")]
use std::sync::Arc;

use ::http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::{Backend, Component};

use super::{Build, Checked, Entry, Level, Part, Site, UnknownKeys};
use crate::choice::Condition;
#[cfg(feature = "cel")]
use crate::expression::Expression;

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
    /// Of `header`: the value that it must have, letter case counts. Of `policy`: a CEL expression, such as
    /// `event.payload.total > 100`.
    #[serde(default)]
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    /// A header has a certain value.
    Header,
    /// An expression is true.
    Policy,
    /// No rule of the other backends matches.
    Fallback,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, _: &Site<'_>, part: &mut Part) -> Checked<()> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let problem = |(key, message): (&'static str, String)| component.problem(key, &message);
    let condition = condition(settings).map_err(|wrongs| wrongs.into_iter().map(problem).collect::<Vec<_>>())?;
    part.condition = Some(condition);
    Ok(())
}

/// The rule, or what is wrong with which key.
fn condition(settings: Settings) -> Result<Condition, Vec<(&'static str, String)>> {
    let Settings { strategy, name, value } = settings;
    let wrong = |key: &'static str, message: &str| Err(vec![(key, message.to_owned())]);
    match strategy {
        Strategy::Header if name.is_empty() => wrong("name", "is missing; name the header, such as X-Tier"),
        Strategy::Header => {
            let message = format!("{name:?} is no name of a header");
            let name = HeaderName::try_from(name).map_err(|_| vec![("name", message)])?;
            Ok(Condition::Header { name, value })
        }
        Strategy::Policy if !name.is_empty() => wrong("name", "has no effect with the strategy policy; remove it"),
        Strategy::Policy if value.trim().is_empty() => wrong("value", "is missing; write an expression"),
        Strategy::Policy => policy(&value),
        Strategy::Fallback if !name.is_empty() => wrong("name", "has no effect with the strategy fallback; remove it"),
        Strategy::Fallback if !value.is_empty() => {
            wrong("value", "has no effect with the strategy fallback; remove it")
        }
        Strategy::Fallback => Ok(Condition::Fallback),
    }
}

#[cfg(feature = "cel")]
fn policy(value: &str) -> Result<Condition, Vec<(&'static str, String)>> {
    let compiled = Expression::compile(value);
    let compiled = compiled.map_err(|wrongs| wrongs.into_iter().map(|wrong| ("value", wrong)).collect::<Vec<_>>())?;
    Ok(Condition::Policy(Arc::new(compiled)))
}

#[cfg(not(feature = "cel"))]
fn policy(_: &str) -> Result<Condition, Vec<(&'static str, String)>> {
    Err(vec![("strategy", "\"policy\" is not in this build of siphon; header and fallback are".to_owned())])
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

    #[cfg(feature = "cel")]
    #[test]
    fn an_expression_is_compiled_at_load() {
        let policy = built(r#"{"strategy": "policy", "value": "event.payload.total > 100"}"#);
        assert!(matches!(&policy, Ok(rule @ Condition::Policy(_)) if !rule.needs_answers()), "{policy:?}");
        let policy = built(r#"{"strategy": "policy", "value": "resp_data.total > 100"}"#);
        assert!(matches!(&policy, Ok(rule) if rule.needs_answers()), "{policy:?}");
        let said =
            built(r#"{"strategy": "policy", "value": "req_headers.containsCookie('a', '1')"}"#).expect_err("unknown");
        assert!(said.starts_with("b.value: ") && said.contains("containsCookie"), "{said}");
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
            (r#"{"strategy": "policy", "name": "X-A"}"#, "b.name: has no effect with the strategy policy; remove it"),
            (r#"{"strategy": "policy", "value": " "}"#, "b.value: is missing; write an expression"),
            (r#"{}"#, "b: missing field `strategy`"),
        ];
        for (settings, expected) in cases {
            assert_eq!(built(settings).map(|_| ()), Err(expected.to_owned()), "{settings}");
        }
    }
}
