//! Calls over kept-alive connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use siphon_config::model::HttpSettings;
use tokio::time::Instant;

use super::answer::{Answer, Lease};
use super::connect::{Connection, Connector, reason};
use super::exchange::{Exchange, ExchangeFuture, Outgoing};
use super::idle::{IdleLimits, IdleSet, Kept, Peer};
use super::wire::{self, Habits};
use crate::error::{Call, PipeError};
use crate::stage::Context;

/// Longest use of a connection. Without it a busy pipe would stay for ever with the addresses that a name had when it
/// started; a new connection every ten minutes costs nothing.
const CONNECTION_AGE_LIMIT: Duration = Duration::from_secs(600);

/// How long an idle connection may take to be ready again. It is at once, unless the backend answered before it had
/// read the whole last request: then another connection is quicker.
const READY_PATIENCE: Duration = Duration::from_millis(10);

/// The service's settings, and what only tests and later components add.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    pub http: HttpSettings,
    /// Certificates (DER) that are trusted beside the machine's.
    pub extra_roots: Vec<Vec<u8>>,
}

impl From<&HttpSettings> for ClientSettings {
    fn from(http: &HttpSettings) -> Self {
        Self { http: http.clone(), extra_roots: Vec::new() }
    }
}

/// Connections to all backends of one pipe. They live on the runtime that calls; use a client on one runtime.
pub struct Client {
    connector: Connector,
    pool: Arc<Pool>,
    habits: Habits,
    response_header_timeout: Option<Duration>,
}

impl Client {
    pub fn new(settings: ClientSettings) -> Self {
        let http = &settings.http;
        let limits = IdleLimits {
            per_host: if http.disable_keep_alives { 0 } else { http.max_idle_connections_per_host },
            total: http.max_idle_connections.unwrap_or(usize::MAX),
            timeout: http.idle_connection_timeout,
            age: CONNECTION_AGE_LIMIT,
        };
        let roots = settings.extra_roots.into_iter().map(CertificateDer::from).collect();
        Self {
            connector: Connector::new(http.connect_timeout, http.tcp_keep_alive, roots),
            pool: Arc::new(Pool::new(limits)),
            habits: Habits { ask_for_gzip: !http.disable_compression, keep_alive: !http.disable_keep_alives },
            response_header_timeout: http.response_header_timeout,
        }
    }

    /// Loads the root certificates now instead of with the first call.
    ///
    /// # Errors
    ///
    /// A sentence when TLS cannot work on this machine.
    pub fn prepare_tls(&self) -> Result<(), String> {
        self.connector.prepare_tls().map(drop)
    }

    /// Makes one request, without redirects. Gives the reply's head with its body still to be read. Has no deadline of
    /// its own; dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// `Connect`, `Transport`, `HeadersTimedOut`. A status is no error here.
    pub(crate) async fn send(&self, call: &Outgoing) -> Result<Answer, PipeError> {
        let Some(authority) = call.url.authority() else { return Err(PipeError::NoHosts) };
        let peer = Peer { tls: call.url.scheme_str() == Some("https"), authority: authority.clone() };
        let request = wire::request(call, authority, self.habits);
        let (response, kept) = self.deliver(request, &peer, call).await?;
        let lease = self.habits.keep_alive.then(|| Lease { kept, pool: Arc::clone(&self.pool), peer });
        Ok(Answer::new(response, call, lease))
    }

    /// Sends over an idle connection if there is one. A request that such a connection hands back unsent, because the
    /// backend closed it meanwhile, is sent over another one; anything that may have been sent is not sent again.
    async fn deliver(
        &self,
        request: Request<Full<Bytes>>,
        peer: &Peer,
        call: &Outgoing,
    ) -> Result<(Response<Incoming>, Kept<Connection>), PipeError> {
        let mut request = request;
        while let Some(mut kept) = self.pool.take(peer) {
            if !is_ready(&mut kept.connection).await {
                continue;
            }
            match self.attempt(&mut kept.connection, request, call).await {
                Ok(response) => return Ok((response, kept)),
                Err(Unsent::Request(back)) => request = *back,
                Err(Unsent::Failed(error)) => return Err(error),
            }
        }
        let connection = self.connector.open(peer).await;
        let connection = connection.map_err(|reason| PipeError::Connect { call: call.call(), reason })?;
        let mut kept = Kept { connection, opened: Instant::now() };
        match self.attempt(&mut kept.connection, request, call).await {
            Ok(response) => Ok((response, kept)),
            Err(Unsent::Request(_)) => Err(PipeError::Transport { call: call.call(), reason: "EOF".into() }),
            Err(Unsent::Failed(error)) => Err(error),
        }
    }

    async fn attempt(
        &self,
        connection: &mut Connection,
        request: Request<Full<Bytes>>,
        call: &Outgoing,
    ) -> Result<Response<Incoming>, Unsent> {
        let sent = connection.try_send_request(request);
        let answered = match self.response_header_timeout {
            None => sent.await,
            Some(limit) => match tokio::time::timeout(limit, sent).await {
                Ok(answered) => answered,
                Err(_) => return Err(Unsent::Failed(PipeError::HeadersTimedOut { call: call.call() })),
            },
        };
        answered.map_err(|mut failure| match failure.take_message() {
            Some(request) => Unsent::Request(Box::new(request)),
            None => Unsent::Failed(broken(call.call(), &failure.into_error())),
        })
    }
}

/// The innermost: one request over a connection.
impl Exchange for Client {
    fn exchange<'a>(&'a self, call: Outgoing, _context: &'a Context) -> ExchangeFuture<'a> {
        Box::pin(async move { self.send(&call).await })
    }
}

impl Exchange for Arc<Client> {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        Client::exchange(self, call, context)
    }
}

async fn is_ready(connection: &mut Connection) -> bool {
    connection.is_ready() || matches!(tokio::time::timeout(READY_PATIENCE, connection.ready()).await, Ok(Ok(())))
}

/// Why there is no response.
enum Unsent {
    /// Nothing of the request has left.
    Request(Box<Request<Full<Bytes>>>),
    Failed(PipeError),
}

/// A connection that failed under a call, in the reference's words where it has some.
pub(super) fn broken(call: Call, error: &hyper::Error) -> PipeError {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let is_cut = cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::UnexpectedEof);
    let reason = match cause {
        _ if is_cut => "unexpected EOF".to_owned(),
        _ if error.is_incomplete_message() => "EOF".to_owned(),
        _ if error.is_parse() => format!("malformed HTTP response: {error}"),
        Some(cause) => reason(cause),
        None => error.to_string(),
    };
    PipeError::Transport { call, reason }
}

/// The idle connections, and the task that closes the old ones.
pub(super) struct Pool(Mutex<Shelf>);

struct Shelf {
    idle: IdleSet<Connection>,
    is_watched: bool,
}

impl Pool {
    fn new(limits: IdleLimits) -> Self {
        Self(Mutex::new(Shelf { idle: IdleSet::new(limits), is_watched: false }))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, peer: &Peer) -> Option<Kept<Connection>> {
        self.shelf().idle.take(peer, Instant::now(), |connection| !connection.is_closed())
    }

    pub(super) fn give(self: &Arc<Self>, peer: &Peer, kept: Kept<Connection>) {
        if kept.connection.is_closed() {
            return;
        }
        let now = Instant::now();
        let mut shelf = self.shelf();
        let _no_room = shelf.idle.give(peer, kept, now);
        if shelf.is_watched {
            return;
        }
        if let Some(next) = shelf.idle.expire(now) {
            shelf.is_watched = true;
            tokio::spawn(watch(Arc::downgrade(self), next));
        }
    }

    /// Closes what is too old; `None` ends the watch.
    fn expire(&self) -> Option<Instant> {
        let mut shelf = self.shelf();
        let next = shelf.idle.expire(Instant::now());
        shelf.is_watched = next.is_some();
        next
    }
}

/// Runs while there are idle connections that can grow old; ends with the pool.
async fn watch(pool: Weak<Pool>, first: Instant) {
    let mut next = first;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(later) = pool.upgrade().and_then(|pool| pool.expire()) else { return };
        next = later;
    }
}
