//! From the errors of a script to the failure of its event (components-scripting.md §4.7).

use mlua::Error;

use super::limits::{Stop, Stopped};
use super::program::{Program, Sources};
use crate::error::PipeError;

/// Stands between the parts of what `custom_error` raises.
const BETWEEN: &str = " || ";

/// Status of a `custom_error` that has none.
pub(super) const NO_STATUS: i64 = -1;

/// The failure of the event whose script ended with `error`. `sources`: those that ran.
pub(super) fn failure(error: &Error, sources: &Sources) -> PipeError {
    let Raised { text, place } = raised(error);
    let is_late = stop_of(error).is_some_and(|stopped| stopped.why == Stop::Deadline);
    let mut parts = text.trim().split(BETWEEN);
    let message = parts.next().unwrap_or_default();
    let Some(status) = parts.next() else {
        let place = place.as_ref().and_then(|(chunk, line)| sources.place(chunk, *line));
        let reason = match place {
            Some((script, line)) => format!("{message} ({script}:L{line})"),
            None => message.to_owned(),
        };
        return PipeError::Script { reason, status: None, is_late };
    };
    let status = status.trim().parse().unwrap_or(500);
    PipeError::Script { reason: message.to_owned(), status: u16::try_from(status).ok(), is_late }
}

/// Whether the state is of no use any more.
pub(super) fn is_fatal(error: &Error) -> bool {
    stop_of(error).is_some() || matches!(root(error), Error::MemoryError(_))
}

/// The text that `pcall` gives to a script for an error of ours, with its place before it.
pub(super) fn text(error: &Error) -> String {
    match raised(error) {
        Raised { text, place: Some((chunk, line)) } => format!("{chunk}:{line}: {text}"),
        Raised { text, place: None } => text,
    }
}

struct Raised {
    text: String,
    /// The chunk's name and the line.
    place: Option<(String, u32)>,
}

fn raised(error: &Error) -> Raised {
    match error {
        Error::CallbackError { traceback, cause } => {
            let inner = raised(cause);
            Raised { place: inner.place.or_else(|| traceback.lines().find_map(leading_place)), ..inner }
        }
        Error::RuntimeError(text) | Error::SyntaxError { message: text, .. } => placed(text),
        Error::MemoryError(_) => {
            let limit = super::machine::MEMORY_LIMIT;
            Raised { text: format!("the script needs more than {limit} bytes"), place: None }
        }
        Error::BadArgument { to, cause, .. } => {
            let method = to.as_deref().and_then(|to| to.rsplit(['.', ':']).next()).unwrap_or("method");
            let text = format!("bad argument #1 to {method}: it is called with : on another kind of object ({cause})");
            Raised { text, place: None }
        }
        Error::ExternalError(error) => {
            let place = error.downcast_ref().and_then(|stopped: &Stopped| stopped.place.clone());
            Raised { text: error.to_string(), place }
        }
        other => Raised { text: other.to_string(), place: None },
    }
}

fn root(error: &Error) -> &Error {
    match error {
        Error::CallbackError { cause, .. } => root(cause),
        other => other,
    }
}

fn stop_of(error: &Error) -> Option<&Stopped> {
    match root(error) {
        Error::ExternalError(error) => error.downcast_ref(),
        _ => None,
    }
}

/// A message of Lua: its place stands before it, and what called what behind it.
fn placed(message: &str) -> Raised {
    let (message, calls) = message.rsplit_once("\nstack traceback:\n").unwrap_or((message, ""));
    if let Some(text) = without_ours(message) {
        return Raised { text: text.to_owned(), place: calls.lines().find_map(leading_place) };
    }
    if let Some(place) = leading_place(message)
        && let Some(text) = message.strip_prefix(&format!("{}:{}: ", place.0, place.1))
    {
        return Raised { text: text.to_owned(), place: Some(place) };
    }
    Raised { text: message.to_owned(), place: calls.lines().find_map(leading_place) }
}

/// What stands behind a place in `prelude.lua`, which is none that its author knows.
fn without_ours(message: &str) -> Option<&str> {
    let (line, text) = message.strip_prefix("prelude:")?.split_once(": ")?;
    line.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

/// `pre-script:3` at the beginning of a line.
pub(super) fn leading_place(line: &str) -> Option<(String, u32)> {
    let mut parts = line.trim_start().splitn(3, ':');
    let (chunk, line) = (parts.next()?, parts.next()?);
    Program::CHUNKS.contains(&chunk).then(|| line.parse().ok().map(|line| (chunk.to_owned(), line)))?
}
