//! An operator with one account and one user, as `nsc` would make them.
//!
//! Source: <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt>.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// Who vouches for whom.
pub struct Operator {
    operator: KeyPair,
    account: KeyPair,
}

impl Operator {
    pub fn new() -> Self {
        Self { operator: KeyPair::new_operator(), account: KeyPair::new_account() }
    }

    /// What a server must have in its settings to know the account.
    pub fn settings(&self) -> String {
        let operator = token(&self.operator, &self.operator.public_key(), &json!({"type": "operator", "version": 2}));
        let limits = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1, "disk_storage": -1, "mem_storage": -1});
        let claims = json!({"type": "account", "version": 2, "limits": limits});
        let account = token(&self.operator, &self.account.public_key(), &claims);
        let name = self.account.public_key();
        format!("operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {name}: {account} }}")
    }

    /// The content of a new user's file.
    pub fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
        let jwt = token(&self.account, &user.public_key(), &claims);
        let seed = user.seed().expect("a seed");
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// What `issuer` says about `subject`, signed.
fn token(issuer: &KeyPair, subject: &str, claims: &Value) -> String {
    let body = json!({"jti": subject, "iat": 1_700_000_000, "iss": issuer.public_key(), "name": "siphon's tests",
        "sub": subject, "nats": claims});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&json!({"typ": "JWT", "alg": "ed25519-nkey"})), encode(&body));
    let signature = issuer.sign(text.as_bytes()).expect("a key with a seed");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
