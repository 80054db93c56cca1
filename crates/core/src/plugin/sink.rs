//! A driver's sink, from the host's side.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use siphon_abi::{ErrorKind, Object, Pair, Pairs, RErr, ROk, SinkTable, Slice};

use super::doorbell::done;
use super::source::{DriverError, closed_within};
use super::{OpenOptions, Registered};

/// A message to publish.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    pub payload: Bytes,
    pub key: Vec<u8>,
    /// Empty: the sink's own default.
    pub topic: Vec<u8>,
    pub headers: Vec<(String, String)>,
    pub attributes: Vec<(String, String)>,
}

/// An open sink.
pub struct Sink {
    table: &'static SinkTable,
    object: Object,
}

// SAFETY: the ABI's threads: any thread may call, concurrently.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

impl Sink {
    /// Opens the sink of `component`. It connects when it is needed.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration, or [`ErrorKind::UNSUPPORTED`] when the component is no sink.
    pub fn open(component: &Arc<Registered>, options: &OpenOptions) -> Result<Self, DriverError> {
        let table = component.sink.ok_or_else(|| DriverError {
            kind: ErrorKind::UNSUPPORTED,
            path: String::new(),
            message: format!("{} cannot publish", component.main_key()),
        })?;
        // SAFETY: the arguments live for the call.
        match options.lend(|args| unsafe { (table.open)(args) }) {
            ROk(object) => Ok(Self { table, object }),
            RErr(error) => Err(error.into()),
        }
    }

    /// Publishes in order: how many were confirmed by the broker, and the next one's error.
    pub fn publish(
        &self,
        messages: &[Outgoing],
    ) -> impl Future<Output = (u64, Result<(), DriverError>)> + Send + use<> {
        let pairs: Vec<_> =
            messages.iter().map(|one| (lend_pairs(&one.headers), lend_pairs(&one.attributes))).collect();
        let lent: Vec<_> =
            messages.iter().zip(&pairs).map(|(one, (headers, attributes))| lend(one, headers, attributes)).collect();
        let (done, answer) = done();
        // SAFETY: a live object, and an array that lives for the call, as does all that it borrows.
        unsafe { (self.table.publish)(self.object, lent.as_ptr(), lent.len(), done) };
        answer
    }

    /// Ends the sink within `deadline` and a little.
    ///
    /// # Errors
    ///
    /// What kept the driver from ending in order.
    pub async fn close(self, deadline: Duration) -> Result<(), DriverError> {
        let (done, answer) = done();
        let ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        // SAFETY: a live object; `self` is consumed, so this is the one `close`.
        unsafe { (self.table.close)(self.object, ms, done) };
        closed_within(deadline, answer).await
    }
}

fn lend_pairs(pairs: &[(String, String)]) -> Vec<Pair> {
    let lend = |(name, value): &(String, String)| Pair {
        name: Slice::of(name.as_bytes()),
        value: Slice::of(value.as_bytes()),
    };
    pairs.iter().map(lend).collect()
}

fn lend(message: &Outgoing, headers: &[Pair], attributes: &[Pair]) -> siphon_abi::Outgoing {
    siphon_abi::Outgoing {
        payload: Slice::of(&message.payload),
        key: Slice::of(&message.key),
        topic: Slice::of(&message.topic),
        headers: Pairs::of(headers),
        attributes: Pairs::of(attributes),
        timestamp_ms: i64::MIN,
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // SAFETY: the last call for this object.
        unsafe { (self.table.free)(self.object) }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}
