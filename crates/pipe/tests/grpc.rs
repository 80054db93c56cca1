//! A gRPC service behind a backend.

#![cfg(feature = "grpc")]

#[path = "support/grpc.rs"]
mod service;
mod support;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use prost_reflect::{DynamicMessage, Value};
use service::{Does, Service, backend, backend_at, root};
use siphon_pipe::{FailureKind, Pipe, Reply, Request};
use support::certificates::{Authority, Files, Speaks};
use support::{PATIENCE, data, error, loaded};
use tokio::net::TcpListener;
use tokio::time::Instant;

fn pipe(backend: &str) -> Pipe {
    loaded::pipe_of(&root(), backend, |_| ()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

const ORDER: &str = r#"{"id":"o-1","cents":"9007199254740993","state":"PAID","customer":{"name":"Ana","mailAddresses":["a@x"]},
    "items":{"pear":2,"apple":1},"placed_at":"2026-01-02T03:04:05.250Z","patience":"1.500s","signature":"AQI=",
    "weight":1.25,"account":18446744073709551615}"#;

async fn run(pipe: &Pipe, payload: &'static str) -> Reply {
    let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let headers = HeaderMap::from_iter([header("x-tenant", "7"), header("content-type", "application/json")]);
    let request = Request { headers: Arc::new(headers), ..Request::new(payload) };
    pipe.run(request, Instant::now() + PATIENCE).await
}

/// The data that an echoed `payload` becomes.
async fn check(payload: &'static str, grpc: &str, expected: &str) {
    let service = Service::start(Does::Echoes, None).await;
    let reply = run(&pipe(&backend(&service.address.to_string(), grpc)), payload).await;
    assert_eq!(data(&reply).as_deref(), Some(expected), "{}", error(&reply));
}

#[tokio::test]
async fn an_event_is_the_request_and_the_reply_is_the_data() {
    let times = r#""placed_at":{"seconds":1767323045,"nanos":250000000},"patience":{"seconds":1,"nanos":500000000}"#;
    let expected = format!(
        r#"{{"order":{{"id":"o-1","cents":9007199254740993,"state":1,"customer":{{"name":"Ana","mail_addresses":["a@x"]}},"items":{{"apple":1,"pear":2}},{times},"signature":"AQI=","weight":1.25,"account":18446744073709551615}},"number":"R-1"}}"#
    );
    check(ORDER, "{}", &expected).await;
}

#[tokio::test]
async fn enums_times_and_names_are_written_as_the_configuration_says() {
    let grpc = r#"{"output_enum_as_string": true, "output_timestamp_as_string": true, "output_duration_as_string": true,
        "output_remove_unset_values": true, "response_naming_convention": "camelCase"}"#;
    let expected = r#"{"order":{"id":"o-1","cents":9007199254740993,"state":"PAID","customer":{"name":"Ana","mailAddresses":["a@x"]},"items":{"apple":1,"pear":2},"placedAt":"2026-01-02T03:04:05.250Z","patience":"1.500s","signature":"AQI=","weight":1.25,"account":18446744073709551615},"number":"R-1"}"#;
    check(ORDER, grpc, expected).await;
}

#[tokio::test]
async fn what_a_reply_does_not_set_has_its_default_unless_it_is_left_out() {
    let unset = r#"{"order":{"id":"","cents":0,"state":0,"customer":null,"items":{},"placed_at":null,"patience":null,"signature":"","weight":0},"number":"R-1"}"#;
    check("{}", "{}", unset).await;
    check("", "{}", unset).await;
    check("{}", r#"{"output_remove_unset_values": true}"#, r#"{"order":{},"number":"R-1"}"#).await;
}

#[tokio::test]
async fn the_backends_filters_apply() {
    let service = Service::start(Does::Echoes, None).await;
    let with = backend(&service.address.to_string(), "{}")
        .replace("\"url_pattern\"", "\"target\": \"order\", \"allow\": [\"id\"], \"group\": \"g\", \"url_pattern\"");
    assert_eq!(data(&run(&pipe(&with), ORDER).await).as_deref(), Some(r#"{"g":{"id":"o-1"}}"#));
}

#[tokio::test]
async fn the_call_has_the_headers_of_grpc_and_of_the_event() {
    let service = Service::start(Does::Echoes, None).await;
    let pipe = pipe(&backend(&service.address.to_string(), r#"{"header_mapping": {"X-Tenant": "customer"}}"#));
    for _ in 0..2 {
        assert!(run(&pipe, ORDER).await.is_complete());
    }
    let seen = &service.seen()[1];
    assert_eq!(seen.path, "/shop.Orders/Place");
    let headers = ["content-type", "te", "customer", "x-tenant"].map(|name| seen.header(name));
    assert_eq!(headers, ["application/grpc", "trailers", "7", ""]);
    let left: u64 = seen.header("grpc-timeout").trim_end_matches('m').parse().expect("milliseconds");
    assert!((1..=20_000).contains(&left), "{left}");
}

#[tokio::test]
async fn what_is_known_about_the_message_fills_the_fields_that_the_mapping_names() {
    let service = Service::start(Does::Echoes, None).await;
    let mapping = r#"{"input_mapping": {"key": "id", "tenant": "customer.name", "attempt": "account"}}"#;
    let pipe = pipe(&backend(&service.address.to_string(), mapping));
    let mut params = siphon_pipe::Params::default();
    for (name, value) in [("key", "k-7"), ("tenant", "Bo"), ("attempt", "3")] {
        params.insert(name, value);
    }
    let run = |params: siphon_pipe::Params| {
        let request = Request { params: Arc::new(params), ..Request::new(r#"{"id":"o-1","cents":5}"#) };
        pipe.run(request, Instant::now() + PATIENCE)
    };
    assert!(run(params.clone()).await.is_complete());
    let order = &service.seen()[0].order;
    let text = |message: &DynamicMessage, name: &str| message.get_field_by_name(name).map(|value| value.into_owned());
    assert_eq!(text(order, "id"), Some(Value::String("k-7".into())));
    assert_eq!(text(order, "cents"), Some(Value::I64(5)));
    assert_eq!(text(order, "account"), Some(Value::U64(3)));
    let customer = text(order, "customer").expect("set");
    assert_eq!(text(customer.as_message().expect("a message"), "name"), Some(Value::String("Bo".into())));
    params.insert("attempt", "many");
    let reply = run(params).await;
    assert!(error(&reply).contains("attempt: \"many\" is no number of the field's kind"), "{}", error(&reply));
}

#[tokio::test]
async fn without_use_request_body_the_event_is_not_sent() {
    let service = Service::start(Does::Echoes, None).await;
    let reply = run(&pipe(&backend(&service.address.to_string(), r#"{"use_request_body": false}"#)), "no JSON").await;
    assert!(reply.is_complete(), "{}", error(&reply));
    assert!(!service.seen()[0].order.has_field_by_name("id"));
}

#[tokio::test]
async fn an_event_that_does_not_fit_the_message_fails_without_a_call() {
    let service = Service::start(Does::Echoes, None).await;
    let host = service.address.to_string();
    for (payload, expected) in [
        (r#"{"id": 7}"#, "grpc: the event is no shop.Order: "),
        (r#"{"id": "a", "colour": "red"}"#, "colour"),
        ("{\"id\": \"a\"} x", "trailing characters"),
        ("[]", "grpc: the event is no shop.Order: "),
    ] {
        let reply = run(&pipe(&backend(&host, "{}")), payload).await;
        assert!(error(&reply).contains(expected), "{payload}: {}", error(&reply));
        assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Invalid));
    }
    assert!(service.seen().is_empty());
    let lenient = pipe(&backend(&host, r#"{"input_allow_unknown_fields": true}"#));
    assert!(run(&lenient, r#"{"id": "a", "colour": "red"}"#).await.is_complete());
}

#[tokio::test]
async fn a_refusal_is_a_failure_with_the_status_that_outcomes_see() {
    for (does, text, status, is_temporary) in [
        (Does::Refuses("5", "no such order"), "grpc: NOT_FOUND [/shop.Orders/Place]: no such order", 404, false),
        (Does::Refuses("14", ""), "grpc: UNAVAILABLE [/shop.Orders/Place]", 503, true),
        (Does::ForgetsTheStatus, "grpc: UNKNOWN [/shop.Orders/Place]: the reply ended without a status", 500, false),
        (
            Does::IsNoGrpc,
            "grpc: UNAVAILABLE [/shop.Orders/Place]: the reply is no gRPC: HTTP status 503, text/html",
            503,
            true,
        ),
    ] {
        let service = Service::start(does, None).await;
        let failure = run(&pipe(&backend(&service.address.to_string(), "{}")), ORDER).await.error.expect("a failure");
        assert_eq!(failure.to_string(), text);
        assert_eq!((failure.kind(), failure.is_temporary()), (FailureKind::Status(status), is_temporary));
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_a_failed_connection_and_another_host_takes_over() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
    let failure = run(&pipe(&backend(&free.to_string(), "{}")), ORDER).await.error.expect("a failure");
    assert_eq!(failure.kind(), FailureKind::Connect);
    let service = Service::start(Does::Echoes, None).await;
    let hosts = format!("\"{free}\", \"{}\"", service.address);
    for _ in 0..2 {
        let reply = run(&pipe(&backend_at(&hosts, "/shop.Orders/Place", "{}")), ORDER).await;
        assert!(reply.is_complete(), "{}", error(&reply));
    }
}

#[tokio::test]
async fn a_host_that_is_unavailable_is_passed_over_where_that_is_wanted() {
    let (down, up) = (Service::start(Does::Refuses("14", ""), None).await, Service::start(Does::Echoes, None).await);
    let hosts = format!("\"{}\", \"{}\"", down.address, up.address);
    let pipe = |grpc: &str| pipe(&backend_at(&hosts, "/shop.Orders/Place", grpc));
    let (strict, lenient) = (pipe("{}"), pipe(r#"{"use_alternate_host_on_error": true}"#));
    let mut failures = 0;
    for _ in 0..2 {
        failures += usize::from(!run(&strict, ORDER).await.is_complete());
        assert!(run(&lenient, ORDER).await.is_complete());
    }
    assert_eq!(failures, 1, "each host has its turn");
}

#[tokio::test]
async fn a_reply_larger_than_the_limit_fails() {
    let service = Service::start(Does::Echoes, None).await;
    let reply = run(&pipe(&backend(&service.address.to_string(), r#"{"max_call_recv_msg_size": 20}"#)), ORDER).await;
    assert!(error(&reply).contains("the reply is larger than 20 bytes"), "{}", error(&reply));
}

#[tokio::test]
async fn with_client_tls_the_service_is_called_over_tls() {
    let authority = Authority::new("ours");
    let files = Files::of(&authority);
    let acceptor = authority.server_that(&["localhost"], &Speaks { alpn: &["h2"], ..Speaks::default() });
    let service = Service::start(Does::Echoes, Some(acceptor)).await;
    let host = format!("localhost:{}", service.address.port());
    let trusting =
        format!(r#"{{"client_tls": {{"ca_certs": [{}], "disable_system_ca_pool": true}}}}"#, files.json("ca.pem"));
    let reply = run(&pipe(&backend(&host, &trusting)), ORDER).await;
    assert!(reply.is_complete(), "{}", error(&reply));
    let stranger = Files::of(&Authority::new("another"));
    let other =
        format!(r#"{{"client_tls": {{"ca_certs": [{}], "disable_system_ca_pool": true}}}}"#, stranger.json("ca.pem"));
    let reply = run(&pipe(&backend(&host, &other)), ORDER).await;
    assert!(error(&reply).contains("tls: "), "{}", error(&reply));
}

#[tokio::test]
async fn an_event_that_is_out_of_time_ends() {
    // A listener that never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let pipe = pipe(&backend(&listener.local_addr().expect("an address").to_string(), "{}"));
    let reply = pipe.run(Request::new(ORDER), Instant::now() + Duration::from_millis(30)).await;
    assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Timeout));
}
