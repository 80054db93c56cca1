//! The queue itself: one SQLite file, its thread, and the handles that others hold. Knows nothing of
//! plugins.

mod claim;
mod clock;
mod command;
mod engine;
mod error;
mod event;
mod handle;
mod headers;
mod identity;
mod inbox;
mod insert;
mod keeper;
mod lease;
mod names;
mod schema;
mod search;
mod settle;

pub use error::{Fault, StoreError};
pub use event::{Event, MAX_EVENT_BYTES, NewEvent, Settled, Settlement, Ticket, Verdict};
pub use handle::{Consumer, Store};
pub use settle::Route;

#[cfg(test)]
pub use error::LOCK_PATIENCE;

#[cfg(test)]
mod tests;
