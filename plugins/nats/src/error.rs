//! What went wrong at the server, in one line that says what to do. Never a secret.
//!
//! Source: <https://docs.nats.io/reference/reference-protocols/nats-protocol>, and what nats-server 2.15 writes.

use std::error::Error as _;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::stream::ConsumerCreateStrictErrorKind;
use async_nats::{ConnectError, ConnectErrorKind};
use siphon_sdk::Error;

use crate::config::Durable;
use crate::login::Login;

/// The server could not be reached, or let siphon not in.
pub fn not_reached(servers: &str, login: &Login, patience: Duration, error: &ConnectError) -> Error {
    let source = error.source();
    let io = source.and_then(|source| source.downcast_ref::<io::Error>());
    let tls = io.and_then(|error| error.get_ref()?.downcast_ref::<rustls::Error>());
    let why = source.map_or_else(|| error.to_string(), ToString::to_string);
    Error::connection(match (error.kind(), tls, io.map(io::Error::kind)) {
        (ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication, ..) => {
            format!("{servers} refuses {}: correct the login (authorization violation)", login.name())
        }
        (ConnectErrorKind::TimedOut, ..) => {
            format!("{servers} did not answer within {patience:?}; look at host, port and firewall")
        }
        (ConnectErrorKind::Dns, ..) => format!("cannot find the host of {servers}: {why}"),
        (_, Some(tls), _) => format!("TLS with {servers} failed: {} ({tls})", mending(tls)),
        (_, _, Some(io::ErrorKind::ConnectionRefused)) => {
            format!("cannot reach {servers}: connection refused; start the server, or correct host and port")
        }
        _ if why.contains("expected INFO") => {
            format!("{servers} is no NATS server, or wants TLS first: see `tls_first`")
        }
        _ => format!("cannot reach {servers}: {why}; look at host, port and network"),
    })
}

fn mending(error: &rustls::Error) -> &'static str {
    use rustls::{AlertDescription as Alert, CertificateError, Error as Tls};
    match error {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its CA is not trusted; name the CA's file in client_tls.ca_certs"
        }
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is not for this host; correct the host",
        Tls::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired; renew it"
        }
        Tls::InvalidMessage(_) => "it does not speak TLS; write nats://",
        Tls::AlertReceived(Alert::CertificateRequired | Alert::HandshakeFailure | Alert::BadCertificate) => {
            "it wants a certificate of siphon's own; give client_tls.client_certs"
        }
        Tls::AlertReceived(Alert::UnknownCA | Alert::CertificateUnknown) => {
            "it does not trust siphon's certificate; have it signed by a CA that the server knows"
        }
        _ => "look at the certificates of both sides",
    }
}

/// JetStream says nothing at all.
pub fn no_jetstream(servers: &str) -> Error {
    Error::connection(format!(
        "JetStream does not answer at {servers}: start the server with -js, and let this user publish to $JS.API.> and \
         subscribe to _INBOX.>"
    ))
}

pub fn no_stream(servers: &str, stream: &str) -> Error {
    Error::connection(format!(
        "stream {stream:?} does not exist at {servers}: create it (nats stream add {stream}), or correct `stream`"
    ))
}

pub fn no_consumer(durable: Durable<'_>) -> Error {
    let Durable { stream, name } = durable;
    Error::connection(format!(
        "consumer {name:?} of stream {stream:?} does not exist: create it, or do without `passive`"
    ))
}

/// The stream never holds what the agent listens to.
pub fn not_held(stream: &str, subjects: &[String], topic: &str) -> Error {
    let subjects = subjects.join(", ");
    Error::connection(format!(
        "stream {stream:?} takes {subjects}: nothing of the topic {topic:?} can be in it; correct the topic, or add it (nats \
         stream edit {stream})"
    ))
}

/// The consumer went away while it was used.
pub fn consumer_is_gone(name: &str, stream: &str, why: &str) -> Error {
    Error::connection(format!("consumer {name:?} of stream {stream:?} is gone: it or its stream was deleted ({why})"))
}

/// The consumer was not created.
pub fn not_created(durable: Durable<'_>, kind: &ConsumerCreateStrictErrorKind) -> Error {
    let Durable { stream, name } = durable;
    let ConsumerCreateStrictErrorKind::JetStream(error) = kind else {
        return Error::connection(format!("cannot create consumer {name:?} of stream {stream:?}: {kind}"));
    };
    let what_to_do = match error.error_code() {
        ErrorCode::CONSUMER_FILTER_NOT_SUBSET => "the agent's topics are not among the stream's subjects",
        ErrorCode::CONSUMER_WQ_MULTIPLE_UNFILTERED | ErrorCode::CONSUMER_WQ_CONSUMER_NOT_UNIQUE => {
            "the stream is a work queue, and another consumer takes these topics: use its name, or other topics"
        }
        ErrorCode::CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL => "the stream is a work queue: leave the start at `all`",
        ErrorCode::CONSUMER_DUPLICATE_FILTER_SUBJECTS | ErrorCode::CONSUMER_OVERLAPPING_SUBJECT_FILTERS => {
            "the agent's topics overlap"
        }
        _ => "the server refuses it",
    };
    Error::connection(format!("cannot create consumer {name:?} of stream {stream:?}: {what_to_do} ({error})"))
}

/// A message was not taken by JetStream. `stream`: where it should have gone, if anybody has said.
pub fn not_published(subject: &str, stream: Option<&str>, error: &PublishError) -> Error {
    let named = stream.map_or_else(|| "JetStream".to_owned(), |stream| format!("stream {stream:?}"));
    match error.kind() {
        PublishErrorKind::StreamNotFound => {
            let what_to_do = match stream {
                Some(stream) => format!("add it to those of stream {stream:?}"),
                None => "create one, or set `plain`".into(),
            };
            Error::fatal(format!("no stream takes the subject {subject:?}: {what_to_do}"))
        }
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => {
            Error::connection(format!("{named} did not confirm: {error}"))
        }
        PublishErrorKind::MaxPayloadExceeded => Error::fatal(format!("the message is too large: {error}")),
        _ => {
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            Error::fatal(format!("{named} did not take a message with subject {subject:?}: {why}"))
        }
    }
}

/// The client has ended, or does something that it never should.
pub fn unexpected(what: impl Display) -> Error {
    Error::connection(format!("unexpected: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::Secret;

    #[track_caller]
    fn check(error: &ConnectError, expected: &str) {
        let login = Login::Password { user: "svc".into(), password: Secret("hunter2".into()) };
        let found = not_reached("nats://mq:4222", &login, Duration::from_secs(5), error).to_string();
        assert!(found.starts_with(expected) && !found.contains("hunter2"), "{found}");
    }

    #[test]
    fn what_keeps_siphon_out_is_one_line_that_says_what_to_do() {
        check(
            &ConnectError::new(ConnectErrorKind::AuthorizationViolation),
            "nats://mq:4222 refuses user \"svc\": correct the login",
        );
        check(&ConnectError::new(ConnectErrorKind::TimedOut), "nats://mq:4222 did not answer within 5s; look at");
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        check(&ConnectError::from(refused), "cannot reach nats://mq:4222: connection refused; start the server");
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let unknown = io::Error::new(io::ErrorKind::InvalidData, unknown);
        check(
            &ConnectError::from(unknown),
            "TLS with nats://mq:4222 failed: its CA is not trusted; name the CA's file",
        );
    }
}
