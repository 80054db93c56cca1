//! TLS, with and without a certificate of siphon's own.

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;

use crate::broker::Broker;
use crate::lab::{agent, driver, lab};
use crate::queue::Queue;

/// Expects that an event comes through with what `settings` makes of the broker's address and the certificates' folder.
#[track_caller]
fn check(settings: impl FnOnce(&str, &str) -> Value) {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let Some((host, folder)) = broker.tls() else {
        return eprintln!("skipped: SIPHON_TEST_AMQPS and SIPHON_TEST_TLS name no listener");
    };
    let queue = Queue::durable(&broker, "tls");
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), driver(settings(host, folder))).start();
    queue.publish(["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn the_ca_may_stand_in_the_address() {
    check(|host, folder| json!({"host": format!("{host}?cacertfile={folder}/ca.pem")}));
}

#[test]
fn the_ca_may_stand_in_the_settings() {
    check(|host, folder| {
        let tls =
            json!({"ca_certs": [format!("{folder}/ca.pem")], "disable_system_ca_pool": true, "min_version": "TLS13"});
        json!({"host": host, "client_tls": tls})
    });
}

/// The broker takes the user from the certificate, so that only the right one gets in.
#[test]
fn a_certificate_of_its_own_may_log_siphon_in() {
    check(|host, folder| {
        let host = host.replace("guest:guest@", "");
        let files = format!("cacertfile={folder}/ca.pem&certfile={folder}/client.pem&keyfile={folder}/client.key");
        json!({"host": format!("{host}?{files}&auth_mechanism=external")})
    });
    check(|host, folder| {
        let own = json!({"certificate": format!("{folder}/client.pem"), "private_key": format!("{folder}/client.key")});
        let tls = json!({"ca_certs": [format!("{folder}/ca.pem")], "client_certs": [own]});
        json!({"host": format!("{}?auth_mechanism=external", host.replace("guest:guest@", "")), "client_tls": tls})
    });
}
