//! What a plugin author imports.
//!
//! A driver is a configuration struct, a type that implements [`Source`] (or [`Sink`]), and one [`export_plugin!`] line. What
//! changes requests and replies in a pipe is a [`Modifier`], what calls a backend in its own way an [`HttpClient`].
//! The SDK does the rest: it owns a runtime with one thread per plugin library, stops panics at the border, sends logs to
//! the host, keeps the ring between driver and host, and answers every completion.
//!
//! ```no_run
//! use siphon_sdk::{Batch, Capabilities, Context, Error, Message, Receiver, Settlement, Settler, Source};
//!
//! /// Emits `text` once a second.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// What every event says.
//!     text: String,
//! }
//!
//! struct Clock;
//! struct Ticks { text: String, count: u64 }
//! struct Forget;
//!
//! impl Source for Clock {
//!     const KEYS: &'static [&'static str] = &["async/clock"];
//!     const LABEL: &'static str = "Clock";
//!     const CAPABILITIES: Capabilities = Capabilities::NONE;
//!     type Config = Config;
//!     type Receiver = Ticks;
//!     type Settler = Forget;
//!
//!     async fn connect(config: Config, _: Context) -> Result<(Ticks, Forget), Error> {
//!         Ok((Ticks { text: config.text, count: 0 }, Forget))
//!     }
//! }
//!
//! impl Receiver for Ticks {
//!     async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
//!         tokio::time::sleep(std::time::Duration::from_secs(1)).await;
//!         self.count += 1;
//!         batch.push(Message::new(self.count, self.text.clone()));
//!         Ok(())
//!     }
//! }
//!
//! impl Settler for Forget {
//!     async fn settle(&mut self, _: &[Settlement]) -> Result<(), Error> { Ok(()) }
//! }
//!
//! siphon_sdk::export_plugin!(siphon_sdk::source::<Clock>());
//! # fn main() {}
//! ```

#![allow(unsafe_code)] // in `export` only: every other module is under a forbid of its own

#[forbid(unsafe_code)]
mod driver;
#[forbid(unsafe_code)]
mod error;
pub mod export;
#[forbid(unsafe_code)]
mod message;
#[forbid(unsafe_code)]
mod pipe;
#[forbid(unsafe_code)]
mod pubsub;
#[forbid(unsafe_code)]
mod runtime;
#[forbid(unsafe_code)]
mod view;

pub use driver::{Context, Receiver, Settlement, Settler, Sink, Source, Verdict, Weight, check_nothing};
pub use error::{Error, Finding};
pub use export::{http_client, modifier, publisher, sink, source, subscriber};
pub use message::{Batch, Message, OutgoingMessage};
pub use pipe::{Answer, HttpClient, Modifier, Refusal, Sides};
pub use pubsub::{PubsubSubscription, PubsubTopic, PubsubUrl};
pub use schemars;
pub use siphon_abi::{Capabilities, Component};
pub use siphon_duration::HumanDuration;
pub use view::{Reply, Request};

#[doc(hidden)]
pub mod private {
    pub use siphon_abi;
}
