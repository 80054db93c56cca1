//! HTTP to backends: connections that are kept and used again, TLS, redirects.
//!
//! One connector and one redirect policy under everything that runs per event. Connections live on the runtime that
//! opened them; a connection's task ends when its connection is closed or dropped from the pool.

mod answer;
mod client;
mod connect;
mod exchange;
mod idle;
mod redirect;
mod tls;
mod wire;

pub use answer::Answer;
pub use client::{Client, ClientSettings};
pub use exchange::{Exchange, ExchangeFuture, Outgoing};

pub(crate) use exchange::{Below, Following};
pub(crate) use redirect::RedirectPolicy;
pub(crate) use wire::host;

/// Largest reply, in bytes, as it comes and unpacked. A reply is held in memory whole, once for each worker; one that
/// is larger is a mistake of the backend more often than data, and failing it is better than being killed.
pub const REPLY_LIMIT: usize = 64 * 1024 * 1024;
