//! The scripted backend, seen by a client that speaks bytes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use siphon_testkit::{HttpBackend, Reply};

/// Sends `request` over a connection of its own and returns all that comes back.
fn exchange(backend: &HttpBackend, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(backend.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[track_caller]
fn check(reply: Reply, expected: &[u8]) {
    let backend = HttpBackend::start();
    backend.answer("/a", reply);
    assert_eq!(String::from_utf8_lossy(&exchange(&backend, &post("/a?x=1", "hi"))), String::from_utf8_lossy(expected));
}

#[test]
fn it_answers_as_told() {
    check(
        Reply::json(503, "[]"),
        b"HTTP/1.1 503 Scripted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
    );
    check(Reply::status(204), b"HTTP/1.1 204 Scripted\r\n\r\n");
    check(Reply::hang_up(), b"");
    check(Reply::garbage(), b"\x00\x01 this is not HTTP\r\n\r\n");
}

#[test]
fn it_records_what_came() {
    let backend = HttpBackend::start();
    exchange(&backend, &post("/a?x=1", "first"));
    exchange(&backend, "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
    let requests = backend.requests();
    let seen: Vec<_> =
        requests.iter().map(|one| (one.method.as_str(), one.query.as_str(), one.text(), one.nth)).collect();
    assert_eq!(seen, [("POST", "x=1", "first".into(), 1), ("PUT", "", "abcde".into(), 2)]);
    assert_eq!(requests[0].header("host"), Some("x"));
    assert_eq!(backend.look(|log| (log.running, log.most_running, log.connections)), (0, 1, 2));
}

#[test]
fn it_fails_as_often_as_told() {
    let backend = HttpBackend::start();
    backend.fail_first("/a", 2, Reply::status(500));
    let statuses: Vec<_> = (0..3).map(|_| exchange(&backend, &post("/a", ""))[9..12].to_vec()).collect();
    assert_eq!(statuses, [b"500", b"500", b"200"]);
}

#[test]
fn held_replies_show_how_many_run_at_once() {
    let backend = HttpBackend::start();
    backend.answer("/a", Reply::json(200, "{}").held());
    std::thread::scope(|scope| {
        (0..3).for_each(|_| drop(scope.spawn(|| exchange(&backend, &post("/a", "")))));
        backend.wait_until("three requests", |log| log.running == 3);
        backend.release();
    });
    assert_eq!(backend.look(|log| (log.running, log.most_running)), (0, 3));
}

#[test]
fn it_goes_down_and_comes_back() {
    let backend = HttpBackend::start();
    backend.answer("/slow", Reply::json(200, "{}").after(Duration::from_secs(600)));
    let mut cut = TcpStream::connect(backend.address()).unwrap();
    cut.write_all(post("/slow", "").as_bytes()).unwrap();
    backend.wait_until("the request", |log| log.running == 1);
    backend.go_down();
    assert_eq!(cut.read(&mut [0; 9]).unwrap_or(0), 0, "the open connection is cut");
    backend.come_back();
    assert!(exchange(&backend, &post("/a", "")).starts_with(b"HTTP/1.1 200"));
}
