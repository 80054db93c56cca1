//! What becomes of events: plain state machines that take the time as an argument and return what to do.

mod attempts;
mod backoff;
mod policy;
mod rate;
mod reconnect;
mod waiting;

pub use attempts::Attempts;
pub use backoff::{Backoff, Strategy};
pub use policy::{Decision, Policy};
pub use rate::TokenBucket;
pub use reconnect::{Next, Reconnect};
pub use waiting::Waiting;
