//! How siphon logs in.

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::Finding;

/// `cluster.sasl`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. Default: `PLAIN`.
    pub mechanism: String,
    pub user: String,
    pub password: String,
    /// Another identity to act as. Refused: librdkafka cannot ask for it.
    pub auth_identity: String,
    /// As `auth_identity`, for SCRAM.
    pub scram_auth_id: String,
    /// Without effect: brokers that want the older handshake get it.
    pub azure_event_hub: bool,
    /// Without effect, in KrakenD's spelling.
    pub disable_hanshake: Option<bool>,
    /// Without effect.
    pub disable_handshake: Option<bool>,
}

impl Default for Sasl {
    fn default() -> Self {
        Self {
            mechanism: "PLAIN".into(),
            user: String::new(),
            password: String::new(),
            auth_identity: String::new(),
            scram_auth_id: String::new(),
            azure_event_hub: false,
            disable_hanshake: None,
            disable_handshake: None,
        }
    }
}

/// Without the password.
impl std::fmt::Debug for Sasl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sasl").field("mechanism", &self.mechanism).field("user", &self.user).finish_non_exhaustive()
    }
}

const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

impl Sasl {
    /// librdkafka's properties.
    pub fn properties(&self) -> [(&'static str, String); 3] {
        [
            ("sasl.mechanism", self.mechanism.clone()),
            ("sasl.username", self.user.clone()),
            ("sasl.password", self.password.clone()),
        ]
    }

    /// All that is wrong. `is_tls`: what is said goes through TLS.
    pub fn findings(&self, is_tls: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        let mechanism = self.mechanism.as_str();
        if mechanism == "OAUTHBEARER" {
            let message =
                "OAUTHBEARER needs tokens from a server, which siphon cannot fetch yet: use SCRAM-SHA-512 or PLAIN";
            found.push(Finding::error("cluster.sasl.mechanism", message));
        } else if !MECHANISMS.contains(&mechanism) {
            let allowed = MECHANISMS.join(", ");
            found.push(Finding::error("cluster.sasl.mechanism", format!("is unknown: allowed are {allowed}")));
        }
        for (key, value) in [("user", &self.user), ("password", &self.password)] {
            if value.is_empty() {
                found.push(Finding::error(format!("cluster.sasl.{key}"), "is empty: the brokers would refuse it"));
            }
        }
        for (key, value) in [("auth_identity", &self.auth_identity), ("scram_auth_id", &self.scram_auth_id)] {
            if !value.is_empty() && *value != self.user {
                let message = "cannot be asked for: give the rights to `user` itself, and remove this";
                found.push(Finding::error(format!("cluster.sasl.{key}"), message));
            }
        }
        if mechanism == "PLAIN" && !is_tls {
            let message = "PLAIN without client_tls sends the password in the clear";
            found.push(Finding::warning("cluster.sasl.mechanism", message));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, is_tls: bool, expected: &[&str]) {
        let sasl: Sasl = serde_json::from_str(json).unwrap();
        let found = sasl.findings(is_tls);
        let found: Vec<_> = found.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        found.iter().zip(expected).for_each(|(found, expected)| assert!(found.starts_with(expected), "{found}"));
    }

    #[test]
    fn plain_and_scram_are_accepted_and_the_rest_is_refused_by_name() {
        check(r#"{"user": "u", "password": "p", "azure_event_hub": true, "disable_hanshake": false}"#, true, &[]);
        check(r#"{"mechanism": "SCRAM-SHA-512", "user": "u", "password": "p"}"#, false, &[]);
        check(r#"{"user": "u", "password": "p"}"#, false, &["cluster.sasl.mechanism PLAIN without client_tls"]);
        check(
            r#"{"mechanism": "OAUTHBEARER", "user": "u", "password": "p"}"#,
            true,
            &["cluster.sasl.mechanism OAUTHBEARER needs"],
        );
        check(
            r#"{"mechanism": "plain", "user": "u", "password": "p"}"#,
            true,
            &["cluster.sasl.mechanism is unknown: allowed"],
        );
        check("{}", true, &["cluster.sasl.user is empty", "cluster.sasl.password is empty"]);
        check(
            r#"{"user": "u", "password": "p", "auth_identity": "x", "scram_auth_id": "u"}"#,
            true,
            &["cluster.sasl.auth_identity cannot be asked for"],
        );
    }

    #[test]
    fn the_password_is_not_shown() {
        let sasl: Sasl = serde_json::from_str(r#"{"user": "u", "password": "hunter2"}"#).unwrap();
        assert!(!format!("{sasl:?}").contains("hunter2"));
    }
}
