//! What a plugin hands back after a call in the pipe, as the core's own types.

use std::ffi::c_void;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use siphon_abi::{Answering, Ending, ErrorKind, Fields, Pairs, Returned, Slice};
use tokio::sync::oneshot;

/// What a plugin changed; the rest stays as it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    pub method: Option<String>,
    pub url: Option<String>,
    pub query: Option<Vec<(String, String)>>,
    /// All headers; names and values are as the plugin gave them.
    pub headers: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    pub params: Option<Vec<(String, String)>>,
    /// Of a request, or the raw body of a reply: in the plugin's memory, which is released with the last clone.
    pub body: Option<Bytes>,
    pub status: Option<u16>,
    pub complete: Option<bool>,
    /// JSON text that nobody has looked at yet.
    pub data: Option<Bytes>,
}

/// Why an event fails in a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub kind: ErrorKind,
    pub message: String,
    /// The status that the failure counts as.
    pub status: Option<u16>,
    /// That of the message.
    pub content_type: Option<String>,
}

impl Refused {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, content_type: None }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// How a call ended: `None`, everything stays.
pub type Ended = Result<Option<Changes>, Refused>;

/// The two ends of one call's answer.
pub(super) fn answering() -> (Answering, impl Future<Output = Ended> + Send + use<>) {
    let (sender, receiver) = oneshot::channel::<Returned>();
    let answering = Answering::new(Box::into_raw(Box::new(sender)).cast(), answer);
    let answered = async move {
        match receiver.await {
            Ok(returned) => ended(returned),
            Err(_) => Err(Refused::new(ErrorKind::CLOSED, "the plugin is gone")),
        }
    };
    (answering, answered)
}

unsafe extern "C" fn answer(context: *mut c_void, returned: Returned) {
    // SAFETY: called once, for the box that `answering` leaked.
    let sender = unsafe { Box::from_raw(context.cast::<oneshot::Sender<Returned>>()) };
    let _ = sender.send(returned); // nobody waits any more: it is released
}

fn ended(returned: Returned) -> Ended {
    match returned.ending {
        Ending::UNTOUCHED => Ok(None),
        Ending::CHANGED => changes(returned).map(Some),
        Ending::FAILED => Err(refused(&returned)),
        Ending(unknown) => Err(Refused::new(
            ErrorKind::FATAL,
            format!("the plugin ended with {unknown}, which this siphon does not know"),
        )),
    }
}

fn refused(returned: &Returned) -> Refused {
    // SAFETY: alive as long as `returned`, and copied here.
    let text = |slice: Slice| String::from_utf8_lossy(unsafe { slice.get() }).into_owned();
    let (message, content_type) = (text(returned.message), text(returned.content_type));
    Refused {
        kind: returned.kind,
        message: if message.is_empty() { "the plugin gave no reason".to_owned() } else { message },
        status: status(returned),
        content_type: Some(content_type).filter(|text| !text.is_empty()),
    }
}

fn status(returned: &Returned) -> Option<u16> {
    u16::try_from(returned.status).ok().filter(|status| *status > 0)
}

/// Everything is copied but `body` and `data`, which share the plugin's memory.
///
/// # Errors
///
/// A text that is no UTF-8.
fn changes(returned: Returned) -> Result<Changes, Refused> {
    let has = |field| returned.fields.has(field);
    let text = |field, name, slice| has(field).then(|| text(name, slice)).transpose();
    let texts = |field, name, pairs| has(field).then(|| texts(name, pairs)).transpose();
    let changes = Changes {
        method: text(Fields::METHOD, "method", returned.method)?,
        url: text(Fields::URL, "URL", returned.url)?,
        query: texts(Fields::QUERY, "query", returned.query)?,
        headers: has(Fields::HEADERS).then(|| pairs(returned.headers).collect()),
        params: texts(Fields::PARAMS, "param", returned.params)?,
        status: status(&returned).filter(|_| has(Fields::STATUS)),
        complete: has(Fields::COMPLETE).then_some(returned.complete != 0),
        ..Changes::default()
    };
    if !has(Fields::BODY) && !has(Fields::DATA) {
        return Ok(changes);
    }
    let (fields, body, data) = (returned.fields, returned.body, returned.data);
    let memory = Arc::new(returned);
    let share = |field, slice| {
        let part = Part { slice, _memory: Arc::clone(&memory) };
        fields.has(field).then(|| Bytes::from_owner(part))
    };
    Ok(Changes { body: share(Fields::BODY, body), data: share(Fields::DATA, data), ..changes })
}

/// A part of a [`Returned`], which it keeps alive.
struct Part {
    slice: Slice,
    _memory: Arc<Returned>,
}

// SAFETY: what the slice points to does not change, and lives as long as `_memory`, which any thread may drop.
unsafe impl Send for Part {}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: as above.
        unsafe { self.slice.get() }
    }
}

fn text(name: &str, slice: Slice) -> Result<String, Refused> {
    // SAFETY: the caller holds the `Returned` that it is of; it is copied here.
    let bytes = unsafe { slice.get() };
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Refused::new(ErrorKind::FATAL, format!("the plugin returned a {name} that is no UTF-8")))
}

fn texts(name: &str, list: Pairs) -> Result<Vec<(String, String)>, Refused> {
    // SAFETY: as in `text`.
    let pairs = unsafe { list.get() }.iter();
    pairs.map(|pair| Ok((text(name, pair.name)?, text(name, pair.value)?))).collect()
}

fn pairs(list: Pairs) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    // SAFETY: as in `text`.
    unsafe { list.get().iter().map(|pair| (pair.name.get().to_vec(), pair.value.get().to_vec())) }
}
