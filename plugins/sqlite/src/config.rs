//! What an agent writes under `async/sqlite`.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::{Finding, HumanDuration};

use crate::store::Route;

/// A shorter lease would be renewed several times a second for nothing.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// A longer one would keep a killed consumer's events away for more than a day.
pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3_600);

/// An embedded queue: one file, no server.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The queue file, such as `events.db`; a relative path starts at the working directory. It is created when there
    /// is none, its folder is not. Must be on a local disk. Many queues, agents and processes may share one file.
    pub path: PathBuf,

    /// Name of the queue in the file, such as `orders`. It exists as soon as somebody uses it.
    pub queue: String,

    /// How long events that are being worked on stay away from others after their process was killed: `1s` to `24h`.
    /// Default: `30s`. It does not limit the work: while the process lives, the lease is renewed.
    #[serde(default = "default_lease")]
    pub lease: HumanDuration,

    /// Name of the queue in the same file that takes rejected events, another than `queue`. Default: `<queue>.dead`.
    #[serde(default)]
    pub dead_letter_queue: Option<String>,
}

impl Config {
    /// All that is wrong beyond the types.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut refuse = |is_wrong: bool, path: &str, message: &str| {
            if is_wrong {
                found.push(Finding::error(path, message));
            }
        };
        refuse(self.path.as_os_str().is_empty(), "path", "is empty: name the queue file, such as `events.db`");
        refuse(self.queue.is_empty(), "queue", "is empty: name the queue, such as `orders`");
        let is_usual = (SHORTEST_LEASE..=LONGEST_LEASE).contains(&self.lease.0);
        refuse(!is_usual, "lease", &format!("is {}: allowed is `1s` to `24h`", self.lease));
        let dead = self.dead_letter_queue.as_deref();
        refuse(dead == Some(""), "dead_letter_queue", "is empty: name a queue, or leave the key out");
        let is_circle = dead == Some(&self.queue) && !self.queue.is_empty();
        refuse(is_circle, "dead_letter_queue", "is the queue itself: rejected events would come back at once");
        found
    }

    pub fn route(&self) -> Route {
        let dead = self.dead_letter_queue.clone();
        let dead_letter_queue = dead.unwrap_or_else(|| format!("{}.dead", self.queue));
        Route { queue: self.queue.clone(), dead_letter_queue }
    }
}

fn default_lease() -> HumanDuration {
    HumanDuration(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use siphon_sdk::schemars::schema_for;

    use super::*;

    fn parse(json: &str) -> Result<Config, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// What is wrong with `json`, beginning with the path.
    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let findings = parse(json).unwrap().findings();
        let found: Vec<String> =
            findings.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn the_shortest_configuration_is_a_path_and_a_queue() {
        let config = parse(r#"{"path": "events.db", "queue": "orders"}"#).unwrap();
        assert_eq!((config.lease.0, config.findings()), (Duration::from_secs(30), Vec::new()));
        assert_eq!(config.route().dead_letter_queue, "orders.dead");
    }

    #[test]
    fn every_key_is_read() {
        let json = r#"{"path": "a/b.db", "queue": "q", "lease": "1m", "dead_letter_queue": "failed"}"#;
        let config = parse(json).unwrap();
        assert_eq!((config.path, config.lease.0), ("a/b.db".into(), Duration::from_secs(60)));
        assert_eq!(config.dead_letter_queue.as_deref(), Some("failed"));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let json = r#"{"path": "", "queue": "", "lease": "10ms", "dead_letter_queue": ""}"#;
        check(json, &["path is empty", "queue is empty", "lease is 10ms: ", "dead_letter_queue is empty"]);
        check(r#"{"path": "p", "queue": "q", "lease": "25h"}"#, &["lease is 25h0m0s: allowed is `1s` to `24h`"]);
        check(r#"{"path": "p", "queue": "q", "dead_letter_queue": "q"}"#, &["dead_letter_queue is the queue itself"]);
    }

    #[test]
    fn unknown_keys_and_bad_durations_are_refused() {
        let error = parse(r#"{"path": "p", "queue": "q", "leese": "1s"}"#).unwrap_err();
        assert!(error.starts_with("unknown field `leese`, expected one of `path`, `queue`, `lease`"), "{error}");
        let error = parse(r#"{"path": "p", "queue": "q", "lease": "soon"}"#).unwrap_err();
        assert!(error.starts_with("\"soon\" is no duration; write something like 5s"), "{error}");
        assert!(parse(r#"{"path": "p"}"#).unwrap_err().starts_with("missing field `queue`"));
    }

    #[test]
    fn the_schema_knows_every_key_its_default_and_its_meaning() {
        let schema = schema_for!(Config).to_value();
        let of = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(of("/properties/lease/default"), "30s");
        assert_eq!(of("/properties/lease/type"), serde_json::json!(["string", "integer"]));
        assert_eq!(of("/required"), serde_json::json!(["path", "queue"]));
        assert_eq!(of("/additionalProperties"), false);
        for key in ["path", "queue", "lease", "dead_letter_queue"] {
            let text = of(&format!("/properties/{key}/description"));
            assert!(text.as_str().is_some_and(|text| text.len() > 40), "{key}: {text}");
        }
    }
}
