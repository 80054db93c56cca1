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
