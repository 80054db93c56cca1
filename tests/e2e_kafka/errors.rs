//! What the brokers refuse is one line that says what to do, without secrets; what cannot work is refused at load.

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::with;

use crate::broker::Broker;
use crate::lab::{agent, driver, lab, lab_of};
use crate::topic::{Topic, unique};

/// Expects one line of the log with these parts when the agent has these settings of the cluster.
#[track_caller]
fn check(cluster: impl FnOnce(&Broker) -> Option<Value>, parts: &[&str]) {
    let broker = Broker::shared();
    let Some(cluster) = cluster(&broker) else { return };
    let topic = Topic::new(&broker, "refused", 1);
    let settings = driver(json!({"cluster": with(json!({"dial_timeout": "5s"}), cluster)}));
    let siphon = lab(agent(&broker, &topic, "http://127.0.0.1:1"), settings).start();
    let line = siphon.wait_for_log(&[&["[ASYNC: orders][Kafka]", "trying again"], parts].concat());
    assert!(!line.contains("hunter2"), "{line}");
    let others: Vec<_> =
        siphon.log().into_iter().filter(|line| line.contains("ERROR") && !line.contains("[ASYNC: orders]")).collect();
    assert_eq!(others, Vec::<String>::new(), "one line is enough");
}

#[test]
fn nobody_listens() {
    check(
        |_| Some(json!({"brokers": ["127.0.0.1:1"]})),
        &["cannot reach 127.0.0.1:1: connection refused; start the broker, or correct host and port"],
    );
    check(
        |_| Some(json!({"brokers": ["no-such-host.invalid:9092"]})),
        &["there is no such host; correct cluster.brokers"],
    );
}

#[test]
fn tls_that_does_not_fit() {
    check(
        |broker| Some(json!({"brokers": [broker.tls()?.0], "client_tls": {}})),
        &["its CA is not trusted; name the CA's file in cluster.client_tls.ca_certs"],
    );
    check(
        |broker| {
            let tls = json!({"ca_certs": [format!("{}/ca.pem", broker.tls()?.1)]});
            Some(json!({"brokers": [broker.address()], "client_tls": tls}))
        },
        &["it does not speak TLS on this port"],
    );
    check(|broker| Some(json!({"brokers": [broker.tls()?.0]})), &["does it want TLS (cluster.client_tls)"]);
}

#[test]
fn a_wrong_password() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        check(
            |broker| {
                let sasl = json!({"mechanism": mechanism, "user": "siphon", "password": "hunter2"});
                Some(json!({"brokers": [broker.sasl()?], "sasl": sasl}))
            },
            &["it refuses the login; correct cluster.sasl"],
        );
    }
}

#[test]
fn a_topic_that_does_not_exist_is_named_and_awaited() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::later(&broker, "missing", 1);
    let mut siphon = lab(agent(&broker, &topic, &backend.url()), json!({})).start();
    siphon.wait_for_log(&[
        "[ASYNC: orders][Kafka]",
        &topic.name,
        "does not exist: create it, or correct `consumer.topic`",
    ]);
    let topic = topic.create(&[]);
    topic.publish(["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn a_group_that_shares_out_by_other_strategies_is_named() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "strategies", 2);
    let with_strategy = |name: &str| {
        lab(agent(&broker, &topic, &backend.url()), driver(json!({"group": {"rebalance_strategies": [name]}})))
    };
    let mut first = with_strategy("roundrobin").start();
    crate::lab::wait_for_partitions(&first, 1);
    let mut second = with_strategy("range").start();
    second.wait_for_log(&[
        "[ASYNC: orders][Kafka]",
        "share out by other strategies: set the same `rebalance_strategies`",
    ]);
    assert_eq!((first.stop(), second.stop()), (0, 0));
}

#[test]
fn one_agent_that_gives_up_leaves_the_others_alone() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "others", 1);
    let good = agent(&broker, &topic, &backend.url());
    let wrong = json!({"name": "wrong", "connection": {"max_retries": 1},
        "extra_config": {"async/kafka": {"cluster": {"brokers": ["127.0.0.1:1"]}}}});
    let mut siphon = lab_of([with(good.clone(), wrong), good]).start();
    siphon.wait_for_agent("wrong", |agent| agent["state"] == "failed");
    topic.publish(["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

/// Every finding of `check`, with its line and column, and nothing is contacted.
#[test]
fn what_cannot_work_is_refused_at_load_with_its_place() {
    let lab = siphon_tests::Lab::empty().with_plugin("kafka");
    lab.write(
        "siphon.json",
        r#"{"version": 3, "async_agent": [{"name": "a", "consumer": {"topic": "orders.*"},
 "backend": [{"host": ["http://h"], "url_pattern": "/", "method": "POST"}],
 "extra_config": {"async/kafka": {
  "cluster": {"brokers": ["kafka://k:9092"], "sasl": {"mechanism": "GSSAPI", "user": "u", "password": "hunter2"}},
  "group": {"id": "g", "isolation_level": "serializable"},
  "librdkafka": {"no.such.thing": 1}
 }}}]}"#,
    );
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert_eq!(ran.status, 1, "{ran:?}");
    for line in [
        "siphon.json:4:27: async_agent[0].extra_config.async/kafka.cluster.brokers[0]: is \"kafka://k:9092\": write host:port",
        "async/kafka.cluster.sasl.mechanism: is unknown: allowed are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
        "siphon.json:5:43: async_agent[0].extra_config.async/kafka.group.isolation_level: is \"serializable\"",
        "async/kafka.librdkafka.no.such.thing: No such configuration property",
        "\"orders.*\" is no name of a topic",
    ] {
        assert!(ran.stderr.contains(line), "{line} is not in {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

#[test]
fn a_start_that_is_none_is_refused() {
    let broker = Broker::shared();
    let topic = Topic::later(&broker, &unique("none"), 1);
    let lab = lab(agent(&broker, &topic, "http://h"), driver(json!({"start": "newest"})));
    let ran = lab.siphon(&lab.arguments("check", &[]));
    assert_eq!(ran.status, 1);
    assert!(
        ran.stderr.contains("async/kafka.start: invalid value: \"newest\", expected latest, earliest"),
        "{}",
        ran.stderr
    );
}
