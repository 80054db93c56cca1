//! A driver's source, from the host's side.

use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use siphon_abi::{
    Capabilities, Component, ErrorKind, Finding, Item, ItemKind, Object, OpenArgs, Poll, RErr, ROk, RStr, SinkTable,
    SourceTable, Terms,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::doorbell::{done, doorbell};
use super::pipe::PipeTable;
use super::{Event, Handle, Registered};

pub type Settlement = siphon_abi::Settlement;
pub type Verdict = siphon_abi::Verdict;

/// Items that one call of `next` may hand over.
const BATCH: usize = 64;

/// What a driver reports.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverError {
    pub kind: ErrorKind,
    /// Where in the driver's configuration; empty when it is not about that.
    pub path: String,
    pub message: String,
}

impl DriverError {
    /// Whether opening the driver again can help.
    pub fn is_temporary(&self) -> bool {
        !matches!(self.kind, ErrorKind::CONFIG | ErrorKind::FATAL | ErrorKind::UNSUPPORTED)
    }

    /// The driver did not say goodbye in time.
    pub(crate) fn late() -> Self {
        Self { message: "the driver did not close in time".into(), ..Self::closed() }
    }

    pub(super) fn closed() -> Self {
        Self { kind: ErrorKind::CLOSED, path: String::new(), message: "the driver is closed".into() }
    }
}

impl From<siphon_abi::DriverError> for DriverError {
    fn from(error: siphon_abi::DriverError) -> Self {
        Self { kind: error.kind, path: error.path.into(), message: error.message.into() }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for DriverError {}

/// Waits for the answer to a `close`: the driver keeps the deadline itself, so a little longer.
pub(super) async fn closed_within(
    deadline: Duration,
    answer: impl Future<Output = (u64, Result<(), DriverError>)>,
) -> Result<(), DriverError> {
    let answer = tokio::time::timeout(deadline + Duration::from_millis(500), answer).await;
    answer.map_or_else(|_| Err(DriverError::late()), |(_, result)| result)
}

/// How an agent wants its driver.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub agent: String,
    pub namespace: String,
    pub topics: Vec<String>,
    /// The driver's configuration: a JSON object.
    pub config: String,
    /// Messages that are worked on at once.
    pub workers: usize,
    /// Messages that may wait inside the driver.
    pub read_ahead: usize,
    /// Messages delivered and not settled.
    pub max_in_flight: usize,
    /// Payload bytes that may wait inside the driver.
    pub max_bytes: u64,
}

impl OpenOptions {
    /// Lends the options to `call` in the ABI's form.
    pub(super) fn lend<T>(&self, call: impl FnOnce(&OpenArgs<'_>) -> T) -> T {
        let topics: Vec<RStr<'_>> = self.topics.iter().map(|topic| topic.as_str().into()).collect();
        let limit = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        call(&OpenArgs {
            agent: self.agent.as_str().into(),
            namespace: self.namespace.as_str().into(),
            topics: topics.as_slice().into(),
            config: self.config.as_str().into(),
            read_ahead: limit(self.read_ahead),
            max_in_flight: limit(self.max_in_flight),
            max_bytes: self.max_bytes,
            workers: limit(self.workers),
        })
    }
}

/// The tables of a component. They live as long as the process: libraries are never unloaded.
pub(super) fn tables(component: &Component) -> (Option<&'static SourceTable>, Option<&'static SinkTable>) {
    // SAFETY: null, or constant data of a library whose layout was checked.
    unsafe { (component.source.as_ref(), component.sink.as_ref()) }
}

impl Registered {
    /// What the plugin has to say about a configuration, contacting nobody: weight, path and message of each finding.
    pub fn check(&self, args: &OpenOptions) -> Vec<Finding> {
        let check = match (self.source, self.sink, self.pipe) {
            (Some(source), _, _) => source.check,
            (_, Some(sink), _) => sink.check,
            (_, _, Some(PipeTable::Modifier(modifier))) => modifier.check,
            (_, _, Some(PipeTable::HttpClient(client))) => client.check,
            _ => return Vec::new(),
        };
        // SAFETY: the arguments live for the call.
        args.lend(|args| unsafe { check(args) }).into_iter().collect()
    }
}

/// What came out of a source, in the order in which things happened.
#[derive(Debug)]
pub enum Arrival {
    Event(Event),
    Connected { generation: u64, terms: Terms },
    Lost { generation: u64, reason: String },
    Revoked { partition: i32, generation: u64 },
    Lag { partition: Option<i32>, count: u64 },
}

/// Why nothing more comes out of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEnd {
    Closed,
    Failed(DriverError),
}

/// An open source. Its owner is the one caller of `next`.
pub struct Source {
    component: Arc<Registered>,
    table: &'static SourceTable,
    object: Object,
    bell: Arc<Notify>,
    items: Box<[MaybeUninit<Item>; BATCH]>,
}

// SAFETY: the ABI's threads: any thread may call, `next` and `error` have one caller at a time (they take `&mut self`).
unsafe impl Send for Source {}
// SAFETY: what takes `&self` may come from any thread, concurrently.
unsafe impl Sync for Source {}

impl Source {
    /// Opens the source of `component`. The driver connects behind this call.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration, or [`ErrorKind::UNSUPPORTED`] when the component is no source.
    pub fn open(component: &Arc<Registered>, options: &OpenOptions) -> Result<Self, DriverError> {
        Self::open_with_bell(component, options, Arc::default())
    }

    /// The same with a bell that others wait for, too.
    pub(crate) fn open_with_bell(
        component: &Arc<Registered>,
        options: &OpenOptions,
        bell: Arc<Notify>,
    ) -> Result<Self, DriverError> {
        let table = component.source.ok_or_else(|| DriverError {
            kind: ErrorKind::UNSUPPORTED,
            path: String::new(),
            message: format!("{} delivers no events", component.main_key()),
        })?;
        // SAFETY: the arguments live for the call; the doorbell is this side's own.
        let opened = options.lend(|args| unsafe { (table.open)(args, doorbell(Arc::clone(&bell))) });
        match opened {
            ROk(object) => {
                let items = Box::new([const { MaybeUninit::uninit() }; BATCH]);
                Ok(Self { component: Arc::clone(component), table, object, bell, items })
            }
            RErr(error) => Err(error.into()),
        }
    }

    pub fn capabilities(&self) -> Capabilities {
        self.component.capabilities
    }

    /// Hands notices and up to `events` events to `each` and returns how many arrivals there were. With 0 the doorbell will
    /// [ring](Self::rung): for notices and the end in any case, for events when some were asked for.
    ///
    /// # Errors
    ///
    /// The source's end, once everything before it was taken.
    pub fn next(&mut self, events: usize, mut each: impl FnMut(Arrival)) -> Result<usize, SourceEnd> {
        let (items, events) = (self.items.as_mut_ptr().cast(), events.min(BATCH) as u32);
        // SAFETY: a live object, an array of `BATCH` places, and `&mut self` makes this the one caller.
        let next = unsafe { (self.table.next)(self.object, items, BATCH as u32, events) };
        let (count, now) = ((next.count as usize).min(BATCH), Instant::now());
        for place in &self.items[..count] {
            // SAFETY: the driver filled in `count` items, and each is read once.
            if let Some(arrival) = arrival(unsafe { place.assume_init_read() }, now) {
                each(arrival);
            }
        }
        match next.poll {
            _ if count > 0 => Ok(count),
            Poll::CLOSED => Err(SourceEnd::Closed),
            Poll::FAILED => Err(SourceEnd::Failed(self.error())),
            _ => Ok(0),
        }
    }

    /// Waits until there may be something new: arrivals, or room for settlements. Cancel-safe.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Hands over settlements and returns how many of the first were taken; the doorbell rings when there is room for the rest.
    pub fn settle(&self, settlements: &[Settlement]) -> usize {
        // SAFETY: a live object and an array of that length.
        unsafe { (self.table.settle)(self.object, settlements.as_ptr(), settlements.len()) }.min(settlements.len())
    }

    /// Whether the broker answers. Dropping the future does not take the question back.
    pub fn ping(&self) -> impl Future<Output = Result<(), DriverError>> + Send + use<> {
        let (done, answer) = done();
        // SAFETY: a live object.
        unsafe { (self.table.ping)(self.object, done) };
        async { answer.await.1 }
    }

    /// Stops or resumes asking the broker.
    pub fn pause(&self, paused: bool) -> impl Future<Output = Result<(), DriverError>> + Send + use<> {
        let (done, answer) = done();
        // SAFETY: a live object.
        unsafe { (self.table.pause)(self.object, paused, done) };
        async { answer.await.1 }
    }

    /// Ends the source: what waits inside goes back, settlements are sent. Waits no longer than `deadline` and a little.
    ///
    /// # Errors
    ///
    /// What kept the driver from ending in order; its unsettled messages come again.
    pub async fn close(self, deadline: Duration) -> Result<(), DriverError> {
        let (done, answer) = done();
        let ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        // SAFETY: a live object; `self` is consumed, so this is the one `close`.
        unsafe { (self.table.close)(self.object, ms, done) };
        closed_within(deadline, answer).await
    }

    fn error(&mut self) -> DriverError {
        // SAFETY: a live object that has just failed; `&mut self` makes this the one caller.
        unsafe { (self.table.error)(self.object) }.into()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: the last call for this object.
        unsafe { (self.table.free)(self.object) }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.component.main_key())
    }
}

/// An item in the core's own types; kinds that this siphon does not know are released and skipped.
fn arrival(item: Item, now: Instant) -> Option<Arrival> {
    let Handle { generation, .. } = item.handle;
    if item.kind == ItemKind::MESSAGE {
        // SAFETY: the driver has just handed the item over.
        return Some(Arrival::Event(unsafe { Event::new(item, now) }));
    }
    let arrival = match item.kind {
        ItemKind::CONNECTED => Some(Arrival::Connected { generation, terms: Terms(item.value) }),
        ItemKind::LOST => {
            // SAFETY: the item is released below, after this.
            let reason = String::from_utf8_lossy(unsafe { item.payload.get() }).into_owned();
            Some(Arrival::Lost { generation, reason })
        }
        ItemKind::REVOKED => Some(Arrival::Revoked { partition: item.partition, generation }),
        ItemKind::LAG => {
            let partition = (item.partition >= 0).then_some(item.partition);
            Some(Arrival::Lag { partition, count: item.value })
        }
        _ => None,
    };
    // SAFETY: the one release of this item.
    unsafe { (item.release)(item.owner) };
    arrival
}
