//! The files that KrakenD's users have are read by the program with the real AMQP driver.

use std::path::Path;

use serde_json::Value;
use siphon_tests::{Lab, Ran};

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/config/tests/fixtures");
    std::fs::read_to_string(folder.join(name)).expect("the fixture")
}

fn checked(lab: &Lab, text: &str) -> Ran {
    lab.write("siphon.json", text);
    lab.siphon(&lab.arguments("check", &[]))
}

fn lab() -> Lab {
    Lab::empty().with_plugin("amqp")
}

/// Expects that the text passes, with warnings and notices that have these parts, and prints these parts.
#[track_caller]
fn check(lab: &Lab, text: &str, said: &[&str], printed: &[&str]) {
    let ran = checked(lab, text);
    assert_eq!(ran.status, 0, "{ran:#?}");
    assert_eq!(ran.stderr.lines().count(), said.len(), "{ran:#?}");
    for (line, part) in ran.stderr.lines().zip(said) {
        assert!(line.contains(part), "{part} in {ran:#?}");
    }
    for part in printed {
        assert!(ran.stdout.contains(part), "{part} in {ran:#?}");
    }
}

/// Takes out what belongs to components that are tested elsewhere.
fn without(text: &str, paths: &[(&str, &str)]) -> Value {
    let mut config: Value = serde_json::from_str(text).expect("JSON");
    for (pointer, key) in paths {
        let object = config.pointer_mut(pointer).and_then(Value::as_object_mut).expect(pointer);
        assert!(object.remove(*key).is_some(), "{pointer} has {key}");
    }
    config
}

const RIDES_ON_GET: &str = "so the event's payload goes out with a GET";
const BACKENDS_KEY: &str = "is the name of the backend consumer; on an agent it is read as \"async/amqp\"";

/// A file; what `check` says about it, a line each; what it prints.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: [Case; 7] = [
    (
        "8.0-founding.json",
        &[RIDES_ON_GET, BACKENDS_KEY],
        &["- cool-agent", "takes * from async/amqp", "each within 150ms"],
    ),
    ("8.1-legacy-namespace.json", &[RIDES_ON_GET, BACKENDS_KEY], &["takes mail.* from async/amqp", "2 at a time"]),
    (
        "8.2-mixed.json",
        &["workers: is ignored, because", "timeout: is ignored, because"],
        &["takes audit.# from", "4 at a time, each within 2s"],
    ),
    ("8.3-minimal.json", &[RIDES_ON_GET], &["1 at a time, each within 2s", "GET http://sink:9000/hook (json)"]),
    (
        "8.5-dead-letter.json",
        &["nack_discard: a failed event is rejected at once"],
        &["PUT http://billing:8080/invoices"],
    ),
    (
        "8.6-fire-and-forget.json",
        &["with no-op every answer counts as a success", "auto_ack: events that fail"],
        &["20 at a time, each within 500ms", "POST http://tsdb:8086/write?db=k (no-op)"],
    ),
    (
        "8.13-several.json",
        &["logger_skip_paths", "siphon serves no endpoints; 1 of them ignored"],
        &["2 async agents:", "- a\n", "- AsyncAgent-01\n"],
    ),
];

#[test]
fn files_without_further_components_pass_as_they_are() {
    let lab = lab();
    for (name, said, printed) in CASES {
        check(&lab, &fixture(name), said, printed);
    }
}

#[test]
fn a_full_production_file_passes_once_its_ca_is_there() {
    let lab = lab();
    let key = rcgen::generate_simple_self_signed(["mq.example.net".to_owned()]).expect("a certificate");
    let file = lab.write("mq-ca.pem", key.cert.pem());
    let config = without(&fixture("8.4-production.json"), &[("/async_agent/0/backend/0", "extra_config")]);
    let text = config.to_string();
    let ran = checked(&lab, &text);
    assert!(ran.stderr.contains("cannot read /etc/ssl/mq-ca.pem") && !ran.stderr.contains("s3cret"), "{ran:?}");
    let text = text.replace("/etc/ssl/mq-ca.pem", file.to_str().expect("text"));
    let printed =
        ["8 at a time, each within 1.5s, at most 50.5 events/s", "https://orders-a:8443/v1/events", "orders-b"];
    check(&lab, &text, &["encoding: has no effect on an agent", "sequential_start"], &printed);
}

#[test]
fn weak_types_become_what_they_mean() {
    let mut config = without(&fixture("8.12-weak-typing.json"), &[("/async_agent/backend/0", "sd")]);
    config["async_agent"]["backend"][0]["host"] = "http://api.svc.local".into();
    let said = ["\"10ms\" is less than 1s, which is used", "unknown_key: unknown key, it has no effect"];
    let printed =
        ["- weak\n", "3 at a time, each within 2s, at most 0.5 events/s", "POST http://api.svc.local/in (json"];
    check(&lab(), &config.to_string(), &said, &printed);
}

#[test]
fn a_bad_file_is_refused_for_both_its_reasons() {
    let ran = checked(&lab(), &fixture("8.16-refused.json"));
    assert_eq!(ran.status, 1, "{ran:?}");
    let errors: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors[0].contains("1:77: async_agent[0].consumer.timeout: \"5\" has no unit"), "{errors:?}");
    assert!(errors[1].contains("2:23: async_agent[0].backend[0].host[0]: host \"amqp://u:***@mq:5672/\" not valid"));
    assert_eq!(errors.len(), 2, "{errors:?}");
}

/// What `check` says of a file with the drivers of all brokers, in an environment that names them.
fn checked_with_brokers(text: &str) -> Ran {
    let lab = lab().with_plugin("kafka").with_plugin("nats");
    let lab = lab.with_environment("KAFKA_BROKERS", "k1:9092, k2:9092");
    checked(&lab.with_environment("NATS_SERVER_URL", "nats://nats:4222"), text)
}

#[test]
fn publishers_of_several_brokers_load_and_those_of_no_plugin_are_refused_by_name() {
    let mut config: Value = serde_json::from_str(&fixture("8.10-to-bus.json")).expect("JSON");
    let ran = checked_with_brokers(&config.to_string());
    assert_eq!(ran.status, 1, "{ran:#?}");
    let errors: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{ran:#?}");
    let said = "no plugin serves gcppubsub://; served are kafka://, nats://, rabbit://";
    assert!(errors[0].contains("async_agent[0].backend[2]") && errors[0].contains(said), "{ran:#?}");
    config["async_agent"][0]["backend"].as_array_mut().expect("backends").truncate(2);
    let ran = checked_with_brokers(&config.to_string());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert!(ran.stdout.contains("backend/pubsub/publisher"), "{ran:#?}");
}

#[test]
fn a_subscriber_of_a_broker_without_a_plugin_is_refused_by_name() {
    let ran = checked_with_brokers(&fixture("8.15-puller.json"));
    assert_eq!(ran.status, 1, "{ran:#?}");
    let said = "subscription_url: no plugin serves awssqs://; served are kafka://, nats://, rabbit://";
    assert!(ran.stderr.contains(said), "{ran:#?}");
}
