//! What a backend sees of an event, and what becomes of its reply.

mod support;

use siphon_config::model::{Backend, Encoding};
use siphon_pipe::{FailureKind, Request};
use support::model::backend;
use support::server::{json, reply};
use support::{Action, PATIENCE, Server, data, error, event, pipe, run};
use tokio::time::Instant;

#[tokio::test]
async fn a_backend_sees_the_event_as_it_is() {
    let server = Server::start(|_| json("{\"stored\":true}")).await;
    let reply = run(&pipe(vec![backend(&server.url(), "/orders?x=1")]), "{\"price\": 1.50}").await;
    assert_eq!(data(&reply).as_deref(), Some("{\"stored\":true}"));
    assert!(reply.is_complete());
    let seen = &server.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str(), seen.body.as_str()),
        ("POST", "/orders?x=1", "{\"price\": 1.50}")
    );
    let mut headers = seen.headers.clone();
    headers.sort();
    let expected = [
        ("Accept-Encoding", "gzip"),
        ("Content-Length", "15"),
        ("Content-Type", "application/json"),
        ("Host", &server.address.to_string()),
        ("User-Agent", concat!("siphon/", env!("CARGO_PKG_VERSION"))),
    ];
    assert_eq!(headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn every_method_carries_the_payload_and_an_empty_one_has_no_frame_on_get() {
    let server = Server::start(|_| json("{}")).await;
    for (method, body, length) in [
        ("GET", "{}", Some("2")),
        ("DELETE", "{}", Some("2")),
        ("GET", "", None),
        ("HEAD", "", None),
        ("DELETE", "", None),
        ("PUT", "", Some("0")),
        ("POST", "", Some("0")),
    ] {
        let one = Backend { method: method.into(), ..backend(&server.url(), "/m") };
        assert!(run(&pipe(vec![one]), body).await.error.is_none(), "{method} {body:?}");
        let seen = server.seen().pop().expect("a call");
        assert_eq!((seen.method.as_str(), seen.body.as_str()), (method, body));
        assert_eq!(seen.header("content-length"), length, "{method} {body:?}");
        assert_eq!(seen.header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn params_fill_the_placeholders_of_the_pattern() {
    let server = Server::start(|_| json("{}")).await;
    let pipe = pipe(vec![backend(&server.url(), "/t/{Topic}/{Missing}?k={Key}")]);
    let mut request = event("{}");
    let params = std::sync::Arc::make_mut(&mut request.params);
    params.insert("topic", "orders/eu");
    params.insert("key", "a&b");
    assert!(pipe.run(request, Instant::now() + PATIENCE).await.is_complete());
    assert_eq!(server.seen()[0].target, "/t/orders%2Feu/%7BMissing%7D?k=a%26b");
}

#[tokio::test]
async fn input_headers_and_query_strings_filter_what_the_event_brings() {
    let server = Server::start(|_| json("{}")).await;
    let mut one = backend(&server.url(), "/f?kept=1");
    one.input_headers = vec!["X-B".into()];
    one.input_query_strings = vec!["b".into()];
    let mut request = Request::new("{}");
    let headers = std::sync::Arc::make_mut(&mut request.headers);
    headers.insert("x-a", http::HeaderValue::from_static("1"));
    headers.insert("x-b", http::HeaderValue::from_static("2"));
    request.query = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
    assert!(pipe(vec![one]).run(request, Instant::now() + PATIENCE).await.is_complete());
    let seen = &server.seen()[0];
    assert_eq!((seen.target.as_str(), seen.header("x-a"), seen.header("x-b")), ("/f?kept=1&b=2", None, Some("2")));
}

#[tokio::test]
async fn every_2xx_is_a_success_and_nothing_else_is() {
    for (status, is_success) in [(200, true), (201, true), (202, true), (204, true), (206, true), (299, true)] {
        let server =
            Server::start(move |_| if status == 204 { no_content() } else { reply(status, &[], "{\"a\":1}") }).await;
        let reply = run(&pipe(vec![backend(&server.url(), "/s")]), "{}").await;
        assert_eq!(reply.is_complete(), is_success, "{status}");
    }
    for status in [300, 304, 305, 400, 401, 404, 409, 422, 500, 502, 503] {
        let server =
            Server::start(move |_| if status == 304 { not_modified() } else { reply(status, &[], "{\"a\":1}") }).await;
        let reply = run(&pipe(vec![backend(&server.url(), "/s?x=1")]), "{}").await;
        let expected = format!("invalid status code {status} [POST /s?x=1]: {}/s?x=1", server.url());
        assert_eq!((error(&reply), data(&reply)), (expected, None));
        assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Status(status)));
    }
}

fn no_content() -> Action {
    Action::Answer(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())
}

fn not_modified() -> Action {
    Action::Answer(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec())
}

#[tokio::test]
async fn retry_after_comes_with_the_failure() {
    let server = Server::start(|_| reply(503, &["Retry-After: 17"], "busy")).await;
    let reply = run(&pipe(vec![backend(&server.url(), "/")]), "{}").await;
    assert_eq!(reply.error.and_then(|error| error.retry_after()), Some(std::time::Duration::from_secs(17)));
}

#[tokio::test]
async fn replies_become_data_as_the_encoding_says() {
    use Encoding::{Json, SafeJson, String};
    let cases = [
        (Json, false, "{\"x\":1.50,\"n\":12345678901234567890}", Ok("{\"x\":1.50,\"n\":12345678901234567890}")),
        (Json, false, "", Ok("{}")),
        (Json, false, "null", Ok("null")),
        (Json, false, "{\"read\":\"this\"} and then nonsense", Ok("{\"read\":\"this\"}")),
        (Json, true, "[1,2]", Ok("{\"collection\":[1,2]}")),
        (SafeJson, false, "\"s\"", Ok("{\"content\":\"s\"}")),
        (String, false, "text", Ok("{\"content\":\"text\"}")),
        (Json, false, "[1]", Err("json: cannot unmarshal array into Go value of type map[string]interface {}")),
        (Json, false, "\u{feff}{}", Err("invalid character 'ï' looking for beginning of value")),
        (Json, false, "{\"a\": ", Err("unexpected EOF at line 1, column 7 [POST /e]")),
        (
            Json,
            false,
            "<html>",
            Err("invalid character '<' looking for beginning of value at line 1, column 1 [POST /e]"),
        ),
    ];
    for (encoding, is_collection, body, expected) in cases {
        let server = Server::start(move |_| json(body)).await;
        let one = Backend { encoding, is_collection, ..backend(&server.url(), "/e") };
        let reply = run(&pipe(vec![one]), "{}").await;
        match expected {
            Ok(expected) => {
                assert_eq!((data(&reply).as_deref(), reply.is_complete()), (Some(expected), true), "{body}")
            }
            Err(start) => {
                assert!(error(&reply).starts_with(start), "{body}: {}", error(&reply));
                assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Invalid));
            }
        }
    }
}

#[tokio::test]
async fn filters_work_on_what_came() {
    let server = Server::start(|_| json("[{\"x\":1}]")).await;
    let mut one = backend(&server.url(), "/c");
    (one.is_collection, one.group) = (true, "g".into());
    one.mapping = vec![("collection".into(), "posts".into())];
    let reply = run(&pipe(vec![one]), "{}").await;
    assert_eq!(data(&reply).as_deref(), Some("{\"g\":{\"posts\":[{\"x\":1}]}}"));
}

#[tokio::test]
async fn no_op_takes_any_status_and_passes_the_body_on() {
    let server = Server::start(|_| reply(500, &["X-Why: because"], "zz")).await;
    let one = Backend { encoding: Encoding::NoOp, group: "ignored".into(), ..backend(&server.url(), "/n") };
    let reply = run(&pipe(vec![one]), "{}").await;
    assert!(reply.is_complete());
    let response = reply.response.expect("a response");
    assert_eq!((response.data.to_string().as_str(), response.status), ("{}", Some(500)));
    assert_eq!(
        (response.raw.as_deref(), response.headers["x-why"].as_bytes()),
        (Some(b"zz".as_slice()), b"because".as_slice())
    );
}

#[tokio::test]
async fn a_head_reply_has_no_body_whatever_it_announces() {
    let server =
        Server::start(|_| Action::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n".to_vec())).await;
    let pipe = pipe(vec![Backend { method: "HEAD".into(), ..backend(&server.url(), "/h") }]);
    for _ in 0..2 {
        assert_eq!(data(&run(&pipe, "").await).as_deref(), Some("{}"));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_large_payload_passes_whole() {
    let server = Server::start(|seen| json(&format!("{{\"length\":{}}}", seen.body.len()))).await;
    let pipe = pipe(vec![backend(&server.url(), "/large")]);
    let reply = pipe.run(Request::new(vec![b'x'; 50_000_000]), Instant::now() + PATIENCE).await;
    assert_eq!(data(&reply).as_deref(), Some("{\"length\":50000000}"));
}

#[tokio::test]
async fn hosts_are_called_in_turn() {
    let servers = [Server::start(|_| json("{}")).await, Server::start(|_| json("{}")).await];
    let hosts = servers.iter().map(Server::url).collect();
    let pipe = pipe(vec![Backend { hosts, ..backend("", "/p") }]);
    for _ in 0..6 {
        assert!(run(&pipe, "{}").await.is_complete());
    }
    assert_eq!(servers.map(|server| server.seen().len()), [3, 3]);
}
