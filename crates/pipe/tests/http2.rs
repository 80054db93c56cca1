//! HTTP/2 against a real server.

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use siphon_pipe::FailureKind;
use support::certificates::{Authority, Files, Speaks};
use support::server::json;
use support::{Server, data, error, loaded, run};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

/// What a request was, as a line: `POST http://h/a HTTP/2.0 host=- body`.
type Seen = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Http2 {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    seen: Seen,
}

impl Http2 {
    /// A server that answers once `together` calls are there.
    async fn start(tls: Option<TlsAcceptor>, together: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Self { address, connections: Arc::default(), seen: Arc::default() };
        let (ours, barrier) = (server.clone(), Arc::new(Barrier::new(together)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                ours.connections.fetch_add(1, Ordering::SeqCst);
                let (ours, barrier, tls) = (ours.clone(), Arc::clone(&barrier), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => ours.serve(TokioIo::new(stream), barrier).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                ours.serve(TokioIo::new(stream), barrier).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    async fn serve<I>(self, io: I, barrier: Arc<Barrier>)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| answer(request, Arc::clone(&self.seen), Arc::clone(&barrier)));
        _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Seen,
    barrier: Arc<Barrier>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let host = request.headers().get("host").map_or("-", |host| host.to_str().expect("text")).to_owned();
    let line = format!("{} {} {:?} host={host}", request.method(), request.uri(), request.version());
    let is_http2 = request.version() == Version::HTTP_2;
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    seen.lock().expect("whole").push(format!("{line} {}", String::from_utf8_lossy(&body)));
    barrier.wait().await;
    Ok(Response::new(Full::new(Bytes::from(format!("{{\"http2\":{is_http2}}}")))))
}

fn backend(host: &str, client: &str) -> String {
    let extra = format!(r#"{{"backend/http/client": {{{client}}}}}"#);
    format!(r#"{{"host": ["{host}"], "url_pattern": "/a?b=1", "method": "POST", "extra_config": {extra}}}"#)
}

#[tokio::test]
async fn many_calls_share_one_connection_without_tls() {
    let server = Http2::start(None, 8).await;
    let pipe = loaded::pipe(&backend(&format!("http://{}", server.address), r#""http_version": "2""#));
    // The server answers none before all eight are there: they are under way at once.
    for reply in join_all((0..8).map(|_| run(&pipe, "{\"e\":1}"))).await {
        assert_eq!(data(&reply).as_deref(), Some("{\"http2\":true}"), "{}", error(&reply));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let expected = format!("POST http://{}/a?b=1 HTTP/2.0 host=- {{\"e\":1}}", server.address);
    assert_eq!(server.seen.lock().expect("whole")[7], expected);
}

#[tokio::test]
async fn a_connection_carries_no_more_calls_than_the_limit() {
    let server = Http2::start(None, 6).await;
    let client = r#""http_version": "2", "http2_max_calls": 2"#;
    let pipe = loaded::pipe(&backend(&format!("http://{}", server.address), client));
    for reply in join_all((0..6).map(|_| run(&pipe, "{}"))).await {
        assert!(reply.is_complete(), "{}", error(&reply));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn over_tls_the_backend_chooses_where_it_may() {
    let authority = Authority::new("ours");
    let files = Files::of(&authority);
    let acceptor = |alpn| authority.server_that(&["localhost"], &Speaks { alpn, ..Speaks::default() });
    let both = Http2::start(Some(acceptor(&["h2", "http/1.1"])), 1).await;
    let old = acceptor(&["http/1.1"]);
    let old = Server::start_with(
        |_| json("{\"http2\":false}"),
        move |stream| {
            let old = old.clone();
            async move { old.accept(stream).await.ok() }
        },
    )
    .await;
    let pipe = |port: u16, version: &str| {
        let tls = format!(r#""client_tls": {{"ca_certs": [{}]}}"#, files.json("ca.pem"));
        let client = format!(r#""http_version": "{version}", {tls}"#);
        loaded::pipe(&backend(&format!("https://localhost:{port}"), &client))
    };
    for (port, version, expected) in [
        (both.address.port(), "auto", "{\"http2\":true}"),
        (both.address.port(), "2", "{\"http2\":true}"),
        (old.address.port(), "auto", "{\"http2\":false}"),
        (old.address.port(), "1.1", "{\"http2\":false}"),
    ] {
        let pipe = pipe(port, version);
        for _ in 0..2 {
            let reply = run(&pipe, "{}").await;
            assert_eq!(data(&reply).as_deref(), Some(expected), "{version}: {}", error(&reply));
        }
    }
    assert_eq!((both.connections.load(Ordering::SeqCst), old.connections()), (2, 2));
    let reply = run(&pipe(old.address.port(), "2"), "{}").await;
    assert!(error(&reply).contains("tls: "), "{}", error(&reply));
    assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Connect));
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_its_connection_to_others() {
    // The one that is given up counts as the first of three: the server has read it.
    let server = Http2::start(None, 3).await;
    let pipe = loaded::pipe(&backend(&format!("http://{}", server.address), r#""http_version": "2""#));
    let given_up = async {
        let arrived = async {
            while server.seen.lock().expect("whole").is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            reply = run(&pipe, "{}") => panic!("the server waits for more calls: {}", error(&reply)),
            () = arrived => {}
        }
    };
    given_up.await;
    for reply in join_all((0..2).map(|_| run(&pipe, "{}"))).await {
        assert!(reply.is_complete(), "{}", error(&reply));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

/// Answers every call but the second one, which it refuses before it has looked at it.
async fn refusing_the_second() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse_the_second(stream, Arc::clone(&count)));
        }
    });
    address
}

async fn refuse_the_second(stream: TcpStream, count: Arc<AtomicUsize>) {
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        if count.fetch_add(1, Ordering::SeqCst) == 1 {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            continue;
        }
        let mut body = respond.send_response(Response::new(()), false).expect("sent");
        body.send_data(Bytes::from_static(b"{\"ok\":1}"), true).expect("sent");
    }
}

#[tokio::test]
async fn a_call_that_the_backend_has_not_looked_at_is_made_again() {
    let address = refusing_the_second().await;
    let pipe = loaded::pipe(&backend(&format!("http://{address}"), r#""http_version": "2""#));
    for _ in 0..3 {
        let reply = run(&pipe, "{}").await;
        assert_eq!(data(&reply).as_deref(), Some("{\"ok\":1}"), "{}", error(&reply));
    }
}
