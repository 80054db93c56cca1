//! What a driver's author writes.

use std::future::Future;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
pub use siphon_abi::Weight;

use crate::{Batch, Capabilities, Error, Finding, OutgoingMessage};

/// How an agent wants its driver, or what stands in its pipe.
#[derive(Debug, Clone)]
pub struct Context {
    /// The agent's name.
    pub agent: String,
    /// The main key under which the configuration selected the driver; the main name of what stands in a pipe.
    pub namespace: String,
    /// What the agent listens to; may be empty. For sinks: the default topics. For [`publisher`](crate::publisher)s and
    /// [`subscriber`](crate::subscriber)s: empty; the backend's `host` and `url_pattern` stand in the configuration. In a
    /// pipe: empty.
    pub topics: Vec<String>,
    /// Messages that the agent works on at once.
    pub workers: usize,
    /// Messages that may wait in the SDK's ring; a receiver need not fetch more at once.
    pub read_ahead: usize,
    /// Messages delivered and not settled; a natural prefetch.
    pub max_in_flight: usize,
}

/// What becomes of a delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done; the broker may forget it.
    Ack,
    /// Untouched: give it back as it was, not counted as an attempt.
    Requeue,
    /// Failed: deliver it again, after the delay where the driver declared [`Capabilities::DELAY`] (else it is zero).
    Retry { delay_ms: u64 },
    /// Failed for good: the broker's own dead-lettering.
    Reject,
}

/// One message's verdict. Every message gets exactly one, also after its connection was lost: the driver judges whether
/// it is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    pub id: u64,
    pub generation: u64,
    pub verdict: Verdict,
}

/// A driver that delivers messages.
pub trait Source: Send + 'static {
    /// Namespace keys: the main one first, then aliases.
    const KEYS: &'static [&'static str];
    /// How logs call it, such as `AMQP`.
    const LABEL: &'static str;
    const CAPABILITIES: Capabilities;
    /// URL schemes that it serves under its keys, where several plugins share them; empty: all. For
    /// [`subscriber`](crate::subscriber)s.
    const SCHEMES: &'static [&'static str] = &[];
    /// Deserialised from the driver's object in `extra_config`; its doc comments become the schema's descriptions.
    type Config: DeserializeOwned + JsonSchema + Send + 'static;
    type Receiver: Receiver;
    type Settler: Settler;

    /// Looks at the configuration beyond its types, contacting nobody. All that is wrong, at once.
    fn check(config: &Self::Config, context: &Context) -> Vec<Finding> {
        check_nothing(config, context)
    }

    /// Connects to the broker. Dropped (cancelled) when the agent ends meanwhile.
    fn connect(
        config: Self::Config,
        context: Context,
    ) -> impl Future<Output = Result<(Self::Receiver, Self::Settler), Error>> + Send;
}

/// The receiving half. It runs concurrently with its [`Settler`], in one task.
pub trait Receiver: Send + 'static {
    /// Whether `recv` is called without room, too, because the broker's session lives from being polled (Kafka). Such a
    /// call returns when it has notices, or when [`Batch::room_changed`] tells that there may be room.
    const POLLS_WITHOUT_ROOM: bool = false;

    /// Waits for messages and adds up to [`Batch::room`] of them. Never cancelled, except when the agent ends.
    ///
    /// # Errors
    ///
    /// The connection's end. The supervisor opens the driver again after its backoff.
    fn recv(&mut self, batch: &mut Batch) -> impl Future<Output = Result<(), Error>> + Send;
}

/// The settling half.
pub trait Settler: Send + 'static {
    /// Sends the verdicts to the broker; everything that was waiting is in one call. Stale ones are ignored.
    ///
    /// # Errors
    ///
    /// The connection's end, as in [`Receiver::recv`].
    fn settle(&mut self, settlements: &[Settlement]) -> impl Future<Output = Result<(), Error>> + Send;

    /// Whether, by its configuration, a failed message is not delivered again whatever the verdict. The host then rejects
    /// it at once, instead of holding it for a delay that nothing follows. Asked once, after `connect`. Default: false.
    fn is_failure_final(&self) -> bool {
        false
    }

    /// Whether the broker answers. Default: it is assumed to.
    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Keeps the broker from sending, or lets it send again. Default: the SDK just stops calling `recv`.
    fn pause(&mut self, paused: bool) -> impl Future<Output = Result<(), Error>> + Send {
        async move {
            let _ = paused;
            Ok(())
        }
    }

    /// Says goodbye after the last settlement, or after an error, as far as that still goes. Returns when settlements are
    /// on the wire.
    fn close(&mut self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// A driver that takes messages.
pub trait Sink: Send + Sized + 'static {
    /// Namespace keys: the main one first, then aliases.
    const KEYS: &'static [&'static str];
    const LABEL: &'static str;
    /// URL schemes that it serves under its keys, where several plugins share them; empty: all.
    const SCHEMES: &'static [&'static str] = &[];
    type Config: DeserializeOwned + JsonSchema + Clone + Send + 'static;

    /// As [`Source::check`].
    fn check(config: &Self::Config, context: &Context) -> Vec<Finding> {
        check_nothing(config, context)
    }

    /// Connects to the broker; called again, with the next message, after a connection error.
    fn connect(config: Self::Config, context: Context) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Publishes in order and returns one result a message, in the same order, after the broker's confirmation.
    ///
    /// Messages of several callers may be joined into one call: one that is refused must not keep the others, before or
    /// behind it, from being published.
    fn publish(&mut self, messages: &[OutgoingMessage]) -> impl Future<Output = Vec<Result<(), Error>>> + Send;

    /// Whether the broker answers. Default: it is assumed to.
    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Says goodbye.
    fn close(&mut self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// The default of `check`: the types say all there is to say.
pub fn check_nothing<C>(_: &C, _: &Context) -> Vec<Finding> {
    Vec::new()
}
