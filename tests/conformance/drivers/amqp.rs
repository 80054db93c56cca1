//! RabbitMQ, one of the suite's own, because it is killed and started again. Once with classic queues and once with quorum
//! queues, where the broker counts attempts.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use siphon_testkit::conformance::{Bench, Queue, run};
use siphon_testkit::plugin_file;

use crate::broker::Broker;

/// The suite on queues with these arguments; `end` is what happens to the broker before it is started again.
fn check(instance: &'static str, arguments: Value, end: fn(&Broker)) {
    let broker = Arc::new(Mutex::new(Broker::own(instance)));
    let url = broker.lock().unwrap().url().to_owned();
    let fresh = move |name: &str| {
        let dead = format!("{name}.dead");
        let mut arguments = arguments.clone();
        arguments["x-dead-letter-exchange"] = "".into();
        arguments["x-dead-letter-routing-key"] = dead.clone().into();
        let queue = json!({"host": url, "name": name, "exchange": name, "durable": true, "queue_arguments": arguments});
        Queue::new(queue.to_string()).dead_letters(json!({"host": url, "name": dead, "durable": true}).to_string())
    };
    let restart = move || {
        let mut broker = broker.lock().unwrap();
        end(&broker);
        broker.start();
    };
    run(&Bench::new(plugin_file("amqp"), "async/amqp", fresh).restarted_by(restart));
}

#[test]
fn it_behaves_as_a_driver_must() {
    check("suite", json!({}), Broker::kill);
}

#[test]
fn it_behaves_as_a_driver_must_on_quorum_queues() {
    // Not killed: for minutes after it, RabbitMQ 3.10 may answer every declaration with 541, and that is not ours to test.
    check("suite-quorum", json!({"x-queue-type": "quorum"}), |broker| _ = broker.control(&["stop"]));
}
