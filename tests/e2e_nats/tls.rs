//! TLS, with and without what it takes.

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;

use crate::lab::{agent, driver, lab};
use crate::server::{Server, certificates, shared};
use crate::stream::Stream;

fn tls_url() -> String {
    shared().replace("nats://127.0.0.1", "tls://localhost")
}

/// Expects that an event comes through.
#[track_caller]
fn check(settings: Value) {
    let (stream, backend) = (Stream::new(&shared(), "tls"), HttpBackend::start());
    stream.publish(["event-1"]);
    let mut siphon = lab(agent(&stream, &backend.url()), driver(settings)).start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

fn trusted() -> Value {
    json!({"ca_certs": [certificates().join("ca.pem")], "disable_system_ca_pool": true, "min_version": "TLS13"})
}

#[test]
fn a_ca_of_ones_own_is_trusted_when_it_is_named() {
    check(json!({"servers": tls_url(), "client_tls": trusted()}));
    check(json!({"servers": [tls_url()], "client_tls": trusted(), "tls_first": true}));
}

#[test]
fn a_certificate_of_its_own_lets_siphon_in() {
    let folder = certificates();
    let at = |name: &str| folder.join(name).display().to_string();
    let (cert, key, ca) = (at("server.pem"), at("server.key"), at("ca.pem"));
    let server =
        Server::with(&format!("tls {{ cert_file: {cert:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}"));
    let servers = json!({"servers": format!("tls://{}", server.address()), "client_tls": trusted()});
    let own = json!({"client_certs": [{"certificate": at("client.pem"), "private_key": at("client.key")}]});
    let bare = siphon_tests::with(crate::lab::bare("t", "http://127.0.0.1:1"), driver(servers));
    let mut siphon = lab(bare.clone(), driver(json!({"client_tls": own}))).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    assert_eq!(siphon.stop(), 0);
    let siphon = lab(bare, json!({})).start();
    siphon.wait_for_log(&["[ASYNC: orders][NATS]", "trying again"]);
    assert_eq!(siphon.agent("orders")["state"], "connecting");
}

#[test]
fn an_unknown_ca_is_refused_with_its_remedy() {
    let stream = Stream::new(&shared(), "untrusted");
    let settings = json!({"servers": tls_url()});
    let siphon = lab(agent(&stream, "http://127.0.0.1:1"), driver(settings)).start();
    siphon.wait_for_log(&["[ASYNC: orders][NATS]", "its CA is not trusted; name the CA's file in client_tls.ca_certs"]);
}
