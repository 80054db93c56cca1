//! Calls over connections that are kept.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::Response;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use siphon_config::model::HttpSettings;
use tokio::time::Instant;

use super::answer::{Answer, Lease};
use super::connect::{Connection, Connector, HttpVersion, Opened, Shared, reason};
use super::exchange::{Exchange, ExchangeFuture, Outgoing};
use super::idle::{IdleLimits, Kept, Peer};
use super::pool::Pool;
use super::proxy::Proxies;
use super::shared::{Place, ShareLimits};
use super::wire::{self, Form, Habits};
use crate::error::{Call, PipeError};
use crate::stage::Context;

/// Longest use of a connection. Without it a busy pipe would stay for ever with the addresses that a name had when it
/// started; a new connection every ten minutes costs nothing.
const CONNECTION_AGE_LIMIT: Duration = Duration::from_secs(600);

/// Shared connections over which one call is tried; a backend that refuses it on all of them will do so on the next.
const REFUSAL_LIMIT: usize = 3;

/// How long an idle connection may take to be ready again. It is at once, unless the backend answered before it had
/// read the whole last request: then another connection is quicker.
const READY_PATIENCE: Duration = Duration::from_millis(10);

/// Calls at once over one HTTP/2 connection, unless the configuration says otherwise; what most servers allow.
pub(crate) const HTTP2_CALLS: usize = 100;

/// The service's settings, and what only tests add.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    pub http: HttpSettings,
    /// Certificates (DER) that are trusted beside the machine's.
    pub extra_roots: Vec<Vec<u8>>,
    pub proxies: Proxies,
    /// Who is asked for SRV records; `None`: whom the machine asks.
    pub name_server: Option<SocketAddr>,
}

impl From<&HttpSettings> for ClientSettings {
    fn from(http: &HttpSettings) -> Self {
        Self { http: http.clone(), extra_roots: Vec::new(), proxies: Proxies::default(), name_server: None }
    }
}

impl ClientSettings {
    pub(crate) fn roots(&self) -> Vec<CertificateDer<'static>> {
        self.extra_roots.iter().cloned().map(CertificateDer::from).collect()
    }
}

/// How connections are opened, where that is not as plainly as can be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    /// `None`: the machine's roots, TLS 1.2 or 1.3.
    pub tls: Option<Arc<ClientConfig>>,
    /// `None`: those of the settings.
    pub proxies: Option<Proxies>,
    pub version: HttpVersion,
    /// Calls at once over one HTTP/2 connection; `None`: [`HTTP2_CALLS`].
    pub http2_calls: Option<usize>,
}

impl Way {
    pub fn is_plain(&self) -> bool {
        self.tls.is_none() && self.proxies.is_none() && self.version == HttpVersion::One
    }
}

/// Connections to the backends of one pipe that are called in the same way. They live on the runtime that calls; use a
/// client on one runtime.
pub struct Client {
    connector: Connector,
    pool: Arc<Pool>,
    habits: Habits,
    response_header_timeout: Option<Duration>,
}

impl Client {
    /// With connections as plain as can be.
    pub fn new(settings: ClientSettings) -> Self {
        Self::in_way(&settings, &Way::default())
    }

    pub(crate) fn in_way(settings: &ClientSettings, way: &Way) -> Self {
        let http = &settings.http;
        let limits = IdleLimits {
            per_host: if http.disable_keep_alives { 0 } else { http.max_idle_connections_per_host },
            total: http.max_idle_connections.unwrap_or(usize::MAX),
            timeout: http.idle_connection_timeout,
            age: CONNECTION_AGE_LIMIT,
        };
        let calls = way.http2_calls.unwrap_or(HTTP2_CALLS);
        let share = ShareLimits { calls, idle: http.idle_connection_timeout, age: CONNECTION_AGE_LIMIT };
        Self {
            pool: Arc::new(Pool::new(limits, share)),
            habits: Habits { ask_for_gzip: !http.disable_compression, keep_alive: !http.disable_keep_alives },
            response_header_timeout: http.response_header_timeout,
            connector: Connector {
                connect_timeout: http.connect_timeout,
                tcp_keep_alive: http.tcp_keep_alive,
                extra_roots: settings.roots(),
                tls_settings: way.tls.clone(),
                version: way.version,
                proxies: way.proxies.as_ref().unwrap_or(&settings.proxies).clone(),
                tls: OnceLock::new(),
            },
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
    /// its own; dropping the future closes the connection, or ends the request on a shared one.
    ///
    /// # Errors
    ///
    /// `Connect`, `Transport`, `HeadersTimedOut`. A status is no error here.
    pub(crate) async fn send(&self, call: &Outgoing) -> Result<Answer, PipeError> {
        let peer = Peer::of(&call.url).ok_or(PipeError::NoHosts)?;
        let (response, line) = self.deliver(&peer, call).await?;
        Ok(Answer::new(response, call, self.lease(peer, line)))
    }

    /// `None`: the connection is closed after this reply.
    fn lease(&self, peer: Peer, line: Line) -> Option<Lease> {
        match line {
            Line::One(_) if !self.habits.keep_alive => None,
            Line::One(kept) => Some(Lease::One { kept, pool: Arc::clone(&self.pool), peer }),
            Line::Many(_, place) => Some(Lease::Many(place)),
        }
    }

    /// Sends over a kept connection if there is one. A request that such a connection hands back unsent, because the
    /// backend closed it meanwhile, is sent over another one; anything that may have been sent is not sent again.
    async fn deliver(&self, peer: &Peer, call: &Outgoing) -> Result<(Response<Incoming>, Line), PipeError> {
        let mut refusals = 0;
        while refusals < REFUSAL_LIMIT
            && let Some(mut line) = self.kept(peer).await
        {
            match self.attempt(&mut line, peer, call).await {
                Ok(response) => return Ok((response, line)),
                Err(Unsent::Handed) if matches!(line, Line::Many(..)) => {
                    refusals += 1;
                    self.pool.forget_shared(peer);
                }
                Err(Unsent::Handed) => {}
                Err(Unsent::Failed(error)) => return Err(error),
            }
        }
        // Rare, and most of the future's size: inside, it would be allocated and moved with each call.
        let mut line = Box::pin(self.open(peer, call)).await?;
        match self.attempt(&mut line, peer, call).await {
            Ok(response) => Ok((response, line)),
            Err(Unsent::Handed) => Err(PipeError::Transport { call: call.call(), reason: "EOF".into() }),
            Err(Unsent::Failed(error)) => Err(error),
        }
    }

    async fn kept(&self, peer: &Peer) -> Option<Line> {
        if self.connector.may_share(peer)
            && let Some((sender, place)) = self.pool.take_shared(peer)
        {
            return Some(Line::Many(sender, place));
        }
        while let Some(mut kept) = self.pool.take(peer) {
            if is_ready(&mut kept.connection).await {
                return Some(Line::One(kept));
            }
        }
        None
    }

    /// Where a connection can carry many calls, one is opened at a time, and who waited for it takes a place on it.
    async fn open(&self, peer: &Peer, call: &Outgoing) -> Result<Line, PipeError> {
        let gate = if self.connector.may_share(peer) { self.pool.gate(peer) } else { None };
        let _turn = match &gate {
            Some(gate) => gate.acquire().await.ok(),
            None => None,
        };
        if gate.is_some()
            && let Some((sender, place)) = self.pool.take_shared(peer)
        {
            return Ok(Line::Many(sender, place));
        }
        let opened = self.connector.open(peer, call.connect_by).await;
        match opened.map_err(|reason| PipeError::Connect { call: call.call(), reason })? {
            Opened::One(connection) => {
                if gate.is_some() {
                    self.pool.shares_nothing(peer);
                }
                Ok(Line::One(Kept { connection, opened: Instant::now() }))
            }
            Opened::Many(sender) => {
                let place = self.pool.share(peer, sender.clone(), self.habits.keep_alive);
                Ok(Line::Many(sender, place))
            }
        }
    }

    async fn attempt(&self, line: &mut Line, peer: &Peer, call: &Outgoing) -> Result<Response<Incoming>, Unsent> {
        match line {
            Line::One(Kept { connection, .. }) => {
                let request = wire::request(call, peer, self.habits, &connection.form);
                self.answered(connection.sender.try_send_request(request), call).await
            }
            Line::Many(sender, _) => {
                let request = wire::request(call, peer, self.habits, &Form::Http2);
                self.answered(sender.try_send_request(request), call).await
            }
        }
    }

    async fn answered<R>(
        &self,
        sent: impl Future<Output = Result<Response<Incoming>, TrySendError<R>>>,
        call: &Outgoing,
    ) -> Result<Response<Incoming>, Unsent> {
        let answered = match self.response_header_timeout {
            None => sent.await,
            Some(limit) => match tokio::time::timeout(limit, sent).await {
                Ok(answered) => answered,
                Err(_) => return Err(Unsent::Failed(PipeError::HeadersTimedOut { call: call.call() })),
            },
        };
        answered.map_err(|mut failure| {
            let is_unsent = failure.take_message().is_some();
            let error = failure.into_error();
            if is_unsent || is_unprocessed(&error) {
                Unsent::Handed
            } else {
                Unsent::Failed(broken(call.call(), &error))
            }
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
    let sender = &mut connection.sender;
    sender.is_ready() || matches!(tokio::time::timeout(READY_PATIENCE, sender.ready()).await, Ok(Ok(())))
}

/// What a call goes over.
enum Line {
    One(Kept<Connection>),
    Many(Shared, Place),
}

/// Whether an HTTP/2 backend says that it has not looked at the request: it may be sent again (RFC 9113 §8.7).
fn is_unprocessed(error: &hyper::Error) -> bool {
    http2_error(error).is_some_and(|error| {
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (error.is_go_away() || is_refused)
    })
}

fn http2_error(error: &hyper::Error) -> Option<&h2::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Why there is no response.
enum Unsent {
    /// Nothing of the request has left, or the backend has not looked at it.
    Handed,
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
        None => match http2_error(error) {
            Some(error) => format!("http2: {error}"),
            None => error.to_string(),
        },
    };
    PipeError::Transport { call, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::http;
    use ::http::{Method, Uri};
    use bytes::Bytes;

    #[test]
    fn opening_a_connection_takes_no_room_in_every_call() {
        let client = Client::new(ClientSettings::from(&http()));
        let call = Outgoing::new(Method::POST, Uri::from_static("http://h/"), Arc::default(), Bytes::new());
        let size = std::mem::size_of_val(&client.send(&call));
        assert!(size <= 2_048, "{size} bytes are allocated and moved with each call");
    }
}
