//! Why an event failed in the pipe. The texts are the reference's (pipeline.md §12.1), some with a place after them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Method, Uri};
use siphon_telemetry::redact;

/// A failure of one backend, or of several.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PipeError {
    /// The backend answered with a status that is no success, or with a redirect that was not followed.
    #[error("invalid status code {code} [{method} {pattern}]: {url}{}", after_colon(.said))]
    Status {
        code: u16,
        method: Method,
        /// The `url_pattern` as the configuration spells it, without secrets.
        pattern: Arc<str>,
        /// What was asked, after redirects, without secrets.
        url: String,
        /// The reply's `Retry-After`.
        retry_after: Option<Duration>,
        /// The beginning of the reply's body, where the configuration wants it; else empty.
        said: String,
    },
    /// The backend could not be reached: name, TCP or TLS. Nothing was sent.
    #[error("{call}: {reason}")]
    Connect { call: Call, reason: String },
    /// The connection broke, or what came over it is no HTTP. The backend may have worked on the event.
    #[error("{call}: {reason}")]
    Transport { call: Call, reason: String },
    /// `response_header_timeout` passed.
    #[error("{call}: net/http: timeout awaiting response headers")]
    HeadersTimedOut { call: Call },
    /// The event's time is up.
    #[error("context deadline exceeded")]
    TimedOut,
    /// Redirects without end, or one that leads nowhere.
    #[error("{call}: {reason}")]
    Redirect { call: Call, reason: String },
    /// The reply is larger than [`crate::http::REPLY_LIMIT`], as it came or unpacked.
    #[error("{call}: the reply is larger than {limit} bytes")]
    Oversized { call: Call, limit: usize },
    /// The reply is not what the backend's `encoding` says.
    #[error("{reason} [{method} {pattern}]")]
    Decode { reason: String, method: Method, pattern: Arc<str> },
    /// The reply says that it is packed, and cannot be unpacked.
    #[error("{call}: {reason}")]
    Packing { call: Call, reason: String },
    /// The event cannot be made into a request.
    #[error("{reason}")]
    Invalid { reason: String },
    /// A check of the configuration refuses the event, or what was answered.
    #[error("{reason}")]
    Unfit {
        reason: String,
        /// What the check wants of the event; `None`: the agent's delivery policy decides.
        outcome: Option<Outcome>,
    },
    /// A plugin's backend did not take the event: its namespace, and what the plugin says.
    #[error("{namespace}: {reason}")]
    Plugin {
        namespace: Arc<str>,
        reason: String,
        /// Its broker could not be reached, or went away.
        is_connection: bool,
    },
    /// A plugin that stands in the pipe failed the event: its name, and what it says.
    #[error("{name}: {reason}")]
    Refused {
        name: Arc<str>,
        reason: String,
        /// The status that it counts as.
        status: Option<u16>,
        /// What `reason` is, such as `application/json`, where the plugin says so.
        content_type: Option<String>,
        /// Whom it needs could not be reached, or went away.
        is_connection: bool,
        /// It gave no answer in time.
        is_late: bool,
    },
    /// The backend's rate limit is used up. It was not called.
    #[error("rate limit exceded")]
    RateLimited {
        /// Until the limit has room again.
        retry_after: Duration,
    },
    /// The backend's circuit breaker is open. It was not called.
    #[error("circuit breaker is open")]
    BreakerOpen {
        /// Until the breaker lets an event try.
        retry_after: Duration,
    },
    /// The backend's circuit breaker waits for the one event that tries. It was not called.
    #[error("too many requests")]
    BreakerTrying,
    /// There is no token or no credential for the call, and why. The backend was not called.
    #[error("{call}: {reason}")]
    Credential {
        call: Call,
        reason: String,
        /// Who gives them could not be reached, or went away.
        is_connection: bool,
        retry_after: Option<Duration>,
    },
    /// AWS Lambda refused the call, or the function failed.
    #[error("{reason}")]
    Lambda {
        reason: String,
        /// That of the refusal; `None`: the function ran, and failed.
        status: Option<u16>,
        retry_after: Option<Duration>,
    },
    /// A script failed, or failed the event by `custom_error`.
    #[error("{reason}")]
    Script {
        /// What it says, with script and line where they are known.
        reason: String,
        /// That of `custom_error`.
        status: Option<u16>,
        /// The event's time is up.
        is_late: bool,
    },
    /// A gRPC service did not do what it was asked, or nobody knows whether it did.
    #[error("grpc: {name} [{method}]{}", after_colon(.said))]
    Grpc {
        /// `NOT_FOUND`.
        name: &'static str,
        /// The HTTP status that stands for it.
        status: u16,
        /// Whether waiting can help.
        is_temporary: bool,
        /// `/package.Service/Method`.
        method: Arc<str>,
        said: String,
        retry_after: Option<Duration>,
    },
    /// Every backend has a rule, and none matches.
    #[error("no backend takes this event: no rule of backend/conditional matches, and there is no fallback")]
    Untaken,
    #[error("no hosts available")]
    NoHosts,
    /// Service discovery found no host.
    #[error("no hosts available: lookup {name}: {reason}")]
    Discovery { name: String, reason: String },
    /// A stage gave neither data nor an error.
    #[error("invalid response")]
    NoResponse,
    /// Several backends failed, in the order of the configuration.
    #[error("{}", joined(.0))]
    Merge(Vec<PipeError>),
}

/// What a check may want of an event that it refuses; what loses least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Once more, later.
    Retry,
    DeadLetter,
    /// It is done with.
    Discard,
}

/// What a delivery policy distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    Status(u16),
    Timeout,
    Connect,
    /// A reply or an event that cannot be understood.
    Invalid,
    Other,
}

impl PipeError {
    /// Of several failures that of the first; [`kinds`](Self::kinds) has all.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Status { code, .. } => FailureKind::Status(*code),
            Self::TimedOut | Self::HeadersTimedOut { .. } => FailureKind::Timeout,
            Self::Lambda { status: Some(code), .. } | Self::Grpc { status: code, .. } => FailureKind::Status(*code),
            Self::Refused { status: Some(code), .. } => FailureKind::Status(*code),
            Self::Refused { is_late: true, .. } => FailureKind::Timeout,
            Self::Refused { is_connection: true, .. } => FailureKind::Connect,
            Self::Script { is_late: true, .. } => FailureKind::Timeout,
            Self::Script { status: Some(code @ 100..=599), .. } => FailureKind::Status(*code),
            Self::Connect { .. } | Self::NoHosts | Self::Discovery { .. } => FailureKind::Connect,
            Self::Plugin { is_connection: true, .. } | Self::Credential { is_connection: true, .. } => {
                FailureKind::Connect
            }
            Self::Decode { .. } | Self::Packing { .. } | Self::Oversized { .. } => FailureKind::Invalid,
            Self::Invalid { .. } | Self::Unfit { .. } | Self::Untaken => FailureKind::Invalid,
            Self::Transport { .. } | Self::Redirect { .. } | Self::NoResponse | Self::Plugin { .. } => {
                FailureKind::Other
            }
            // Not the backend's word on the event: no outcome of a status may give it up.
            Self::RateLimited { .. } | Self::BreakerOpen { .. } | Self::BreakerTrying => FailureKind::Other,
            Self::Credential { .. } | Self::Lambda { .. } | Self::Refused { .. } => FailureKind::Other,
            Self::Script { .. } => FailureKind::Other,
            Self::Merge(parts) => parts.first().map_or(FailureKind::Other, Self::kind),
        }
    }

    /// One for each failed backend.
    pub fn kinds(&self) -> Vec<FailureKind> {
        match self {
            Self::Merge(parts) => parts.iter().flat_map(Self::kinds).collect(),
            one => vec![one.kind()],
        }
    }

    /// What the checks want that refused the event. Of several failures that which loses least, and only where each of
    /// them was a check that chose.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Unfit { outcome, .. } => *outcome,
            Self::Merge(parts) => parts.iter().map(Self::outcome).collect::<Option<Vec<_>>>()?.into_iter().min(),
            _ => None,
        }
    }

    /// Whether waiting can help: 408, 429, 5xx, time and connections may pass on a later attempt. Of several
    /// failures one is enough.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Status { code, .. } | Self::Lambda { status: Some(code), .. } => is_passing(*code),
            Self::Refused { status: Some(code), .. } => is_passing(*code),
            Self::Script { status: Some(code), .. } => is_passing(*code),
            Self::RateLimited { .. } | Self::BreakerOpen { .. } | Self::BreakerTrying => true,
            Self::Grpc { is_temporary, .. } => *is_temporary,
            Self::Merge(parts) => parts.iter().any(Self::is_temporary),
            other => {
                matches!(other.kind(), FailureKind::Timeout | FailureKind::Connect) || other.is_broken_connection()
            }
        }
    }

    /// The same failure, told of `call`: a layer has added to its URL what must not be shown.
    pub(crate) fn of(self, call: Call) -> Self {
        let mut error = self;
        match &mut error {
            Self::Connect { call: told, .. }
            | Self::Transport { call: told, .. }
            | Self::HeadersTimedOut { call: told }
            | Self::Redirect { call: told, .. }
            | Self::Oversized { call: told, .. }
            | Self::Packing { call: told, .. }
            | Self::Credential { call: told, .. } => *told = call,
            _ => {}
        }
        error
    }

    fn is_broken_connection(&self) -> bool {
        matches!(self, Self::Transport { .. })
    }

    /// How long the backends asked to wait, or what stands before them; of several the longest.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::RateLimited { retry_after } | Self::BreakerOpen { retry_after } => Some(*retry_after),
            Self::Credential { retry_after, .. } | Self::Lambda { retry_after, .. } => *retry_after,
            Self::Grpc { retry_after, .. } => *retry_after,
            Self::Merge(parts) => parts.iter().filter_map(Self::retry_after).max(),
            _ => None,
        }
    }
}

/// A status that a later attempt may not get.
fn is_passing(code: u16) -> bool {
    matches!(code, 408 | 429 | 500..=599)
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn joined(parts: &[PipeError]) -> String {
    parts.iter().map(PipeError::to_string).collect::<Vec<_>>().join("\n")
}

/// A call as the texts name it: `Post "http://h/a"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: Method,
    /// Without secrets.
    pub url: String,
}

impl Call {
    pub fn new(method: &Method, url: &Uri) -> Self {
        Self { method: method.clone(), url: shortened(redact::url(&url.to_string())) }
    }
}

/// Characters of a URL in an error: what a reply has put into it may have any length.
const SHOWN_LIMIT: usize = 500;

/// A text that is shown, cut where it is too long.
pub(crate) fn shortened(text: String) -> String {
    match text.char_indices().nth(SHOWN_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, rest) = self.method.as_str().split_at(1);
        write!(f, "{first}{} \"{}\"", rest.to_ascii_lowercase(), self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_url_is_cut() {
        let url = |length: usize| format!("http://h/{}", "ü".repeat(length));
        let shown = shortened(url(20_000));
        assert_eq!((shown.chars().count(), shown.ends_with("ü…")), (SHOWN_LIMIT + 1, true));
        assert_eq!(shortened(url(400)), url(400));
    }

    fn status(code: u16, seconds: Option<u64>) -> PipeError {
        let (method, url) = (Method::POST, "http://h/a?q=1".to_owned());
        let (retry_after, said) = (seconds.map(Duration::from_secs), String::new());
        PipeError::Status { code, method, pattern: "/a?q=1".into(), url, retry_after, said }
    }

    fn call(url: &str) -> Call {
        Call::new(&Method::POST, &url.parse().expect(url))
    }

    #[test]
    fn the_texts_are_those_of_the_reference() {
        let connect = PipeError::Connect {
            call: call("http://h:19/a"),
            reason: "dial tcp 127.0.0.1:19: connect: connection refused".into(),
        };
        let reason = "invalid character '<' looking for beginning of value at line 1, column 1".into();
        let decode = PipeError::Decode { reason, method: Method::GET, pattern: "/x".into() };
        let cases = [
            (status(500, None), "invalid status code 500 [POST /a?q=1]: http://h/a?q=1"),
            (connect, "Post \"http://h:19/a\": dial tcp 127.0.0.1:19: connect: connection refused"),
            (PipeError::TimedOut, "context deadline exceeded"),
            (PipeError::NoHosts, "no hosts available"),
            (PipeError::RateLimited { retry_after: Duration::ZERO }, "rate limit exceded"),
            (PipeError::BreakerOpen { retry_after: Duration::ZERO }, "circuit breaker is open"),
            (PipeError::BreakerTrying, "too many requests"),
            (PipeError::NoResponse, "invalid response"),
            (decode, "invalid character '<' looking for beginning of value at line 1, column 1 [GET /x]"),
            (
                PipeError::Merge(vec![PipeError::TimedOut, PipeError::NoHosts]),
                "context deadline exceeded\nno hosts available",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn a_secret_in_a_url_is_not_shown() {
        assert_eq!(call("http://user:hunter2@h:80/a").url, "http://user:***@h:80/a");
        assert_eq!(call("http://h:80/a?api_key=hunter2&q=1").url, "http://h:80/a?api_key=***&q=1");
    }

    #[test]
    fn waiting_helps_against_trouble_on_the_way_and_not_against_refusals() {
        let transport = PipeError::Transport { call: call("http://h/"), reason: "EOF".into() };
        let invalid = PipeError::Invalid { reason: "x".into() };
        let cases = [
            (status(408, None), true),
            (status(429, None), true),
            (status(503, None), true),
            (status(404, None), false),
            (status(301, None), false),
            (PipeError::TimedOut, true),
            (PipeError::NoHosts, true),
            (transport, true),
            (PipeError::BreakerTrying, true),
            (invalid.clone(), false),
            (PipeError::Merge(vec![invalid.clone(), status(503, None)]), true),
            (PipeError::Merge(vec![invalid, status(404, None)]), false),
        ];
        for (error, temporary) in cases {
            assert_eq!(error.is_temporary(), temporary, "{error}");
        }
    }

    #[test]
    fn of_several_refusals_what_loses_least_is_done_and_of_others_what_the_policy_says() {
        let refused = |outcome| PipeError::Unfit { reason: "no".into(), outcome };
        let (dead, gone) = (Some(Outcome::DeadLetter), Some(Outcome::Discard));
        let cases = [
            (vec![refused(gone), refused(dead)], dead),
            (vec![refused(gone), refused(Some(Outcome::Retry))], Some(Outcome::Retry)),
            (vec![refused(gone), refused(None)], None),
            (vec![refused(gone), PipeError::TimedOut], None),
            (vec![PipeError::Merge(vec![refused(gone)]), refused(gone)], gone),
        ];
        for (parts, expected) in cases {
            assert_eq!(PipeError::Merge(parts).outcome(), expected);
        }
        assert_eq!((refused(dead).outcome(), PipeError::TimedOut.outcome()), (dead, None));
        assert!(!refused(gone).is_temporary() && refused(None).kind() == FailureKind::Invalid);
    }

    #[test]
    fn what_a_plugin_refuses_counts_as_it_says() {
        let refused = |status, is_connection, is_late| {
            let (name, reason) = ("tenant".into(), "no tenant".to_owned());
            PipeError::Refused { name, reason, status, content_type: None, is_connection, is_late }
        };
        let cases = [
            (refused(Some(503), false, false), FailureKind::Status(503), true),
            (refused(Some(422), true, false), FailureKind::Status(422), false),
            (refused(None, true, false), FailureKind::Connect, true),
            (refused(None, false, true), FailureKind::Timeout, true),
            (refused(None, false, false), FailureKind::Other, false),
        ];
        for (error, kind, is_temporary) in cases {
            assert_eq!((error.kind(), error.is_temporary()), (kind, is_temporary), "{error:?}");
            assert_eq!(error.to_string(), "tenant: no tenant");
        }
    }

    #[test]
    fn of_several_failures_the_kinds_are_all_there_and_the_longest_wait_counts() {
        let limited = PipeError::RateLimited { retry_after: Duration::from_secs(5) };
        let error = PipeError::Merge(vec![status(429, Some(3)), PipeError::TimedOut, status(503, Some(7))]);
        assert_eq!(PipeError::Merge(vec![limited, status(503, None)]).retry_after(), Some(Duration::from_secs(5)));
        let kinds = [FailureKind::Status(429), FailureKind::Timeout, FailureKind::Status(503)];
        assert_eq!(error.kinds(), kinds);
        assert_eq!(error.kind(), kinds[0]);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}
