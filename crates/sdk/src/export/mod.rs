//! The glue between the traits and the tables of the ABI. The only unsafe code of the SDK.

mod args;
pub(crate) mod guard;
mod item;
mod loan;
mod log;
mod pipe;
#[forbid(unsafe_code)]
mod pump;
mod register;
#[forbid(unsafe_code)]
mod shared;
mod sink;
#[forbid(unsafe_code)]
mod sink_pump;
mod source;

pub(crate) use loan::Loan;
pub use pipe::{http_client, modifier};
pub use register::{handshake, init, no_extension, root_module};
pub use sink::{publisher, sink};
pub use source::{source, subscriber};
