use siphon_sdk::schemars::schema_for;

use super::*;

fn context(topics: &[&str]) -> Context {
    Context {
        agent: "orders".into(),
        namespace: "async/kafka".into(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        workers: 4,
        read_ahead: 4,
        max_in_flight: 100,
    }
}

fn parse(json: &str) -> Config {
    serde_json::from_str(json).unwrap()
}

/// What is wrong with `config`, for the topic `t`, beginning with the path.
#[track_caller]
fn check_whole(config: &str, topics: &[&str], expected: &[&str]) {
    for role in [Role::Consumer, Role::Producer] {
        let found = parse(config).findings(&context(topics), role);
        let found: Vec<_> = found.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        if role == Role::Consumer {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            found.iter().zip(expected).for_each(|(found, expected)| assert!(found.starts_with(expected), "{found}"));
        }
        assert_eq!(found.is_empty(), expected.is_empty(), "{role:?} {found:?}");
    }
}

/// The same of the shortest configuration and `more`.
#[track_caller]
fn check(more: &str, expected: &[&str]) {
    check_whole(&format!(r#"{{"cluster": {{"brokers": ["k:9092"]}}, "group_id": "g"{more}}}"#), &["t"], expected);
}

#[track_caller]
fn check_cluster(cluster: &str, expected: &[&str]) {
    check_whole(&format!(r#"{{"cluster": {{{cluster}}}, "group_id": "g"}}"#), &["t"], expected);
}

#[track_caller]
fn check_group(group: &str, expected: &[&str]) {
    check(&format!(r#", "group": {{{group}}}"#), expected);
}

#[track_caller]
fn check_property(config: &str, name: &str, expected: Option<&str>) {
    let all = parse(config).properties(&context(&["t"]), Role::Consumer);
    let value = all.iter().rev().find(|property| property.name == name).map(|property| property.value.as_str());
    assert_eq!(value, expected, "{name}");
}

#[test]
fn every_field_of_krakend_becomes_a_property() {
    let config = r#"{
        "key_meta": "X-Key",
        "cluster": {
            "brokers": ["a:1", "b:2"], "client_id": "c", "rack_id": "r", "dial_timeout": "2s", "read_timeout": "3s",
            "write_timeout": "4s", "keep_alive": "1m", "channel_buffer_size": 256, "metadata_retry_backoff": "500ms"
        },
        "group": {
            "id": "g", "session_timeout": "20s", "heartbeat_interval": "2s", "rebalance_strategies": ["roundrobin", "range"],
            "rebalance_timeout": "90s", "instance_id": "i", "fetch_default": 4096, "isolation_level": "read_uncommited"
        },
        "librdkafka": {"fetch.wait.max.ms": 50, "fetch.queue.backoff.ms": 7}
    }"#;
    for (name, value) in [
        ("bootstrap.servers", "a:1,b:2"),
        ("client.id", "c"),
        ("client.rack", "r"),
        ("socket.connection.setup.timeout.ms", "2000"),
        ("socket.timeout.ms", "4000"),
        ("socket.keepalive.enable", "true"),
        ("queued.min.messages", "256"),
        ("topic.metadata.refresh.fast.interval.ms", "500"),
        ("group.id", "g"),
        ("session.timeout.ms", "20000"),
        ("heartbeat.interval.ms", "2000"),
        ("partition.assignment.strategy", "roundrobin,range"),
        ("max.poll.interval.ms", "90000"),
        ("group.instance.id", "i"),
        ("fetch.message.max.bytes", "4096"),
        ("isolation.level", "read_uncommitted"),
        ("security.protocol", "plaintext"),
        ("fetch.wait.max.ms", "50"),
        ("fetch.queue.backoff.ms", "7"),
        ("enable.auto.commit", "false"),
    ] {
        check_property(config, name, Some(value));
    }
    check_whole(config, &["t"], &[]);
}

#[test]
fn what_is_left_out_has_krakends_defaults() {
    let config = r#"{"cluster": {"brokers": ["a:1"]}}"#;
    for (name, value) in [
        ("group.id", "orders"),
        ("client.id", "siphon"),
        ("socket.connection.setup.timeout.ms", "30000"),
        ("session.timeout.ms", "10000"),
        ("heartbeat.interval.ms", "3000"),
        ("max.poll.interval.ms", "60000"),
        ("partition.assignment.strategy", "range"),
        ("isolation.level", "read_committed"),
        ("fetch.message.max.bytes", "1048576"),
    ] {
        check_property(config, name, Some(value));
    }
    check_property(config, "group.instance.id", None);
    check_property(config, "socket.keepalive.enable", None);
}

#[test]
fn the_groups_name_has_three_spellings_and_they_must_agree() {
    for config in [
        r#"{"cluster": {"brokers": ["a:1"]}, "group_id": "g"}"#,
        r#"{"cluster": {"brokers": ["a:1"]}, "group": {"group_id": "g"}}"#,
        r#"{"cluster": {"brokers": ["a:1"]}, "group": {"id": "g"}, "group_id": "g"}"#,
    ] {
        check_property(config, "group.id", Some("g"));
        check_whole(config, &["t"], &[]);
    }
    check_group(r#""id": "h""#, &[r#"group_id is "g", but group.id is "h": keep one"#]);
    check_whole(
        r#"{"cluster": {"brokers": ["a:1"]}}"#,
        &["t"],
        &["group.id none is named: the agent's name, \"orders\""],
    );
    check_whole(r#"{"cluster": {"brokers": ["a:1"]}, "group_id": ""}"#, &["t"], &["group_id is empty"]);
}

#[test]
fn sticky_stands_alone_and_says_so() {
    let config =
        r#"{"cluster": {"brokers": ["a:1"]}, "group": {"id": "g", "rebalance_strategies": ["sticky", "range"]}}"#;
    check_property(config, "partition.assignment.strategy", Some("cooperative-sticky"));
    check_whole(config, &["t"], &["group.rebalance_strategies sticky stands for cooperative-sticky alone"]);
    check_group(r#""rebalance_strategies": ["cooperative-sticky"]"#, &[]);
    check_group(r#""rebalance_strategies": ["fair"]"#, &["group.rebalance_strategies[0] is \"fair\""]);
}

#[test]
fn addresses_that_are_none_are_refused() {
    check_cluster(r#""brokers": []"#, &["cluster.brokers is empty"]);
    check_cluster(
        r#""brokers": ["k:9092", "kafka://k:9092", "k", "k:0", "a:1,b:2", "[::1]:9092"]"#,
        &[
            "cluster.brokers[1] is \"kafka://k:9092\": write host:port, without a scheme",
            "cluster.brokers[2] is \"k\": write host:port",
            "cluster.brokers[3] is \"k:0\"",
            "cluster.brokers[4] is \"a:1,b:2\": write one host:port",
        ],
    );
}

#[test]
fn values_that_cannot_work_are_told_with_their_path() {
    check_group(r#""isolation_level": "serializable""#, &["group.isolation_level is \"serializable\""]);
    check_group(
        r#""heartbeat_interval": "10s""#,
        &["group.heartbeat_interval must be well below session_timeout, 10s"],
    );
    check_group(r#""rebalance_timeout": "9s""#, &["group.rebalance_timeout must not be below session_timeout, 10s"]);
    check_cluster(
        r#""brokers": ["k:1"], "dial_timeout": "1ms", "metadata_retry_max": 3"#,
        &["cluster.metadata_retry_max has no effect", "cluster.dial_timeout Configuration property"],
    );
    check(r#", "window": 0, "key_meta": "X Key""#, &["window is 0", "key_meta is \"X Key\""]);
    check(r#", "window": 50"#, &["window 50 is less than the 100 events"]);
}

#[test]
fn the_free_map_takes_what_librdkafka_knows_and_nothing_that_would_break_a_promise() {
    check(r#", "librdkafka": {"fetch.wait.max.ms": 100, "socket.nagle.disable": true, "debug": "cgrp"}"#, &[]);
    check(
        r#", "librdkafka": {"no.such.thing": 1, "fetch.wait.max.ms": "soon", "debug": ["cgrp"]}"#,
        &[
            "librdkafka.debug is neither",
            "librdkafka.fetch.wait.max.ms ",
            "librdkafka.no.such.thing No such configuration property",
        ],
    );
    check(
        r#", "librdkafka": {"enable.auto.commit": true, "group.id": "h"}"#,
        &["librdkafka.enable.auto.commit cannot be changed", "librdkafka.group.id is what `group.id` says"],
    );
}

#[test]
fn another_name_of_a_property_is_the_same_property() {
    check(
        r#", "librdkafka": {"request.required.acks": 1, "delivery.timeout.ms": 1, "auto.commit.enable": true}"#,
        &[
            "librdkafka.auto.commit.enable cannot be changed",
            "librdkafka.delivery.timeout.ms cannot be changed",
            "librdkafka.request.required.acks cannot be changed",
        ],
    );
    check(
        r#", "librdkafka": {"metadata.broker.list": "h:1", "sasl.mechanisms": "PLAIN", "max.partition.fetch.bytes": 9}"#,
        &[
            "librdkafka.max.partition.fetch.bytes is what `group.fetch_default` says",
            "librdkafka.metadata.broker.list is what `cluster.brokers` says",
            "librdkafka.sasl.mechanisms is what `cluster.sasl.mechanism` says",
        ],
    );
    check(
        r#", "librdkafka": {"linger.ms": 3, "queue.buffering.max.ms": 7, "message.send.max.retries": 3, "retries": 4}"#,
        &[
            "librdkafka.queue.buffering.max.ms is another name of `linger.ms`",
            "librdkafka.retries is another name of `message.send.max.retries`",
        ],
    );
}

/// Whether the client gets it before or after siphon's own value under the other name would be chance.
#[test]
fn a_usual_value_gives_way_to_the_same_property_under_another_name() {
    let config = parse(r#"{"cluster": {"brokers": ["k:1"]}, "librdkafka": {"queue.buffering.max.ms": 7}}"#);
    let client = config.client(&context(&["t"]), Role::Producer).unwrap();
    assert_eq!((client.get("linger.ms"), client.get("queue.buffering.max.ms")), (Some("7"), None));
}

#[test]
fn what_would_load_code_hide_topics_or_ask_for_transactions_is_refused_and_not_tried() {
    check(
        r#", "librdkafka": {"plugin.library.paths": "/missing.so", "topic.blacklist": "^o", "transactional.id": "t"}"#,
        &[
            "librdkafka.plugin.library.paths cannot be set",
            "librdkafka.topic.blacklist cannot be set",
            "librdkafka.transactional.id cannot be set",
        ],
    );
    let config = parse(r#"{"cluster": {"brokers": ["k:1"]}, "librdkafka": {"plugin.library.paths": "/missing.so"}}"#);
    let all = config.properties(&context(&["t"]), Role::Consumer);
    assert!(all.iter().all(|property| property.name != "plugin.library.paths"), "the client would load it");
}

#[test]
fn topics_are_names_or_regular_expressions() {
    let config = r#"{"cluster": {"brokers": ["a:1"]}, "group_id": "g"}"#;
    check_whole(config, &["orders", "orders.eu-1_x", "^order[s]?\\..*"], &[]);
    check_whole(config, &[], &[" the agent has no topic"]);
    check_whole(config, &["orders.*", "#"], &[" \"orders.*\" is no name of a topic", " \"#\" is no name"]);
    let unreadable = " the Kafka client cannot read topic \"^orders[\" as a regular expression: correct it";
    let found = parse(config).findings(&context(&["^fine", "^orders["]), Role::Consumer);
    let found: Vec<_> = found.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
    assert_eq!(found, [unreadable]);
}

#[test]
fn a_client_certificate_that_does_not_fit_its_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let ((certificate, key), (_, other)) = (make("a"), make("b"));
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (certificate, key, other) = (put("a.pem", &certificate), put("a.key", &key), put("b.key", &other));
    let with = |key: &str| {
        let own = format!(r#"[{{"certificate": "{certificate}", "private_key": "{key}"}}]"#);
        format!(r#""brokers": ["k:1"], "client_tls": {{"ca_certs": ["{certificate}"], "client_certs": {own}}}"#)
    };
    check_cluster(&with(&key), &[]);
    check_cluster(&with(&other), &[" the Kafka client refuses it"]);
}

#[test]
fn the_schema_tells_every_key_and_lets_krakends_unknown_ones_pass() {
    let schema = schema_for!(Config).to_value();
    let properties = schema["properties"].as_object().unwrap();
    for key in ["cluster", "group", "group_id", "key_meta", "start", "window", "commit_interval", "librdkafka"] {
        assert!(properties[key]["description"].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    assert!(parse(r#"{"cluster": {"brokers": []}, "unknown": 1}"#).librdkafka.is_empty());
}
