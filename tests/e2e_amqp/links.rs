//! Links that die silently, and brokers to choose from.

use std::io::Read as _;

use serde_json::json;
use siphon_testkit::HttpBackend;

use crate::broker::Broker;
use crate::lab::{agent, driver, lab};
use crate::proxy::Proxy;
use crate::queue::Queue;

#[test]
fn a_link_that_died_silently_is_noticed_by_its_missing_heartbeats() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let (queue, proxy) = (Queue::durable(&broker, "silent"), Proxy::to(broker.address()));
    let host = format!("amqp://guest:guest@{}/?heartbeat=1", proxy.address());
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), driver(json!({"host": host}))).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    proxy.silence();
    let address = proxy.address();
    siphon.wait_for_log(&["[ASYNC: orders][AMQP]", &format!("no sign of life from amqp://{address} for 2s")]);
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    queue.publish(["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!((siphon.stop(), proxy.connections()), (0, 2));
}

#[test]
fn the_next_broker_of_a_list_is_tried() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let queue = Queue::durable(&broker, "several");
    let host = json!({"host": ["amqp://127.0.0.1:1", broker.url()]});
    let mut siphon = lab(agent(&broker, &queue, &backend.url()), driver(host)).start();
    queue.publish(["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn a_broker_that_says_nothing_is_given_up_and_hung_up_on() {
    let (broker, listener) = (Broker::shared(), std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let queue = Queue::later(&broker, "silence");
    let host = format!("amqp://{}/?connection_timeout=300", listener.local_addr().expect("an address"));
    let siphon = lab(agent(&broker, &queue, "http://127.0.0.1:1"), driver(json!({"host": host}))).start();
    let (mut client, _) = listener.accept().expect("siphon dials");
    let mut said = Vec::new();
    client.read_to_end(&mut said).expect("siphon hangs up");
    assert_eq!(said, b"AMQP\x00\x00\x09\x01");
    siphon.wait_for_log(&["[ASYNC: orders][AMQP]", "did not answer within 300ms; look at host, port and firewall"]);
}
