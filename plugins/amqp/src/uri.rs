//! Where a broker is: `amqps://user:password@host:5671/vhost?heartbeat=20`.
//!
//! Sources: <https://www.rabbitmq.com/docs/uri-spec>, <https://www.rabbitmq.com/docs/uri-query-parameters>. An empty
//! path is the vhost `/`, with and without the slash, as in the client that KrakenD uses.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use percent_encoding::percent_decode_str;

/// Seconds between signs of life where the address names none. The link counts as dead after two of them.
const HEARTBEAT: u16 = 10;

/// How long connecting may take, TLS and the handshake included, where the address names no time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a frame. The client keeps 32 frames each way in memory for every connection: with RabbitMQ's 128 KiB an
/// agent would take 8 MiB. Longer messages come in several frames.
const FRAME_MAX: u32 = 32 << 10;

/// One broker's address, without its secrets in any output.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub is_tls: bool,
    pub host: String,
    pub port: u16,
    pub user: String,
    password: String,
    pub vhost: String,
    pub patience: Duration,
    pub files: TlsFiles,
    /// The name that the broker's certificate must have; `None`: the host's.
    pub server_name: Option<String>,
    heartbeat: u16,
    channel_max: Option<u16>,
    frame_max: u32,
    mechanism: SASLMechanism,
    /// Parameters that mean nothing here.
    pub unknown: Vec<String>,
}

/// The parameters `cacertfile`, `certfile` and `keyfile`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

impl Address {
    /// # Errors
    ///
    /// What is wrong with it, without repeating it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains(char::is_whitespace) {
            return Err("has a space: write it as %20".into());
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("is no address: write amqp://host:5672/, with user and password before the host")?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "amqp" => false,
            "amqps" => true,
            other => return Err(format!("begins with {other}://: allowed are amqp:// and amqps://")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if is_login_torn(authority, path, query) {
            return Err("has an @ behind a / or a ?: in user and password write / as %2F, ? as %3F and @ as %40".into());
        }
        let mut address = Self::at(is_tls, authority)?;
        if !path.is_empty() {
            address.vhost = decoded("vhost", path)?;
        }
        query.split('&').filter(|pair| !pair.is_empty()).try_for_each(|pair| address.parameter(pair))?;
        Ok(address)
    }

    fn at(is_tls: bool, authority: &str) -> Result<Self, String> {
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (host, port) = host_and_port(place)?;
        Ok(Self {
            is_tls,
            host: or(host, "localhost"),
            port: port.unwrap_or(if is_tls { 5671 } else { 5672 }),
            user: decoded("user", &or(user, "guest"))?,
            password: decoded("password", &if login.contains(':') { password.into() } else { or("", "guest") })?,
            vhost: "/".into(),
            patience: PATIENCE,
            files: TlsFiles::default(),
            server_name: None,
            heartbeat: HEARTBEAT,
            channel_max: None,
            frame_max: FRAME_MAX,
            mechanism: SASLMechanism::Plain,
            unknown: Vec::new(),
        })
    }

    fn parameter(&mut self, pair: &str) -> Result<(), String> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(name, value)?;
        match name {
            "heartbeat" => self.heartbeat = number(name, &value)?,
            "connection_timeout" => self.patience = Duration::from_millis(number::<u32>(name, &value)?.max(1).into()),
            "channel_max" => self.channel_max = Some(number(name, &value)?),
            "frame_max" => self.frame_max = number::<u32>(name, &value)?.max(4_096),
            // The first of several that may be listed.
            "auth_mechanism" if self.mechanism == SASLMechanism::Plain => self.mechanism = mechanism(&value)?,
            "auth_mechanism" => {}
            "cacertfile" => self.files.ca = Some(value.into()),
            "certfile" => self.files.certificate = Some(value.into()),
            "keyfile" => self.files.key = Some(value.into()),
            "server_name_indication" => self.server_name = Some(value),
            _ => self.unknown.push(name.to_owned()),
        }
        Ok(())
    }

    /// Time without a sign of life after which the link counts as dead; `None`: never.
    pub fn dead_after(&self) -> Option<Duration> {
        (self.heartbeat > 0).then(|| Duration::from_secs(u64::from(self.heartbeat) * 2))
    }

    /// The same in the client's terms.
    pub fn for_client(&self) -> AMQPUri {
        let userinfo = AMQPUserInfo { username: self.user.clone(), password: self.password.clone() };
        AMQPUri {
            scheme: if self.is_tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority { userinfo, host: self.host.clone(), port: self.port },
            vhost: self.vhost.clone(),
            query: AMQPQueryString {
                frame_max: Some(self.frame_max),
                channel_max: self.channel_max,
                heartbeat: Some(self.heartbeat),
                connection_timeout: None,
                auth_mechanism: Some(self.mechanism),
            },
        }
    }
}

/// Scheme, host and port: what a message needs.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "amqps" } else { "amqp" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{host}:{}", self.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}, user {:?}, vhost {:?})", self.user, self.vhost)
    }
}

/// Whether user and password seem to hold a letter that ends them: what stands before it must not be taken for a host,
/// and so be shown.
fn is_login_torn(authority: &str, path: &str, query: &str) -> bool {
    let before_value = query.split('=').next().unwrap_or_default();
    !authority.contains('@') && (path.contains('@') || before_value.contains('@'))
}

fn host_and_port(place: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.filter(|port| !port.is_empty()).map(str::parse).transpose();
    Ok((host, port.map_err(|_| "has a port that is no number up to 65535")?))
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

fn decoded(name: &str, text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| format!("has a {name} that is no UTF-8 behind its % signs"))
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("has the {name} {text:?}: write a whole number"))
}

fn mechanism(text: &str) -> Result<SASLMechanism, String> {
    match text.to_ascii_lowercase().as_str() {
        "plain" => Ok(SASLMechanism::Plain),
        "amqplain" => Ok(SASLMechanism::AMQPlain),
        "external" => Ok(SASLMechanism::External),
        _ => Err(format!("has the auth_mechanism {text:?}: allowed are plain, amqplain and external")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Address, user, password and vhost of `text`.
    #[track_caller]
    fn check(text: &str, expected: (&str, &str, &str, &str)) {
        let address = Address::parse(text).unwrap();
        let shown = address.to_string();
        let found = (shown.as_str(), address.user.as_str(), address.password.as_str(), address.vhost.as_str());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_is_missing_has_the_brokers_defaults() {
        check("amqp://", ("amqp://localhost:5672", "guest", "guest", "/"));
        check("amqps://mq", ("amqps://mq:5671", "guest", "guest", "/"));
        check("amqp://u@mq", ("amqp://mq:5672", "u", "guest", "/"));
        check("amqp://u:@mq", ("amqp://mq:5672", "u", "", "/"));
    }

    #[test]
    fn an_empty_path_is_the_vhost_slash() {
        check("amqp://guest:guest@localhost:5672/", ("amqp://localhost:5672", "guest", "guest", "/"));
        check("amqp://mq/%2f", ("amqp://mq:5672", "guest", "guest", "/"));
        check("amqp://mq/prod", ("amqp://mq:5672", "guest", "guest", "prod"));
        check("amqp://mq/a%2Fb", ("amqp://mq:5672", "guest", "guest", "a/b"));
    }

    #[test]
    fn secrets_may_hold_any_character_and_hosts_may_be_ipv6() {
        check("amqp://u:p%40%3A%2F@mq", ("amqp://mq:5672", "u", "p@:/", "/"));
        check("amqp://u:p@ss@mq:1/v", ("amqp://mq:1", "u", "p@ss", "v"));
        check("amqp://[::1]:5673/", ("amqp://[::1]:5673", "guest", "guest", "/"));
    }

    #[test]
    fn parameters_are_read() {
        let text = "amqps://mq/?heartbeat=20&connection_timeout=1500&cacertfile=/etc/ca.pem&certfile=c&keyfile=k\
                    &server_name_indication=broker&auth_mechanism=external&auth_mechanism=plain&verify=verify_peer";
        let address = Address::parse(text).unwrap();
        let uri = address.for_client();
        assert_eq!((uri.query.heartbeat, uri.query.auth_mechanism), (Some(20), Some(SASLMechanism::External)));
        assert_eq!((address.patience, address.dead_after().unwrap().as_secs()), (Duration::from_millis(1_500), 40));
        assert_eq!((address.files.ca, address.server_name), (Some("/etc/ca.pem".into()), Some("broker".into())));
        assert_eq!(address.unknown, ["verify"]);
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for (text, expected) in [
            ("http://u:hunter2@mq", "begins with http://"),
            ("mq:5672", "is no address"),
            ("amqp://u:hunter2@mq:port", "has a port that is no number"),
            ("amqp://u:hun/ter2@mq/v", "has an @ behind a /"),
            ("amqp://u:hun?ter2@mq/v?heartbeat=20", "has an @ behind a /"),
            ("amqp://u:12/34@mq/", "has an @ behind a /"),
            ("amqp://u:hunter2 @mq", "has a space"),
            ("amqp://mq?heartbeat=soon", "has the heartbeat \"soon\""),
            ("amqp://mq?auth_mechanism=magic", "has the auth_mechanism \"magic\""),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_password_is_in_no_output() {
        let address = Address::parse("amqp://u:hunter2@mq/v").unwrap();
        assert!(!format!("{address} {address:?}").contains("hunter2"));
    }
}
