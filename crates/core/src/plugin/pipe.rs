//! A plugin's modifier and HTTP client, from the host's side.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use siphon_abi::{
    Capabilities, Component, ErrorKind, HTTP_CLIENT_REV, HttpClientTable, Kind, MODIFIER_REV, ModifierTable, Object,
    RErr, ROk,
};
use tokio::time::{Instant, timeout_at};

use super::lend::{LendReply, LendRequest, lend};
use super::returned::{Changes, Ended, Refused, answering};
use super::source::DriverError;
use super::{Misfit, OpenOptions, Registered};

/// Of a call that is not answered.
const LATE: &str = "gave no answer within the event's time";

/// The table of a component that stands in a pipe.
#[derive(Debug, Clone, Copy)]
pub(super) enum PipeTable {
    Modifier(&'static ModifierTable),
    HttpClient(&'static HttpClientTable),
}

/// The table of a component, when its kind has one that stands in a pipe.
///
/// # Errors
///
/// A revision that this siphon does not speak; behind it could be anything.
pub(super) fn table(component: &Component) -> Result<Option<PipeTable>, Misfit> {
    let ours = match component.kind {
        Kind::MODIFIER => MODIFIER_REV,
        Kind::HTTP_CLIENT => HTTP_CLIENT_REV,
        _ => return Ok(None),
    };
    if component.table_rev != ours {
        let name = component.keys.first().map_or("a component", |name| name.as_str()).to_owned();
        return Err(Misfit::OtherTable { name, theirs: component.table_rev, ours });
    }
    // SAFETY: null, or constant data of a library that is never unloaded; kind and revision say of which type.
    unsafe {
        Ok(match component.kind {
            Kind::MODIFIER => component.table.cast::<ModifierTable>().as_ref().map(PipeTable::Modifier),
            _ => component.table.cast::<HttpClientTable>().as_ref().map(PipeTable::HttpClient),
        })
    }
}

/// An open modifier. Calls may be made from any thread, concurrently.
pub struct Modifier(Opened<ModifierTable>);

/// An open HTTP client, likewise.
pub struct HttpClient(Opened<HttpClientTable>);

struct Opened<T: 'static> {
    table: &'static T,
    object: Object,
    free: unsafe extern "C" fn(Object),
    name: String,
    capabilities: Capabilities,
}

// SAFETY: the ABI's threads: any thread may call, concurrently.
unsafe impl<T> Send for Opened<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Opened<T> {}

impl<T> Drop for Opened<T> {
    fn drop(&mut self) {
        // SAFETY: the last call for this object.
        unsafe { (self.free)(self.object) }
    }
}

impl Modifier {
    /// Opens `component` for one place of a configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration, or [`ErrorKind::UNSUPPORTED`] when the component is no modifier.
    pub fn open(component: &Registered, options: &OpenOptions) -> Result<Self, DriverError> {
        let Some(PipeTable::Modifier(table)) = component.pipe else { return Err(other(component, "modifier")) };
        // SAFETY: the arguments live for the call.
        match options.lend(|args| unsafe { (table.open)(args) }) {
            ROk(object) => Ok(Self(Opened::new(component, table, object, table.free))),
            RErr(error) => Err(error.into()),
        }
    }

    /// Whether it is for requests.
    pub fn has_requests(&self) -> bool {
        self.0.capabilities.has(Capabilities::REQUESTS)
    }

    /// Whether it is for replies.
    pub fn has_replies(&self) -> bool {
        self.0.capabilities.has(Capabilities::REPLIES)
    }

    /// Shows a request on its way down. Dropping the future gives the answer up.
    ///
    /// # Errors
    ///
    /// The event fails; [`ErrorKind::TIMED_OUT`] when there is no answer by `deadline`.
    pub fn request(
        &self,
        request: Arc<dyn LendRequest>,
        deadline: Instant,
    ) -> impl Future<Output = Ended> + Send + use<> {
        let (lent, (answering, answer)) = (lend(request, None, left(deadline)), answering());
        // SAFETY: a live object; what is lent lives until its release.
        unsafe { (self.0.table.request)(self.0.object, lent, answering) };
        within(deadline, answer)
    }

    /// Shows a reply on its way up.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn reply(
        &self,
        request: Arc<dyn LendRequest>,
        reply: Arc<dyn LendReply>,
        deadline: Instant,
    ) -> impl Future<Output = Ended> + Send + use<> {
        let (lent, (answering, answer)) = (lend(request, Some(reply), left(deadline)), answering());
        // SAFETY: as above.
        unsafe { (self.0.table.reply)(self.0.object, lent, answering) };
        within(deadline, answer)
    }
}

impl HttpClient {
    /// Opens `component` for one backend.
    ///
    /// # Errors
    ///
    /// As [`Modifier::open`].
    pub fn open(component: &Registered, options: &OpenOptions) -> Result<Self, DriverError> {
        let Some(PipeTable::HttpClient(table)) = component.pipe else { return Err(other(component, "HTTP client")) };
        // SAFETY: the arguments live for the call.
        match options.lend(|args| unsafe { (table.open)(args) }) {
            ROk(object) => Ok(Self(Opened::new(component, table, object, table.free))),
            RErr(error) => Err(error.into()),
        }
    }

    /// Makes the call: `status`, `headers` and `body` of the changes are those of the reply.
    ///
    /// # Errors
    ///
    /// As [`Modifier::request`]; there is no reply.
    pub fn call(
        &self,
        request: Arc<dyn LendRequest>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Changes, Refused>> + Send + use<> {
        let (lent, (answering, answer)) = (lend(request, None, left(deadline)), answering());
        // SAFETY: a live object; what is lent lives until its release.
        unsafe { (self.0.table.call)(self.0.object, lent, answering) };
        let ended = within(deadline, answer);
        async { ended.await.map(Option::unwrap_or_default) }
    }
}

impl<T> Opened<T> {
    fn new(component: &Registered, table: &'static T, object: Object, free: unsafe extern "C" fn(Object)) -> Self {
        let (name, capabilities) = (component.main_key().to_owned(), component.capabilities);
        Self { table, object, free, name, capabilities }
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// The answer, so long as anybody waits for it.
async fn within(deadline: Instant, answer: impl Future<Output = Ended>) -> Ended {
    let late = |_| Err(Refused::new(ErrorKind::TIMED_OUT, LATE));
    timeout_at(deadline, answer).await.unwrap_or_else(late)
}

fn other(component: &Registered, wanted: &str) -> DriverError {
    let message = format!("{} is no {wanted}", component.main_key());
    DriverError { kind: ErrorKind::UNSUPPORTED, path: String::new(), message }
}

impl fmt::Debug for Modifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Modifier({})", self.0.name)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpClient({})", self.0.name)
    }
}
