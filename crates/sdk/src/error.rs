//! What a driver tells the host when something goes wrong.

use siphon_abi::{DriverError, ErrorKind, Weight};

/// An error of a driver: what happened, and what can be done. Short, lower-case, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    pub(crate) kind: ErrorKind,
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Error {
    /// The value at `path` (such as `tls.ca_certs[0]`) of the driver's configuration cannot work.
    pub fn config(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::CONFIG, path: path.into(), message: message.into() }
    }

    /// The broker could not be reached, refused, or went away. The supervisor opens the driver again after its backoff.
    pub fn connection(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::CONNECTION, path: String::new(), message: message.into() }
    }

    /// Trying again will not help. The agent is shown as failed.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::FATAL, path: String::new(), message: message.into() }
    }

    /// The driver cannot do what was asked.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::UNSUPPORTED, path: String::new(), message: message.into() }
    }

    pub(crate) fn panic(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::PANIC, path: String::new(), message: message.into() }
    }

    pub(crate) fn closed() -> Self {
        Self { kind: ErrorKind::CLOSED, path: String::new(), message: "the driver is closed".into() }
    }

    pub(crate) fn into_abi(self) -> DriverError {
        DriverError { kind: self.kind, path: self.path.into(), message: self.message.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for Error {}

/// A remark on a configuration that `check` shows with its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub weight: Weight,
    /// Where in the driver's configuration, such as `tls.ca_certs[0]`; empty for the whole.
    pub path: String,
    pub message: String,
}

impl Finding {
    /// The configuration cannot work.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { weight: Weight::ERROR, path: path.into(), message: message.into() }
    }

    /// What is wrong with a template that [`OutgoingMessage::fill`](crate::OutgoingMessage::fill) will get: a brace that is never
    /// closed, or nothing between two of them, would be published as it stands.
    pub fn of_template(path: impl Into<String>, template: &str) -> Option<Self> {
        let mut rest = template;
        while let Some((_, behind)) = rest.split_once('{') {
            match behind.split_once('}') {
                None => return Some(Self::error(path, format!("never closes the brace of \"{{{behind}\""))),
                Some((name, _)) if name.trim().is_empty() || name.contains('{') => {
                    return Some(Self::error(path, format!("has no name in \"{{{name}}}\"")));
                }
                Some((_, behind)) => rest = behind,
            }
        }
        None
    }

    /// It works, but perhaps not as meant.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { weight: Weight::WARNING, path: path.into(), message: message.into() }
    }

    /// Worth knowing.
    pub fn notice(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { weight: Weight::NOTICE, path: path.into(), message: message.into() }
    }

    pub(crate) fn into_abi(self) -> siphon_abi::Finding {
        siphon_abi::Finding { weight: self.weight, path: self.path.into(), message: self.message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: Option<&str>) {
        let found = Finding::of_template("subject", template);
        assert_eq!(found.as_ref().map(|finding| finding.message.as_str()), expected);
    }

    #[test]
    fn a_template_with_a_brace_that_cannot_be_meant_is_found() {
        check("", None);
        check("orders.{topic}.{Key}", None);
        check("orders.{topic", Some("never closes the brace of \"{topic\""));
        check("orders.{}", Some("has no name in \"{}\""));
        check("{a{b}", Some("has no name in \"{a{b}\""));
    }
}
