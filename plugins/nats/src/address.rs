//! Where a server is, as an agent writes it: `nats://user:password@host:4222`.

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::login::Secret;

/// One address or several.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Servers {
    One(String),
    Several(Vec<String>),
}

impl Servers {
    /// Each address with its path in the configuration.
    pub fn with_paths(&self) -> Vec<(String, &str)> {
        match self {
            Self::One(server) => vec![("servers".to_owned(), server)],
            Self::Several(servers) => {
                servers.iter().enumerate().map(|(n, server)| (format!("servers[{n}]"), server.as_str())).collect()
            }
        }
    }

    /// Those that can be read; the others are among the findings.
    pub fn addresses(&self) -> Vec<Address> {
        self.with_paths().iter().filter_map(|(_, server)| Address::parse(server).ok()).collect()
    }
}

/// Addresses hold passwords.
impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Servers({})", self.with_paths().len())
    }
}

/// A server, and who logs in there.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    pub server: ServerAddr,
    /// User and password, or a token alone.
    pub login: Option<(Secret, Option<Secret>)>,
}

impl Address {
    /// # Errors
    ///
    /// What is wrong with it, without the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        if let Some(other) = scheme.filter(|scheme| !matches!(*scheme, "nats" | "tls")) {
            return Err(format!("begins with {other}://: write nats:// or, with TLS, tls://"));
        }
        let wrong = |_| "is no address: write nats://host:4222, and %40 for an @ in a password".to_owned();
        let mut url = text.parse::<ServerAddr>().map_err(wrong)?.into_inner();
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("has something behind the port: settings have keys of their own here".into());
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("has no host: write nats://host:4222".into());
        }
        let plain = |text: &str| Secret(percent_decode_str(text).decode_utf8_lossy().into_owned());
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(plain);
        let login = user.map(|user| (user, url.password().map(plain)));
        // The client shows addresses in its own words; they must not hold a secret.
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| wrong(std::io::Error::other("")))?;
        let server = ServerAddr::from_url(url).map_err(wrong)?;
        Ok(Self { server, login })
    }
}

/// `nats://host:4222`.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", self.server.scheme(), self.server.host(), self.server.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str, login: Option<(&str, Option<&str>)>) {
        let address = Address::parse(text).unwrap();
        let secret = |text: &str| Secret(text.to_owned());
        assert_eq!((address.to_string().as_str(), address.server.as_url_str().contains('@')), (shown, false));
        assert_eq!(address.login, login.map(|(user, password)| (secret(user), password.map(secret))));
    }

    #[test]
    fn an_address_is_a_server_and_perhaps_a_login() {
        check("nats://localhost", "nats://localhost:4222", None);
        check("localhost:4000", "nats://localhost:4000", None);
        check("tls://svc:s%40t@[::1]:1", "tls://::1:1", Some(("svc", Some("s@t"))));
        check("nats://t0ken@mq", "nats://mq:4222", Some(("t0ken", None)));
    }

    #[test]
    fn what_is_no_address_is_told_without_its_password() {
        for (text, why) in [
            ("ws://u:hunter2@mq", "begins with ws://"),
            ("nats://u:hunter2@mq/path", "behind the port"),
            ("nats://u:hunter2@mq:port", "is no address"),
            ("nats://", "has no host"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
