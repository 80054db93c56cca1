//! A configuration for tests: every field at its plainest.

use std::time::Duration;

use siphon_config::model::{Agent, Backend, BackoffStrategy, Delivery, Discovery, Driver, Encoding, HttpSettings};
use siphon_config::tree::{Node, Position, Value};

/// `POST pattern` at `host`, json, no filters.
pub fn backend(host: &str, pattern: &str) -> Backend {
    Backend {
        path: "async_agent[0].backend[0]".into(),
        hosts: vec![host.into()],
        discovery: Discovery::Static,
        url_pattern: pattern.into(),
        url_pattern_as_written: pattern.into(),
        method: "POST".into(),
        encoding: Encoding::Json,
        is_collection: false,
        target: String::new(),
        allow: Vec::new(),
        deny: Vec::new(),
        mapping: Vec::new(),
        group: String::new(),
        input_headers: Vec::new(),
        input_query_strings: Vec::new(),
        components: Vec::new(),
        workflow: None,
    }
}

pub fn agent(backends: Vec<Backend>) -> Agent {
    Agent {
        name: "test".into(),
        path: "async_agent[0]".into(),
        topics: vec!["#".into()],
        workers: 1,
        timeout: Duration::from_secs(2),
        max_rate: None,
        max_retries: None,
        backoff: BackoffStrategy::Constant,
        health_interval: Duration::from_secs(1),
        backends,
        driver: Driver { namespace: "async/test".into(), path: String::new(), settings: map() },
        components: Vec::new(),
        delivery: Delivery::default(),
        input_headers: Vec::new(),
    }
}

/// An empty object.
pub fn map() -> Node {
    Node { value: Value::Map(Vec::new()), at: Position { line: 1, column: 1 } }
}

pub fn http() -> HttpSettings {
    HttpSettings {
        max_idle_connections: None,
        max_idle_connections_per_host: 250,
        idle_connection_timeout: None,
        connect_timeout: None,
        tcp_keep_alive: Some(Duration::from_secs(15)),
        response_header_timeout: None,
        disable_keep_alives: false,
        disable_compression: false,
        client_tls: None,
        dns_cache_ttl: Duration::from_secs(30),
        grpc: None,
    }
}
