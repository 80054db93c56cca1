//! Apache Kafka, one of the suite's own, because it is killed and started again. A topic has one partition, hence one consumer
//! of a group at a time; how partitions are shared is tested in `e2e_kafka`.

use std::sync::{Arc, Mutex};

use serde_json::json;
use siphon_testkit::conformance::{Bench, Queue, run};
use siphon_testkit::plugin_file;

#[path = "../../e2e_kafka/broker.rs"]
#[allow(dead_code, reason = "the tests of the whole program use the rest")]
mod broker;
#[path = "../../e2e_kafka/topic.rs"]
#[allow(dead_code, reason = "the tests of the whole program use the rest")]
mod topic;

use broker::Broker;
use topic::Topic;

#[test]
fn it_behaves_as_a_driver_must() {
    let broker = Arc::new(Mutex::new(Broker::own("suite")));
    let shared = Arc::clone(&broker);
    let fresh = move |name: &str| {
        let broker = shared.lock().unwrap();
        let topic = Topic::new(&broker, name, 1);
        // The shortest session that a broker grants: what a killed consumer had comes back after it.
        let group = json!({"id": name, "session_timeout": "6s", "heartbeat_interval": "1s"});
        let config = json!({"cluster": {"brokers": [broker.address()]}, "group": group, "start": "earliest"});
        Queue::new(config.to_string()).topic(topic.name)
    };
    let restart = move || {
        let mut broker = broker.lock().unwrap();
        broker.kill();
        broker.start();
    };
    run(&Bench::new(plugin_file("kafka"), "async/kafka", fresh).restarted_by(restart).with_one_consumer());
}
