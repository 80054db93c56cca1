//! From a peer to a connection that takes requests: name, TCP, TLS, HTTP/1.1.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::idle::Peer;
use super::tls;

/// As in the reference, and not configurable there.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that takes requests. Dropping it closes the connection.
pub(super) type Connection = SendRequest<Full<Bytes>>;

pub(super) struct Connector {
    /// Name and TCP together; `None`: the event's deadline alone.
    pub connect_timeout: Option<Duration>,
    /// Idle time before TCP probes; `None`: none.
    pub tcp_keep_alive: Option<Duration>,
    pub extra_roots: Vec<CertificateDer<'static>>,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Connector {
    pub fn new(
        connect_timeout: Option<Duration>,
        tcp_keep_alive: Option<Duration>,
        extra_roots: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self { connect_timeout, tcp_keep_alive, extra_roots, tls: OnceLock::new() }
    }

    /// Loads what TLS needs, which would otherwise happen with the first call.
    ///
    /// # Errors
    ///
    /// A sentence when TLS cannot work on this machine.
    pub fn prepare_tls(&self) -> Result<Arc<ClientConfig>, String> {
        self.tls.get_or_init(|| tls::client_config(&self.extra_roots)).clone()
    }

    /// Opens a connection. Its task runs on the runtime that calls.
    ///
    /// # Errors
    ///
    /// The reference's words: `dial tcp 127.0.0.1:19: connect: connection refused`, `dial tcp: lookup x: no such
    /// host`, `dial tcp: i/o timeout`, `tls: …`.
    pub async fn open(&self, peer: &Peer) -> Result<Connection, String> {
        let (host, port) = host_and_port(peer);
        let stream = within(self.connect_timeout, "dial tcp: i/o timeout", dial(host, port)).await?;
        self.tune(&stream).map_err(|error| reason(&error))?;
        if !peer.tls {
            return handshake(stream).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("tls: {host} is no server name"))?;
        let tls = TlsConnector::from(self.prepare_tls()?).connect(name, stream);
        let secured = async { tls.await.map_err(|error| format!("tls: {error}")) };
        handshake(within(Some(TLS_HANDSHAKE_TIMEOUT), "net/http: TLS handshake timeout", secured).await?).await
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

fn host_and_port(peer: &Peer) -> (&str, u16) {
    let host = peer.authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (bare, peer.authority.port_u16().unwrap_or(if peer.tls { 443 } else { 80 }))
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

async fn handshake<S>(stream: S) -> Result<Connection, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shaken = Builder::new().title_case_headers(true).handshake(TokioIo::new(stream)).await;
    let (connection, task) = shaken.map_err(|error| error.to_string())?;
    // Ends when `connection` is dropped or the peer hangs up; what went wrong is told to the request in flight.
    tokio::spawn(async move { _ = task.await });
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::uri::Authority;

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

    #[test]
    fn a_peer_has_the_port_of_its_scheme() {
        let cases = [("h", false, ("h", 80)), ("h", true, ("h", 443)), ("[::1]:81", true, ("::1", 81))];
        for (authority, tls, expected) in cases {
            let peer = Peer { tls, authority: Authority::from_static(authority) };
            assert_eq!(host_and_port(&peer), expected);
        }
    }

    #[tokio::test]
    async fn connecting_can_have_a_limit() {
        let never = std::future::pending::<Result<(), String>>();
        let limited = within(Some(Duration::from_millis(5)), "dial tcp: i/o timeout", never).await;
        assert_eq!(limited, Err("dial tcp: i/o timeout".to_owned()));
    }
}
