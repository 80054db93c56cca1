//! Connections that are kept, lost, slow or spoken to wrongly.

mod support;

use std::io::Write;
use std::time::Duration;

use siphon_config::model::HttpSettings;
use siphon_pipe::http::REPLY_LIMIT;
use siphon_pipe::{FailureKind, Reply};
use support::model::{backend, http};
use support::server::{bytes, json, reply};
use support::{Action, PATIENCE, Server, data, error, event, pipe, pipe_with, run};
use tokio::time::Instant;

fn kind(reply: &Reply) -> Option<FailureKind> {
    reply.error.as_ref().map(|error| error.kind())
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::start(|seen| if seen.body.is_empty() { reply(500, &[], "no") } else { json("{}") }).await;
    let pipe = pipe(vec![backend(&server.url(), "/k")]);
    for body in ["1", "", "2", "", "3"] {
        assert_eq!(run(&pipe, body).await.is_complete(), !body.is_empty());
    }
    assert_eq!((server.seen().len(), server.connections()), (5, 1));
}

#[tokio::test]
async fn events_at_once_take_connections_of_their_own_and_leave_them_for_the_next() {
    let server = Server::start(|_| json("{}")).await;
    let settings = HttpSettings { max_idle_connections_per_host: 2, ..http() };
    let pipe = pipe_with(vec![backend(&server.url(), "/k")], &settings);
    for _ in 0..2 {
        let replies = futures_util::future::join_all((0..4).map(|_| run(&pipe, "{}"))).await;
        assert!(replies.iter().all(Reply::is_complete));
    }
    // Two of the first four were kept.
    assert_eq!((server.seen().len(), server.connections()), (8, 6));
}

#[tokio::test]
async fn without_keep_alive_each_call_has_its_connection() {
    let server = Server::start(|_| Action::Answer(bytes(200, &["Connection: close"], "{}"))).await;
    let settings = HttpSettings { disable_keep_alives: true, ..http() };
    let pipe = pipe_with(vec![backend(&server.url(), "/k")], &settings);
    for _ in 0..3 {
        assert!(run(&pipe, "{}").await.is_complete());
    }
    assert_eq!((server.connections(), server.seen()[0].header("connection")), (3, Some("close")));
}

#[tokio::test]
async fn a_call_on_a_connection_that_the_backend_closed_meanwhile_is_sent_again() {
    let server = Server::start(|_| Action::AnswerAndClose(bytes(200, &[], "{}"))).await;
    let pipe = pipe(vec![backend(&server.url(), "/stale")]);
    for round in 1..=20 {
        let reply = run(&pipe, "{}").await;
        assert!(reply.is_complete(), "round {round}: {}", error(&reply));
        server.closed(round).await;
    }
    assert_eq!((server.seen().len(), server.connections()), (20, 20));
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let server = Server::start(|_| json("{}")).await;
    let settings = HttpSettings { idle_connection_timeout: Some(Duration::from_millis(20)), ..http() };
    let pipe = pipe_with(vec![backend(&server.url(), "/idle")], &settings);
    assert!(run(&pipe, "{}").await.is_complete());
    tokio::time::timeout(PATIENCE, server.closed(1)).await.expect("closed by the pool");
    assert!(run(&pipe, "{}").await.is_complete());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_backend_that_hangs_up_is_a_failure_and_not_called_again() {
    let server = Server::start(|_| Action::HangUp).await;
    let reply = run(&pipe(vec![backend(&server.url(), "/bye")]), "{}").await;
    assert_eq!(error(&reply), format!("Post \"{}/bye\": EOF", server.url()));
    assert_eq!((kind(&reply), server.seen().len()), (Some(FailureKind::Other), 1));
}

#[tokio::test]
async fn nobody_listening_is_told_in_the_words_that_are_searched_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let reply = run(&pipe(vec![backend(&format!("http://{address}"), "/a")]), "{}").await;
    assert_eq!(error(&reply), format!("Post \"http://{address}/a\": dial tcp {address}: connect: connection refused"));
    assert_eq!(kind(&reply), Some(FailureKind::Connect));
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_failure() {
    for garbage in [b"SSH-2.0-OpenSSH\r\n\r\n".as_slice(), b"HTTP/1.1 abc\r\n\r\n", b"\0\0\0\0\r\n\r\n"] {
        let server = Server::start(|_| Action::AnswerAndClose(garbage.to_vec())).await;
        let reply = run(&pipe(vec![backend(&server.url(), "/g")]), "{}").await;
        let text = error(&reply);
        assert!(text.starts_with("Post ") && text.contains("malformed HTTP response"), "{text}");
        assert_eq!(kind(&reply), Some(FailureKind::Other));
    }
}

#[tokio::test]
async fn a_body_that_is_cut_is_a_failure() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":";
    let server = Server::start(|_| Action::AnswerAndClose(cut.to_vec())).await;
    let reply = run(&pipe(vec![backend(&server.url(), "/cut")]), "{}").await;
    assert_eq!(error(&reply), format!("Post \"{}/cut\": unexpected EOF", server.url()));
}

#[tokio::test]
async fn a_slow_backend_is_given_up_at_the_deadline_and_its_connection_closed() {
    let server = Server::start(|_| Action::Stall).await;
    let pipe = pipe(vec![backend(&server.url(), "/slow")]);
    let started = Instant::now();
    let reply = pipe.run(event("{}"), started + Duration::from_millis(50)).await;
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!((error(&reply).as_str(), kind(&reply)), ("context deadline exceeded", Some(FailureKind::Timeout)));
    tokio::time::timeout(PATIENCE, server.closed(1)).await.expect("closed by the client");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up_at_the_deadline() {
    let server = Server::start(|_| Action::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{".to_vec())).await;
    let pipe = pipe(vec![backend(&server.url(), "/half")]);
    let reply = pipe.run(event("{}"), Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(error(&reply), "context deadline exceeded");
    tokio::time::timeout(PATIENCE, server.closed(1)).await.expect("closed by the client");
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_its_body() {
    let server = Server::start(|_| Action::Answer(b"HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\n{".to_vec())).await;
    let reply = run(&pipe(vec![backend(&server.url(), "/no")]), "{}").await;
    assert_eq!(kind(&reply), Some(FailureKind::Status(500)));
    tokio::time::timeout(PATIENCE, server.closed(1)).await.expect("closed by the client");
}

#[tokio::test]
async fn a_backend_that_never_begins_to_answer_can_have_a_limit_of_its_own() {
    let server = Server::start(|_| Action::Stall).await;
    let settings = HttpSettings { response_header_timeout: Some(Duration::from_millis(20)), ..http() };
    let reply = run(&pipe_with(vec![backend(&server.url(), "/h")], &settings), "{}").await;
    let expected = format!("Post \"{}/h\": net/http: timeout awaiting response headers", server.url());
    assert_eq!((error(&reply), kind(&reply)), (expected, Some(FailureKind::Timeout)));
}

#[tokio::test]
async fn a_chunked_reply_is_put_together() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n1\r\n1\r\n1\r\n}\r\n0\r\n\r\n";
    let server = Server::start(|_| Action::Answer(chunked.to_vec())).await;
    let pipe = pipe(vec![backend(&server.url(), "/c")]);
    for _ in 0..2 {
        assert_eq!(data(&run(&pipe, "{}").await).as_deref(), Some("{\"a\":1}"));
    }
    assert_eq!(server.connections(), 1);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text).expect("memory");
    packer.finish().expect("memory")
}

#[tokio::test]
async fn a_packed_reply_is_unpacked() {
    let server = Server::start(|_| reply(200, &["Content-Encoding: gzip"], gzip(b"{\"zipped\":[1]}"))).await;
    let reply = run(&pipe(vec![backend(&server.url(), "/z")]), "{}").await;
    assert_eq!(data(&reply).as_deref(), Some("{\"zipped\":[1]}"));
    let settings = HttpSettings { disable_compression: true, ..http() };
    assert!(run(&pipe_with(vec![backend(&server.url(), "/z")], &settings), "{}").await.is_complete());
    let asked: Vec<_> = server.seen().iter().map(|seen| seen.header("accept-encoding").is_some()).collect();
    assert_eq!(asked, [true, false]);
}

#[tokio::test]
async fn a_reply_that_is_packed_wrongly_is_a_failure() {
    let mut cut = gzip(b"{\"zipped\":[1,2,3]}");
    cut.truncate(20);
    for body in [cut, b"{\"plain\":1}".to_vec()] {
        let server = Server::start(move |_| reply(200, &["Content-Encoding: gzip"], &body)).await;
        let reply = run(&pipe(vec![backend(&server.url(), "/z")]), "{}").await;
        assert!(error(&reply).contains("gzip: "), "{}", error(&reply));
        assert_eq!(kind(&reply), Some(FailureKind::Invalid));
    }
}

#[tokio::test]
async fn a_reply_beyond_the_limit_is_not_read_further() {
    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", REPLY_LIMIT + 1);
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
    let bomb = bytes(200, &["Content-Encoding: gzip"], gzip(&vec![b' '; REPLY_LIMIT + 1]));
    let actions =
        [Action::Flood(announced.into_bytes(), b"x".to_vec()), Action::Flood(endless, chunk), Action::Answer(bomb)];
    for action in actions {
        let server = Server::start(move |_| action.clone()).await;
        let reply = run(&pipe(vec![backend(&server.url(), "/o")]), "{}").await;
        assert_eq!(error(&reply), format!("Post \"{}/o\": the reply is larger than {REPLY_LIMIT} bytes", server.url()));
        assert_eq!(kind(&reply), Some(FailureKind::Invalid));
    }
}

#[tokio::test]
async fn a_dropped_pipe_closes_its_connections() {
    let server = Server::start(|_| json("{}")).await;
    let pipe = pipe(vec![backend(&server.url(), "/k")]);
    assert!(run(&pipe, "{}").await.is_complete());
    drop(pipe);
    tokio::time::timeout(PATIENCE, server.closed(1)).await.expect("closed by the client");
}
