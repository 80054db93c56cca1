//! How siphon logs in.

use std::path::PathBuf;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::Finding;

use crate::token::TokenSource;

/// `cluster.sasl`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`. Default: `PLAIN`.
    pub mechanism: String,
    pub user: String,
    pub password: String,
    /// The token of `OAUTHBEARER`.
    pub token: Option<String>,
    /// File with the token of `OAUTHBEARER`. It is read again before the token ends, so that somebody else can keep it fresh.
    pub token_file: Option<PathBuf>,
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
            token: None,
            token_file: None,
            auth_identity: String::new(),
            scram_auth_id: String::new(),
            azure_event_hub: false,
            disable_hanshake: None,
            disable_handshake: None,
        }
    }
}

/// Without password and token.
impl std::fmt::Debug for Sasl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sasl").field("mechanism", &self.mechanism).field("user", &self.user).finish_non_exhaustive()
    }
}

/// The one with tokens.
const OAUTHBEARER: &str = "OAUTHBEARER";

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER];

impl Sasl {
    /// librdkafka's properties. The client asks for tokens itself.
    pub fn properties(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![("sasl.mechanism", self.mechanism.clone())];
        if self.mechanism != OAUTHBEARER {
            all.extend([("sasl.username", self.user.clone()), ("sasl.password", self.password.clone())]);
        }
        all
    }

    /// Where tokens come from.
    pub fn tokens(&self) -> Option<TokenSource> {
        let is_wanted = self.mechanism == OAUTHBEARER;
        let fixed = self.token.clone().map(TokenSource::Fixed);
        fixed.or_else(|| self.token_file.clone().map(TokenSource::File)).filter(|_| is_wanted)
    }

    /// All that is wrong. `is_tls`: what is said goes through TLS.
    pub fn findings(&self, is_tls: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        let mechanism = self.mechanism.as_str();
        if !MECHANISMS.contains(&mechanism) {
            let allowed = MECHANISMS.join(", ");
            found.push(Finding::error("cluster.sasl.mechanism", format!("is unknown: allowed are {allowed}")));
        }
        found.extend(if mechanism == OAUTHBEARER { self.token_findings() } else { self.password_findings() });
        for (key, value) in [("auth_identity", &self.auth_identity), ("scram_auth_id", &self.scram_auth_id)] {
            if !value.is_empty() && *value != self.user {
                let message = "cannot be asked for: give the rights to `user` itself, and remove this";
                found.push(Finding::error(format!("cluster.sasl.{key}"), message));
            }
        }
        if let ("PLAIN", what, false) | (OAUTHBEARER, what, false) = (mechanism, self.secret_name(), is_tls) {
            let message = format!("{mechanism} without client_tls sends the {what} in the clear");
            found.push(Finding::warning("cluster.sasl.mechanism", message));
        }
        found
    }

    fn secret_name(&self) -> &'static str {
        if self.mechanism == OAUTHBEARER { "token" } else { "password" }
    }

    fn password_findings(&self) -> Vec<Finding> {
        let empty =
            [("user", &self.user), ("password", &self.password)].into_iter().filter(|(_, value)| value.is_empty());
        let message = "is empty: the brokers would refuse it";
        let mut found: Vec<_> = empty.map(|(key, _)| Finding::error(format!("cluster.sasl.{key}"), message)).collect();
        let tokens = [("token", self.token.is_some()), ("token_file", self.token_file.is_some())];
        for (key, _) in tokens.into_iter().filter(|(_, is_set)| *is_set) {
            found.push(Finding::error(format!("cluster.sasl.{key}"), "needs the mechanism OAUTHBEARER"));
        }
        found
    }

    fn token_findings(&self) -> Vec<Finding> {
        let set =
            [("user", &self.user), ("password", &self.password)].into_iter().filter(|(_, value)| !value.is_empty());
        let message = "has no effect with OAUTHBEARER: the token says who siphon is";
        let mut found: Vec<_> = set.map(|(key, _)| Finding::error(format!("cluster.sasl.{key}"), message)).collect();
        match (self.tokens(), self.token.is_some() && self.token_file.is_some()) {
            (_, true) => {
                found.push(Finding::error("cluster.sasl.token_file", "gives the token, and so does token: keep one"))
            }
            (None, _) => {
                let message = "OAUTHBEARER needs a token: give token or token_file";
                found.push(Finding::error("cluster.sasl.mechanism", message));
            }
            (Some(tokens), _) => {
                let key = if self.token.is_some() { "token" } else { "token_file" };
                let wrong = tokens.token(SystemTime::now()).err();
                found.extend(wrong.map(|message| Finding::error(format!("cluster.sasl.{key}"), message)));
            }
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
    fn oauthbearer_needs_one_token_that_can_be_used() {
        check(r#"{"mechanism": "OAUTHBEARER", "token": "abc"}"#, true, &[]);
        check(
            r#"{"mechanism": "OAUTHBEARER", "token": "abc"}"#,
            false,
            &["cluster.sasl.mechanism OAUTHBEARER without client_tls sends the token"],
        );
        check(r#"{"mechanism": "OAUTHBEARER"}"#, true, &["cluster.sasl.mechanism OAUTHBEARER needs a token"]);
        check(
            r#"{"mechanism": "OAUTHBEARER", "user": "u", "token": "a b"}"#,
            true,
            &["cluster.sasl.user has no effect with OAUTHBEARER", "cluster.sasl.token is no token"],
        );
        check(
            r#"{"mechanism": "OAUTHBEARER", "token_file": "/missing/token"}"#,
            true,
            &["cluster.sasl.token_file cannot read /missing/token"],
        );
        check(
            r#"{"mechanism": "OAUTHBEARER", "token": "a", "token_file": "/missing/token"}"#,
            true,
            &["cluster.sasl.token_file gives the token, and so does token"],
        );
        check(
            r#"{"user": "u", "password": "p", "token": "a"}"#,
            true,
            &["cluster.sasl.token needs the mechanism OAUTHBEARER"],
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let sasl: Sasl = serde_json::from_str(r#"{"user": "u", "password": "hunter2", "token": "hunter3"}"#).unwrap();
        assert!(!format!("{sasl:?}").contains("hunter"));
    }
}
