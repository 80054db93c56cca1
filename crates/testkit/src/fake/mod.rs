//! A broker in memory that a test drives, behind a driver written like any other: on siphon-sdk's traits, so that every
//! event crosses the real tables of the ABI.
//!
//! A broker plays RabbitMQ, Kafka, JetStream or the embedded queue: the profile says what it does natively. The test can
//! let it lose connections, refuse them, revoke partitions, redeliver, stall, panic and flood; the broker keeps the books
//! of every message and notes as a [violation](State::violations) what no driver may be told.

mod broker;
mod driver;
mod faults;
mod profile;
mod record;
mod state;

pub use broker::FakeBroker;
pub use driver::{Config, FakeSink, FakeSource, registry};
pub use faults::{Call, Faults};
pub use profile::{JetStream, Kafka, Profile, RabbitMq, Sqlite};
pub use record::{Delivery, Fate, MessageRecord, Settled};
pub use state::State;
