//! HTTP to backends: connections that are kept and used again, proxies, TLS, redirects.
//!
//! One connector and one redirect policy under everything that runs per event. Connections live on the runtime that
//! opened them; a connection's task ends when its connection is closed or dropped from the pool.

mod answer;
mod client;
mod connect;
mod exchange;
mod idle;
mod pool;
mod proxy;
mod redirect;
mod shared;
mod tls;
mod tunnel;
mod uri;
mod user;
mod wire;

pub use answer::Answer;
pub use client::{Client, ClientSettings};
pub use exchange::{Exchange, ExchangeFuture, Outgoing};
pub use proxy::Proxies;

pub(crate) use client::{HTTP2_CALLS, Way};
pub(crate) use connect::HttpVersion;
pub(crate) use exchange::{Below, Following};
pub(crate) use proxy::Proxy;
pub(crate) use redirect::{RedirectPolicy, without_userinfo};
pub(crate) use tls::TlsSettings;
pub(crate) use uri::with_target;
pub(crate) use wire::{host_of, is_ours};

/// Largest reply, in bytes, as it comes and unpacked. A reply is held in memory whole, once for each worker; one that
/// is larger is a mistake of the backend more often than data, and failing it is better than being killed.
pub const REPLY_LIMIT: usize = 64 * 1024 * 1024;
