//! The tokens of `OAUTHBEARER`: written down in the configuration, or in a file that somebody keeps fresh.
//!
//! Source: RFC 7628 (the login), RFC 7519 (what a token says about itself).

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::client::OAuthToken;
use serde::Deserialize;

/// A token that does not say when it ends is looked for again after that time.
const USUAL_LIFE: Duration = Duration::from_secs(3_600);

/// Where tokens come from.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenSource {
    Fixed(String),
    /// Read again whenever the client wants a new one.
    File(PathBuf),
}

/// Without the token.
impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("Fixed(***)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// What a token says about itself.
#[derive(Debug, Default, Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    /// Seconds since 1970 UTC; some write fractions.
    #[serde(default)]
    exp: Option<f64>,
}

impl TokenSource {
    /// The token as the client wants it. `now` counts for tokens that do not say when they end.
    ///
    /// # Errors
    ///
    /// There is none, or it has ended; without the token itself.
    pub fn token(&self, now: SystemTime) -> Result<OAuthToken, String> {
        let token = match self {
            Self::Fixed(token) => token.clone(),
            Self::File(path) => {
                let text = std::fs::read_to_string(path);
                text.map_err(|error| format!("cannot read {}: {error}", path.display()))?.trim().to_owned()
            }
        };
        // RFC 6750 §2.1: anything else would break the login's message.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(is_token) {
            return Err("is no token: one has letters, digits and -._~+/= alone".into());
        }
        let claims = claims(&token);
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let usual = (since_1970 + USUAL_LIFE).as_secs_f64();
        let lifetime_ms = (claims.exp.unwrap_or(usual) * 1_000.0) as i64;
        if claims.exp.is_some_and(|end| end <= since_1970.as_secs_f64()) {
            return Err("has ended: get a new one".into());
        }
        Ok(OAuthToken { token, principal_name: claims.sub, lifetime_ms })
    }
}

/// What the client gets when it asks for a token.
///
/// # Errors
///
/// As [`TokenSource::token`].
pub fn next_token(tokens: Option<&TokenSource>) -> Result<OAuthToken, Box<dyn Error>> {
    let tokens = tokens.ok_or("the configuration gives no token")?;
    tokens.token(SystemTime::now()).map_err(|why| format!("the token of cluster.sasl {why}").into())
}

/// Those of a token that is a JWT; other tokens say nothing to anybody but their server.
fn claims(token: &str) -> Claims {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims))
    }

    /// Expects principal and end of a token, at second 1,000.
    #[track_caller]
    fn check(token: &str, expected: Result<(&str, i64), &str>) {
        let found = TokenSource::Fixed(token.to_owned()).token(UNIX_EPOCH + Duration::from_secs(1_000));
        let found = found.as_ref().map(|token| (token.principal_name.as_str(), token.lifetime_ms));
        assert_eq!(found.map_err(String::as_str), expected);
    }

    #[test]
    fn a_token_says_whose_it_is_and_when_it_ends() {
        check(&jwt(r#"{"sub": "siphon", "exp": 2000}"#), Ok(("siphon", 2_000_000)));
        check(&jwt(r#"{"sub": "siphon", "exp": 2000.5}"#), Ok(("siphon", 2_000_500)));
        check("opaque-token", Ok(("", 4_600_000)));
    }

    #[test]
    fn what_is_no_token_or_has_ended_is_told_without_it() {
        check(&jwt(r#"{"sub": "siphon", "exp": 1000}"#), Err("has ended: get a new one"));
        for wrong in ["", "a b", "a\u{1}b"] {
            check(wrong, Err("is no token: one has letters, digits and -._~+/= alone"));
        }
    }

    #[test]
    fn a_file_is_read_anew_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = TokenSource::File(file.path().to_owned());
        for token in ["one", "two"] {
            std::fs::write(file.path(), format!("{token}\n")).unwrap();
            assert_eq!(source.token(SystemTime::now()).unwrap().token, token);
        }
        let missing = TokenSource::File("/missing/token".into()).token(SystemTime::now());
        assert!(missing.err().unwrap().starts_with("cannot read /missing/token: "));
        assert_eq!(format!("{:?}", TokenSource::Fixed("secret".into())), "Fixed(***)");
    }
}
