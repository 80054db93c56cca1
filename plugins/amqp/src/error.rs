//! What went wrong at the broker, in one line that says what to do. Never a secret.
//!
//! Source: <https://www.rabbitmq.com/amqp-0-9-1-reference#constants>, and what RabbitMQ 3.10 writes.

use std::fmt::Display;
use std::io;

use lapin::ErrorKind;
use siphon_sdk::Error;

use crate::uri::Address;

/// What was being done.
#[derive(Debug, Clone, Copy)]
pub enum Doing<'a> {
    Connecting,
    DeclaringExchange(&'a str),
    DeclaringQueue(&'a str),
    Binding { queue: &'a str, exchange: &'a str },
    Consuming(&'a str),
    Publishing,
}

/// Codes of the protocol.
mod code {
    pub const CONNECTION_FORCED: u16 = 320;
    pub const ACCESS_REFUSED: u16 = 403;
    pub const NOT_FOUND: u16 = 404;
    pub const RESOURCE_LOCKED: u16 = 405;
    pub const PRECONDITION_FAILED: u16 = 406;
    pub const NOT_ALLOWED: u16 = 530;
}

/// The broker could not be reached: before a word of AMQP was spoken.
pub fn not_reached(address: &Address, error: &io::Error) -> Error {
    Error::connection(match tls_error(error) {
        Some(error) => tls_refused(address, error),
        None => reason_not_reached(address, error),
    })
}

fn reason_not_reached(address: &Address, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("cannot reach {address}: connection refused; start the broker, or correct host and port")
        }
        io::ErrorKind::TimedOut => {
            format!("{address} did not answer within {:?}; look at host, port and firewall", address.patience)
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            format!("{address} hung up before it said a word: {error}; is it an AMQP port, and with or without TLS?")
        }
        _ => format!("cannot reach {address}: {error}; look at host, port and network"),
    }
}

/// rustls' own error inside an error of the socket.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn tls_refused(address: &Address, error: &rustls::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError, Error as Tls};
    let what_to_do = match error {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its CA is not trusted; name the CA's file in client_tls.ca_certs or cacertfile".to_owned()
        }
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            let name = crate::tls::server_name(address);
            format!("its certificate is not for {name}; correct the host, or set server_name_indication")
        }
        Tls::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired; renew it".to_owned()
        }
        Tls::InvalidMessage(_) => "it does not speak TLS on this port; amqps is usually 5671".to_owned(),
        Tls::AlertReceived(Alert::CertificateRequired | Alert::HandshakeFailure | Alert::BadCertificate) => {
            "it wants a certificate of siphon's own; give client_tls.client_certs, or certfile and keyfile".to_owned()
        }
        Tls::AlertReceived(Alert::UnknownCA | Alert::CertificateUnknown) => {
            "it does not trust siphon's certificate; have it signed by a CA that the broker knows".to_owned()
        }
        _ => "look at the certificates of both sides".to_owned(),
    };
    format!("TLS with {address} failed: {what_to_do} ({error})")
}

/// The broker, reached, did not do what was asked.
pub fn refused(address: &Address, doing: Doing<'_>, error: &lapin::Error) -> Error {
    Error::connection(match error.kind() {
        ErrorKind::ProtocolError(refusal) => {
            let refusal = Refusal { code: refusal.get_id(), text: refusal.get_message().as_str() };
            refusal.explain(address, doing)
        }
        ErrorKind::IOError(error) if matches!(doing, Doing::Connecting) => {
            return after_greeting(address, error);
        }
        ErrorKind::IOError(error) => format!("lost the connection to {address}: {error}"),
        ErrorKind::MissingHeartbeatError => no_heartbeat(address),
        ErrorKind::AuthProviderError(error) => format!("cannot log in at {address}: {error}"),
        _ => format!("{address}: {error}"),
    })
}

/// The broker hangs up without a word when it does not like the user, unless asked to explain; other servers always.
fn after_greeting(address: &Address, error: &io::Error) -> Error {
    if tls_error(error).is_some() {
        return not_reached(address, error);
    }
    let user = &address.user;
    Error::connection(format!(
        "{address} hung up during the handshake ({error}): a wrong password for user {user:?}, a vhost {:?} that it may \
         not use, or no AMQP server",
        address.vhost
    ))
}

/// The channel or connection ended while in use.
pub fn ended(address: &Address, error: &lapin::Error) -> Error {
    refused(address, Doing::Publishing, error)
}

/// The broker ended the subscription although nobody asked it to.
pub fn cancelled(queue: &str) -> Error {
    Error::connection(format!(
        "the broker ended the subscription: queue {queue:?} was deleted, or moved to another node"
    ))
}

fn no_heartbeat(address: &Address) -> String {
    let after = address.dead_after().unwrap_or_default();
    format!("no sign of life from {address} for {after:?}: the link is dead")
}

/// What the broker closed a channel or connection with.
struct Refusal<'a> {
    code: u16,
    text: &'a str,
}

impl Refusal<'_> {
    fn explain(&self, address: &Address, doing: Doing<'_>) -> String {
        let (user, vhost) = (&address.user, &address.vhost);
        match (self.code, doing) {
            (code::ACCESS_REFUSED, Doing::Connecting) => self.and(format!(
                "{address} refuses user {user:?}: correct the password; guest may log in from the broker's machine only"
            )),
            (code::NOT_ALLOWED, Doing::Connecting) if self.text.contains("vhost") => self.and(format!(
                "{address} has no vhost {vhost:?}, or user {user:?} may not use it: rabbitmqctl add_vhost, set_permissions"
            )),
            (code::ACCESS_REFUSED, _) => {
                self.and(format!("user {user:?} may not do this at {address}: rabbitmqctl set_permissions -p {vhost}"))
            }
            (code::NOT_FOUND, Doing::Consuming(queue)) => {
                self.and(format!("queue {queue:?} does not exist in vhost {vhost:?}: create it, or do without `passive`"))
            }
            (code::NOT_FOUND, _) => self.and(format!("not found in vhost {vhost:?}: create it first")),
            (code::RESOURCE_LOCKED, _) => {
                self.and("another connection has the queue for itself: end it, or do without `exclusive`".into())
            }
            (code::PRECONDITION_FAILED, Doing::DeclaringExchange(name)) => self.differs("exchange", name),
            (code::PRECONDITION_FAILED, Doing::DeclaringQueue(name)) => self.differs("queue", name),
            // With no_wait the answer to a declaration comes with the first step that waits.
            (code::PRECONDITION_FAILED, Doing::Binding { queue, exchange }) => match self.text.contains("for exchange") {
                true => self.differs("exchange", exchange),
                false => self.differs("queue", queue),
            },
            (code::PRECONDITION_FAILED, _) if self.text.contains("acknowledgement") && self.text.contains("timed out") => {
                self.and(
                    "an event was held for longer than the broker's consumer_timeout: shorten `timeout` or `retry.max`, or \
                     raise consumer_timeout; what was held comes again"
                        .into(),
                )
            }
            (code::CONNECTION_FORCED, _) => self.and(format!("{address} closed the connection")),
            _ => self.and(format!("{address} closed the channel")),
        }
    }

    fn and(&self, explanation: String) -> String {
        format!("{explanation} ({} {})", self.code, self.text.trim())
    }

    /// RabbitMQ: `PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'x' in vhost '/': received 'true' but
    /// current is 'false'`.
    fn differs(&self, kind: &str, name: &str) -> String {
        let Some((argument, ours, theirs)) = difference(self.text) else {
            return self.and(format!("{kind} {name:?} exists with other properties: delete it, or configure the same"));
        };
        let key = match argument {
            "auto_delete" => "delete",
            "type" => "exchange_type",
            other => other,
        };
        format!(
            "{kind} {name:?} exists with {key} {theirs}, and the configuration says {ours}: correct `{key}`, or delete the {kind} ({} {argument})",
            self.code
        )
    }
}

/// Which argument differs, what was asked for, and what is there.
fn difference(text: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = text.split_once("inequivalent arg '")?;
    let (argument, rest) = rest.split_once('\'')?;
    let (_, rest) = rest.split_once("received ")?;
    let (ours, theirs) = rest.split_once(" but current is ")?;
    Some((argument, plain(ours), plain(theirs)))
}

/// `the value 'x' of type 'longstr'` and `'x'` as `x`; `none` as it is.
fn plain(value: &str) -> &str {
    let value = value.trim();
    let inner = value.split_once('\'').and_then(|(_, rest)| rest.split_once('\''));
    inner.map_or(value, |(inner, _)| inner)
}

/// One sentence of several: none of the brokers could be used.
pub fn none_of(errors: Vec<Error>) -> Error {
    match <[Error; 1]>::try_from(errors) {
        Ok([only]) => only,
        Err(errors) => {
            let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Error::connection(format!("none of {} brokers: {}", texts.len(), texts.join("; ")))
        }
    }
}

/// The address took too long.
pub fn too_late(address: &Address) -> Error {
    not_reached(address, &io::Error::from(io::ErrorKind::TimedOut))
}

/// A bug of siphon or of the client, in one line.
pub fn unexpected(what: impl Display) -> Error {
    Error::connection(format!("unexpected: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address::parse("amqp://svc:hunter2@mq/orders").unwrap()
    }

    #[track_caller]
    fn check(code: u16, text: &str, doing: Doing<'_>, expected: &str) {
        assert_eq!(Refusal { code, text }.explain(&address(), doing), expected);
    }

    #[test]
    fn a_difference_is_told_in_the_words_of_the_configuration() {
        check(
            406,
            "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'x' in vhost '/': received 'true' but current is 'false'",
            Doing::DeclaringExchange("x"),
            "exchange \"x\" exists with durable false, and the configuration says true: correct `durable`, or delete the exchange (406 durable)",
        );
        check(
            406,
            "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received the value '5' of type 'signedint' but current is none",
            Doing::Binding { queue: "q", exchange: "x" },
            "queue \"q\" exists with x-max-length none, and the configuration says 5: correct `x-max-length`, or delete the queue (406 x-max-length)",
        );
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        check(
            403,
            "ACCESS_REFUSED - Login was refused",
            Doing::Connecting,
            "amqp://mq:5672 refuses user \"svc\": correct the password; guest may log in from the broker's machine only (403 ACCESS_REFUSED - Login was refused)",
        );
        check(
            530,
            "NOT_ALLOWED - vhost orders not found",
            Doing::Connecting,
            "amqp://mq:5672 has no vhost \"orders\", or user \"svc\" may not use it: rabbitmqctl add_vhost, set_permissions (530 NOT_ALLOWED - vhost orders not found)",
        );
        check(
            404,
            "NOT_FOUND - no queue 'q'",
            Doing::Consuming("q"),
            "queue \"q\" does not exist in vhost \"orders\": create it, or do without `passive` (404 NOT_FOUND - no queue 'q')",
        );
        check(
            403,
            "ACCESS_REFUSED - access to queue 'q' in vhost 'orders' refused for user 'svc'",
            Doing::DeclaringQueue("q"),
            "user \"svc\" may not do this at amqp://mq:5672: rabbitmqctl set_permissions -p orders (403 ACCESS_REFUSED - access to queue 'q' in vhost 'orders' refused for user 'svc')",
        );
        check(
            406,
            "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1000 ms.",
            Doing::Publishing,
            "an event was held for longer than the broker's consumer_timeout: shorten `timeout` or `retry.max`, or raise consumer_timeout; what was held comes again (406 PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1000 ms.)",
        );
        check(
            320,
            "CONNECTION_FORCED - shutdown",
            Doing::Publishing,
            "amqp://mq:5672 closed the connection (320 CONNECTION_FORCED - shutdown)",
        );
    }

    #[test]
    fn an_unreachable_broker_is_one_line_without_secrets() {
        let refused = not_reached(&address(), &io::Error::from(io::ErrorKind::ConnectionRefused)).to_string();
        assert_eq!(
            refused,
            "cannot reach amqp://mq:5672: connection refused; start the broker, or correct host and port"
        );
        let several = none_of(vec![too_late(&address()), Error::connection(refused)]).to_string();
        assert!(several.starts_with("none of 2 brokers: amqp://mq:5672 did not answer within 30s"), "{several}");
        assert!(!several.contains("hunter2"));
    }

    #[test]
    fn an_unknown_certificate_names_the_remedy() {
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let text = not_reached(&address(), &io::Error::new(io::ErrorKind::InvalidData, unknown)).to_string();
        assert!(text.starts_with("TLS with amqp://mq:5672 failed: its CA is not trusted; name"), "{text}");
    }
}
