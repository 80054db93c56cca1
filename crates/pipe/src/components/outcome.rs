//! What a check wants of the events that it refuses: our own key `outcome` beside the check.

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::{Agent, Component};
use siphon_config::tree::{Node, Value};

use crate::error::{self, PipeError};

/// Namespaces whose settings may have `outcome`.
const CHECKS: [&str; 3] = ["validation/cel", "validation/json-schema", "validation/response-json-schema"];

/// The values of `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Retry,
    DeadLetter,
    Discard,
}

#[cfg(feature = "cel")]
impl Outcome {
    /// What is done where a check has no answer. The mistake may be in the check, such as a key that it misspells: the
    /// event is not thrown away for it.
    pub fn without_answer(self) -> Self {
        match self {
            Self::DeadLetter => Self::DeadLetter,
            Self::Retry | Self::Discard => Self::Retry,
        }
    }
}

impl From<Outcome> for error::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Retry => Self::Retry,
            Outcome::DeadLetter => Self::DeadLetter,
            Outcome::Discard => Self::Discard,
        }
    }
}

/// A refused event; without an `outcome` the agent's delivery policy has the word.
pub(super) fn refused(reason: String, outcome: Option<Outcome>) -> PipeError {
    PipeError::Unfit { reason: error::shortened(reason), outcome: outcome.map(error::Outcome::from) }
}

/// Where the checks of an agent, of its backends and of their workflows say that an event has to be dead-lettered: not
/// every driver can.
pub fn dead_letters(agent: &Agent) -> Vec<String> {
    agent.all_components().flat_map(of_component).collect()
}

fn of_component(component: &Component) -> Vec<String> {
    if !CHECKS.contains(&component.namespace.as_str()) {
        return Vec::new();
    }
    let says_so = |node: &Node| node.get("outcome").and_then(Node::as_str) == Some("dead-letter");
    match &component.settings.value {
        Value::List(checks) => {
            let path = |index: usize| format!("{}[{index}].outcome", component.path);
            checks.iter().enumerate().filter(|(_, check)| says_so(check)).map(|(index, _)| path(index)).collect()
        }
        _ if says_so(&component.settings) => vec![format!("{}.outcome", component.path)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::testing::component;
    use crate::fixture;

    #[test]
    fn every_check_that_wants_a_dead_letter_is_found() {
        let cases = [
            (
                "validation/cel",
                r#"[{"check_expr": "true", "outcome": "discard"}, {"outcome": "dead-letter"}]"#,
                "b[1].outcome",
            ),
            ("validation/json-schema", r#"{"outcome": "dead-letter"}"#, "b.outcome"),
            ("validation/json-schema", r#"{"properties": {"outcome": "dead-letter"}}"#, ""),
            ("validation/response-json-schema", r#"{"schema": {}, "outcome": "dead-letter"}"#, "b.outcome"),
            ("backend/static", r#"{"data": {"validation/cel": [{"outcome": "dead-letter"}]}}"#, ""),
        ];
        for (namespace, settings, expected) in cases {
            let components = vec![component(namespace, settings)];
            let backend = siphon_config::model::Backend { components, ..fixture::backend("http://h", "/") };
            assert_eq!(dead_letters(&fixture::agent(vec![backend])).join(" "), expected, "{settings}");
        }
    }
}
