//! What an author writes who changes what goes through a pipe, or who calls a backend.

use std::future::Future;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use siphon_abi::ErrorKind;

use crate::driver::check_nothing;
use crate::view::{Changed, List, Reply, Request};
use crate::{Context, Error, Finding};

/// What a [`Modifier`] is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Requests on their way down.
    Requests,
    /// Replies on their way up, where nothing failed.
    Replies,
    /// Both: one object for the two of them.
    Both,
}

/// Changes what goes through the pipe of an agent or of a backend: `plugin/req-resp-modifier`.
///
/// One value serves all events of its place at once, from any thread.
pub trait Modifier: Send + Sync + Sized + 'static {
    /// The names under which a configuration finds it: the main one first, then aliases.
    const NAMES: &'static [&'static str];
    /// How logs call it, such as `Tenant`.
    const LABEL: &'static str;
    const SIDES: Sides;
    /// Deserialised from the object under its name; `{}` where there is none. Its doc comments become descriptions.
    type Config: DeserializeOwned + JsonSchema + Send + 'static;

    /// Looks at the configuration beyond its types, contacting nobody. All that is wrong, at once.
    fn check(config: &Self::Config, context: &Context) -> Vec<Finding> {
        check_nothing(config, context)
    }

    /// Makes the modifier of one place of a configuration. Runs at load: contacts nobody.
    ///
    /// # Errors
    ///
    /// What keeps it from working; siphon does not start then.
    fn open(config: Self::Config, context: Context) -> Result<Self, Error>;

    /// Changes a request. Begins on the agent's own thread: up to the first `await` that waits it must not block, and
    /// what comes behind that runs on the plugin's thread. Dropped when the event's time is up.
    ///
    /// # Errors
    ///
    /// The event fails; neither later modifiers nor the backend see it.
    fn request(&self, request: &mut Request) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = request;
        async { Ok(()) }
    }

    /// Changes a reply, as [`request`](Self::request) changes a request.
    ///
    /// # Errors
    ///
    /// The event fails, whatever the backend has done.
    fn reply(&self, reply: &mut Reply) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = reply;
        async { Ok(()) }
    }
}

/// Makes the calls of a backend in its own way: `plugin/http-client`.
pub trait HttpClient: Send + Sync + Sized + 'static {
    /// As [`Modifier::NAMES`].
    const NAMES: &'static [&'static str];
    const LABEL: &'static str;
    /// As [`Modifier::Config`].
    type Config: DeserializeOwned + JsonSchema + Send + 'static;

    /// As [`Modifier::check`].
    fn check(config: &Self::Config, context: &Context) -> Vec<Finding> {
        check_nothing(config, context)
    }

    /// Makes the client of one backend. Runs at load: contacts nobody.
    ///
    /// # Errors
    ///
    /// What keeps it from working; siphon does not start then.
    fn open(config: Self::Config, context: Context) -> Result<Self, Error>;

    /// Calls. Runs on the plugin's thread, many at once: it must not block. Dropped when the event's time is up.
    ///
    /// # Errors
    ///
    /// There is no reply. A status that is no success is a reply, and siphon judges it.
    fn call(&self, request: Request) -> impl Future<Output = Result<Answer, Refusal>> + Send;
}

/// What an [`HttpClient`] got from the backend.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    status: Option<u16>,
    headers: List,
    body: Bytes,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status: Some(status), body: body.into(), ..Self::default() }
    }

    /// Adds a header; names may repeat.
    #[must_use]
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn into_changed(self) -> Changed {
        let Self { status, headers, body } = self;
        Changed { status, headers: Some(headers), body: Some(body), ..Changed::default() }
    }
}

/// Why an event fails in a plugin: short, lower-case, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
    pub(crate) content_type: String,
}

impl Refusal {
    /// The event cannot pass.
    pub fn new(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::FATAL, message: message.into(), status: None, content_type: String::new() }
    }

    /// Somebody could not be reached, or went away: trying again may help.
    pub fn connection(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::CONNECTION, ..Self::new(message) }
    }

    /// The failure counts as this status would: for retries and for the agent's `outcomes`.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// What `message` is, such as `application/json`.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    pub(crate) fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, ..Self::new(message) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { kind: error.kind, ..Self::new(error.to_string()) }
    }
}
