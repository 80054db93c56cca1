//! TLS, with and without a certificate of siphon's own, and logging in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use siphon_testkit::HttpBackend;

use crate::broker::Broker;
use crate::lab::{agent, driver, lab};
use crate::topic::Topic;

/// Expects that an event comes through, published by `siphon publish`, with this cluster.
#[track_caller]
fn check(cluster: impl FnOnce(&Broker) -> Option<Value>) {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let Some(cluster) = cluster(&broker) else { return };
    let topic = Topic::new(&broker, "login", 1);
    let lab = lab(agent(&broker, &topic, &backend.url()), driver(json!({"cluster": cluster})));
    lab.publish("orders", ["event-1"]);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.bodies("/in")), ["event-1"]);
}

#[test]
fn tls_with_a_private_ca() {
    check(|broker| {
        let (address, folder) = broker.tls()?;
        let tls = json!({"ca_certs": [format!("{folder}/ca.pem")], "min_version": "TLS12"});
        Some(json!({"brokers": [address], "client_tls": tls}))
    });
}

#[test]
fn tls_with_a_certificate_of_its_own() {
    check(|broker| {
        let (address, folder) = broker.tls()?;
        let own = json!({"certificate": format!("{folder}/client.pem"), "private_key": format!("{folder}/client.key")});
        let tls =
            json!({"ca_certs": [format!("{folder}/ca.pem")], "disable_system_ca_pool": true, "client_certs": [own]});
        Some(json!({"brokers": [address], "client_tls": tls}))
    });
}

/// Unsecured, as Kafka's own validator takes it where nobody has configured another.
fn token(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.", part(&json!({"alg": "none"})), part(claims))
}

fn seconds_from_now(seconds: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    now.as_secs() + seconds
}

#[test]
fn a_token_logs_in_from_the_configuration_and_from_a_file() {
    let token = token(&json!({"sub": "siphon", "iat": seconds_from_now(0), "exp": seconds_from_now(600)}));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &token).expect("written");
    for source in [json!({"token": token}), json!({"token_file": file.path()})] {
        check(|broker| {
            let sasl = siphon_tests::with(json!({"mechanism": "OAUTHBEARER"}), source);
            Some(json!({"brokers": [broker.sasl()?], "sasl": sasl}))
        });
    }
}

#[test]
fn a_user_logs_in_by_plain_and_by_scram() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        check(|broker| {
            let sasl = json!({"mechanism": mechanism, "user": "siphon", "password": "siphon-secret"});
            Some(json!({"brokers": [broker.sasl()?], "sasl": sasl}))
        });
    }
}
