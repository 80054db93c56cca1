//! From a peer to a connection that takes requests: name, TCP, proxy, TLS, HTTP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::idle::Peer;
use super::proxy::Proxies;
use super::wire::Form;
use super::{tls, tunnel};

/// The name of HTTP/2 in a TLS handshake.
const HTTP2: &[u8] = b"h2";

/// As in the reference, and not configurable there.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an HTTP/2 connection with calls under way is asked whether it is alive: many events hang on it.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(10);

/// And how long it may take to say so.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What is spoken to a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    /// HTTP/1.1.
    #[default]
    One,
    /// Over TLS what the backend chooses (ALPN), else HTTP/1.1.
    Auto,
    /// HTTP/2, without TLS too.
    Two,
}

/// An HTTP/1.1 connection. Dropping it closes it.
pub(super) struct Connection {
    pub sender: http1::SendRequest<Full<Bytes>>,
    pub form: Form,
}

/// An HTTP/2 connection; it closes when all its clones are dropped.
pub(super) type Shared = http2::SendRequest<Full<Bytes>>;

/// What was opened.
pub(super) enum Opened {
    One(Connection),
    Many(Shared),
}

/// How connections are opened.
pub(super) struct Connector {
    /// Name and TCP together; `None`: the event's deadline alone.
    pub connect_timeout: Option<Duration>,
    /// Idle time before TCP probes; `None`: none.
    pub tcp_keep_alive: Option<Duration>,
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// `None`: the machine's roots, TLS 1.2 or 1.3.
    pub tls_settings: Option<Arc<ClientConfig>>,
    pub version: HttpVersion,
    pub proxies: Proxies,
    /// As it is used, made once.
    pub tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Connector {
    /// Loads what TLS needs, which would otherwise happen with the first call.
    ///
    /// # Errors
    ///
    /// A sentence when TLS cannot work on this machine.
    pub fn prepare_tls(&self) -> Result<Arc<ClientConfig>, String> {
        self.tls.get_or_init(|| self.tls_config()).clone()
    }

    fn tls_config(&self) -> Result<Arc<ClientConfig>, String> {
        let config = match &self.tls_settings {
            Some(config) => Arc::clone(config),
            None => tls::client_config(&self.extra_roots)?,
        };
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = match self.version {
            HttpVersion::One => vec![b"http/1.1".to_vec()],
            HttpVersion::Auto => vec![HTTP2.to_vec(), b"http/1.1".to_vec()],
            HttpVersion::Two => vec![HTTP2.to_vec()],
        };
        Ok(Arc::new(config))
    }

    /// Whether a connection to `peer` may carry several calls.
    pub fn may_share(&self, peer: &Peer) -> bool {
        match self.version {
            HttpVersion::One => false,
            HttpVersion::Auto => peer.tls,
            HttpVersion::Two => true,
        }
    }

    /// Opens a connection. Its task runs on the runtime that calls. `by`: when it must be open; `None`: the event's
    /// deadline.
    ///
    /// # Errors
    ///
    /// The reference's words: `dial tcp 127.0.0.1:19: connect: connection refused`, `dial tcp: lookup x: no such
    /// host`, `dial tcp: i/o timeout`, `tls: …`.
    pub async fn open(&self, peer: &Peer, by: Option<Instant>) -> Result<Opened, String> {
        let limit = by.map(|by| by.saturating_duration_since(Instant::now()));
        within(limit, "dial tcp: i/o timeout", self.open_at_leisure(peer)).await
    }

    async fn open_at_leisure(&self, peer: &Peer) -> Result<Opened, String> {
        let proxy = self.proxies.of(peer.tls, &peer.authority);
        let (host, port) = proxy.map_or_else(|| peer.host_and_port(), |proxy| (proxy.host.as_str(), proxy.port));
        let dialled = within(self.connect_timeout, "dial tcp: i/o timeout", dial(host, port)).await;
        let stream =
            dialled.map_err(|error| if proxy.is_some() { format!("proxyconnect tcp: {error}") } else { error })?;
        self.tune(&stream).map_err(|error| reason(&error))?;
        match proxy {
            None => self.converse(peer, stream).await,
            Some(proxy) if !peer.tls && self.version != HttpVersion::Two => {
                single(stream, Form::Forwarded { authorization: proxy.authorization.clone() }).await
            }
            Some(proxy) => self.converse(peer, tunnel::through(stream, proxy, peer).await?).await,
        }
    }

    /// Speaks with the peer itself, over whatever leads there.
    async fn converse<S>(&self, peer: &Peer, stream: S) -> Result<Opened, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        if !peer.tls {
            return match self.version {
                HttpVersion::Two => shared(stream).await,
                HttpVersion::One | HttpVersion::Auto => single(stream, Form::Origin).await,
            };
        }
        let (host, _) = peer.host_and_port();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("tls: {host} is no server name"))?;
        let tls = TlsConnector::from(self.prepare_tls()?).connect(name, stream);
        let secured = async { tls.await.map_err(|error| format!("tls: {error}")) };
        let stream = within(Some(TLS_HANDSHAKE_TIMEOUT), "net/http: TLS handshake timeout", secured).await?;
        let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        match self.version {
            _ if speaks_http2 => shared(stream).await,
            HttpVersion::Two => Err("tls: the backend does not speak HTTP/2; set http_version to auto".into()),
            HttpVersion::One | HttpVersion::Auto => single(stream, Form::Origin).await,
        }
    }

    fn tune(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match self.tcp_keep_alive {
            Some(idle) => {
                SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(idle))
            }
            None => Ok(()),
        }
    }
}

async fn within<T>(
    limit: Option<Duration>,
    text: &str,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(text.to_owned())),
        None => work.await,
    }
}

/// Tries every address of the name, in the resolver's order; the last failure counts.
async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = lookup_host((host, port)).await.map_err(|error| unknown_host(host, &error))?;
    let mut failure = format!("dial tcp: lookup {host}: no such host");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = refused(address, &error),
        }
    }
    Err(failure)
}

fn refused(address: SocketAddr, error: &io::Error) -> String {
    format!("dial tcp {address}: connect: {}", reason(error))
}

/// The resolver's own words are the C library's, different on each system.
fn unknown_host(host: &str, error: &io::Error) -> String {
    let text = reason(error);
    let said = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match said {
        "name or service not known" | "no address associated with hostname" => {
            format!("dial tcp: lookup {host}: no such host")
        }
        other => format!("dial tcp: lookup {host}: {other}"),
    }
}

/// An error of the system in the words that logs are searched for: `connection refused`.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    text.to_ascii_lowercase()
}

async fn single<S>(stream: S, form: Form) -> Result<Opened, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shaken = http1::Builder::new().title_case_headers(true).handshake(TokioIo::new(stream)).await;
    let (sender, task) = shaken.map_err(|error| error.to_string())?;
    // Ends when `sender` is dropped or the peer hangs up; what went wrong is told to the request in flight.
    tokio::spawn(async move { _ = task.await });
    Ok(Opened::One(Connection { sender, form }))
}

async fn shared<S>(stream: S) -> Result<Opened, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING_INTERVAL).keep_alive_timeout(HTTP2_PING_TIMEOUT);
    let (sender, task) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // As above, with all clones of `sender`.
    tokio::spawn(async move { _ = task.await });
    Ok(Opened::Many(sender))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_speaks_in_the_words_that_are_searched_for() {
        let resolver = |text: &str| io::Error::other(format!("failed to lookup address information: {text}"));
        let texts = [
            unknown_host("x", &resolver("Name or service not known")),
            unknown_host("x", &resolver("Temporary failure in name resolution")),
            refused(([127, 0, 0, 1], 19).into(), &io::Error::other("Connection refused (os error 111)")),
        ];
        let expected = [
            "dial tcp: lookup x: no such host",
            "dial tcp: lookup x: temporary failure in name resolution",
            "dial tcp 127.0.0.1:19: connect: connection refused",
        ];
        assert_eq!(texts, expected);
    }

    #[tokio::test]
    async fn connecting_can_have_a_limit() {
        let never = std::future::pending::<Result<(), String>>();
        let limited = within(Some(Duration::from_millis(5)), "dial tcp: i/o timeout", never).await;
        assert_eq!(limited, Err("dial tcp: i/o timeout".to_owned()));
    }
}
