//! Calls through a forward proxy.

mod support;

use std::sync::{Arc, Mutex};

use siphon_pipe::FailureKind;
use siphon_pipe::http::Proxies;
use support::certificates::{Authority, Files};
use support::server::json;
use support::{Server, data, error, loaded, run};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that takes CONNECT alone and leads to `to` whatever was asked for. Gives its address and the heads it saw.
async fn tunnelling(to: std::net::SocketAddr, status: &'static str) -> (String, Arc<Mutex<Vec<Vec<String>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://user:p%40ss@{}", listener.local_addr().expect("an address"));
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap_or(0) <= 2 {
                        break;
                    }
                    head.push(line.trim_end().to_owned());
                }
                seen.lock().expect("whole").push(head);
                _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await;
                if status.starts_with("200") {
                    let mut there = TcpStream::connect(to).await.expect("the backend");
                    _ = copy_bidirectional(&mut stream, &mut there).await;
                }
            });
        }
    });
    (address, heads)
}

fn backend(host: &str, client: &str) -> String {
    let extra = format!(r#"{{"backend/http/client": {{{client}}}}}"#);
    format!(r#"{{"host": ["{host}"], "url_pattern": "/a?b=1", "method": "POST", "extra_config": {extra}}}"#)
}

#[tokio::test]
async fn a_plain_call_is_forwarded_with_its_whole_url_over_one_connection() {
    let proxy = Server::start(|_| json("{\"through\":1}")).await;
    let address = format!("http://user:pw@{}", proxy.address);
    let pipe = loaded::pipe(&backend("http://orders.example:81", &format!(r#""proxy_address": "{address}""#)));
    for _ in 0..2 {
        let reply = run(&pipe, "{}").await;
        assert_eq!(data(&reply).as_deref(), Some("{\"through\":1}"), "{}", error(&reply));
    }
    let seen = &proxy.seen()[1];
    assert_eq!((seen.target.as_str(), seen.connection), ("http://orders.example:81/a?b=1", 0));
    assert_eq!((seen.header("host"), seen.body.as_str()), (Some("orders.example:81"), "{}"));
    assert_eq!(seen.header("proxy-authorization"), Some("Basic dXNlcjpwdw=="));
}

#[tokio::test]
async fn a_call_over_tls_goes_through_a_tunnel_that_the_proxy_cannot_look_into() {
    let authority = Authority::new("ours");
    let acceptor = authority.server(&["orders.example"]);
    let server = Server::start_with(
        |_| json("{\"secret\":1}"),
        move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        },
    )
    .await;
    let (address, heads) = tunnelling(server.address, "200 Connection established").await;
    let files = Files::of(&authority);
    let tls = format!(r#""proxy_address": "{address}", "client_tls": {{"ca_certs": [{}]}}"#, files.json("ca.pem"));
    let pipe = loaded::pipe(&backend("https://orders.example", &tls));
    for _ in 0..2 {
        let reply = run(&pipe, "{}").await;
        assert_eq!(data(&reply).as_deref(), Some("{\"secret\":1}"), "{}", error(&reply));
    }
    let heads = heads.lock().expect("whole").clone();
    let lowered: Vec<_> = heads[0].iter().map(|line| line.to_ascii_lowercase()).collect();
    assert_eq!((heads.len(), lowered[0].as_str()), (1, "connect orders.example:443 http/1.1"));
    assert!(lowered.iter().any(|line| line.starts_with("proxy-authorization: basic ")), "{lowered:?}");
    let seen = &server.seen()[1];
    assert_eq!((seen.target.as_str(), seen.header("proxy-authorization")), ("/a?b=1", None));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_failure_to_connect_that_shows_no_password() {
    let (address, _) = tunnelling(([127, 0, 0, 1], 1).into(), "407 Proxy Authentication Required").await;
    let pipe = loaded::pipe(&backend("https://orders.example", &format!(r#""proxy_address": "{address}""#)));
    let reply = run(&pipe, "{}").await;
    let expected = "Post \"https://orders.example/a?b=1\": proxyconnect tcp: 407 Proxy Authentication Required";
    assert_eq!(error(&reply), expected);
    assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Connect));
}

#[tokio::test]
async fn the_environment_s_proxy_is_for_all_but_loopback_and_the_named() {
    let proxy = Server::start(|_| json("{\"through\":1}")).await;
    let local = Server::start(|_| json("{\"direct\":1}")).await;
    let address = proxy.url();
    let proxies = Proxies::from_environment(|name| match name {
        "http_proxy" => Some(address.clone()),
        "NO_PROXY" => Some("direct.invalid".to_owned()),
        _ => None,
    });
    let proxies = proxies.expect("proxies");
    let cases = [
        ("http://orders.example", Some("{\"through\":1}")),
        (local.url().leak(), Some("{\"direct\":1}")),
        ("http://direct.invalid", None),
    ];
    for (host, expected) in cases {
        let pipe = loaded::pipe_of("", &backend(host, ""), |settings| settings.proxies = proxies.clone());
        let reply = run(&pipe.expect("a pipe"), "{}").await;
        assert_eq!(data(&reply).as_deref(), expected, "{}", error(&reply));
    }
}
