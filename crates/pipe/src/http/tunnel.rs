//! A way through a proxy to a peer (CONNECT, RFC 9110 §9.3.6).

use ::http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use ::http::{Method, Request, Uri};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::idle::Peer;
use super::proxy::Proxy;

/// Asks the proxy at the end of `stream` for a connection to `peer`.
///
/// # Errors
///
/// `proxyconnect tcp: …`: what the proxy answered, or why it did not.
pub(super) async fn through(stream: TcpStream, proxy: &Proxy, peer: &Peer) -> Result<TokioIo<Upgraded>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("proxyconnect tcp: {error}");
    let (mut sender, task) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    // Ends when the connection is handed over, or closed.
    tokio::spawn(async move { _ = task.with_upgrades().await });
    let request = request(proxy, peer).ok_or_else(|| failed(&"the backend's address cannot be asked for"))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    if !response.status().is_success() {
        return Err(failed(&response.status()));
    }
    upgrade::on(response).await.map(TokioIo::new).map_err(|error| failed(&error))
}

fn request(proxy: &Proxy, peer: &Peer) -> Option<Request<Empty<Bytes>>> {
    let (host, port) = peer.host_and_port();
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::builder().authority(address.as_str()).build().ok()?;
    request.headers_mut().insert(HOST, HeaderValue::from_str(&address).ok()?);
    if let Some(authorization) = &proxy.authorization {
        request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    Some(request)
}
