//! What the broker refuses is one line that says what to do, without secrets.

use serde_json::{Value, json};

use crate::broker::Broker;
use crate::lab::{agent, driver, lab};
use crate::queue::{Queue, unique};

/// Expects one line of the log with these parts when the agent on a durable queue and exchange has these settings.
#[track_caller]
fn check(settings: impl FnOnce(&Broker, &Queue) -> Value, parts: &[&str]) {
    let broker = Broker::shared();
    let queue = Queue::later(&broker, "refused");
    // Declares both.
    let mut first = lab(agent(&broker, &queue, "http://127.0.0.1:1"), json!({})).start();
    first.wait_for_agent("orders", |agent| agent["state"] == "running");
    assert_eq!(first.stop(), 0);
    let settings = driver(settings(&broker, &queue));
    let siphon = lab(agent(&broker, &queue, "http://127.0.0.1:1"), settings).start();
    let line = siphon.wait_for_log(&[&["[ASYNC: orders][AMQP]", "trying again"], parts].concat());
    assert!(!line.contains("hunter2"), "{line}");
    let others: Vec<_> = siphon
        .log()
        .into_iter()
        .filter(|other| other.contains("ERROR") && !other.contains("[ASYNC: orders]"))
        .collect();
    assert_eq!(others, Vec::<String>::new(), "one line is enough");
}

#[test]
fn a_wrong_password() {
    check(
        |broker, _| json!({"host": broker.url().replace("guest:guest", "guest:hunter2")}),
        &["refuses user \\\"guest\\\": correct the password"],
    );
}

#[test]
fn a_missing_vhost() {
    let name = unique("nowhere");
    check(|broker, _| json!({"host": format!("{}{name}", broker.url())}), &["has no vhost", &name, "add_vhost"]);
}

#[test]
fn an_argument_that_differs() {
    check(|_, _| json!({"durable": false}), &["exists with durable true, and the configuration says false"]);
    check(
        |_, _| json!({"queue_arguments": {"x-max-length": 5}}),
        &["exists with x-max-length none, and the configuration says 5"],
    );
    check(
        |_, _| json!({"exchange_type": "direct", "no_wait": true}),
        &["exists with exchange_type topic, and the configuration says direct"],
    );
}

#[test]
fn a_missing_queue_and_an_unreachable_broker() {
    let name = unique("missing");
    let settings = json!({"passive": true, "name": name});
    check(move |_, _| settings, &["does not exist in vhost", &name, "create it"]);
    check(
        |_, _| json!({"host": "amqp://u:hunter2@127.0.0.1:1/"}),
        &["cannot reach amqp://127.0.0.1:1", "start the broker"],
    );
}

/// A user of the broker's default vhost, deleted when dropped.
struct User<'a> {
    broker: &'a Broker,
    name: String,
}

impl<'a> User<'a> {
    /// May read and write what these patterns match, and declare what `configure` matches.
    fn new(broker: &'a Broker, [configure, write, read]: [&str; 3]) -> Self {
        let name = unique("user");
        broker.control(&["add_user", &name, "hunter2"]);
        broker.control(&["set_permissions", "-p", "/", &name, configure, write, read]);
        Self { broker, name }
    }

    /// The broker's address with this user.
    fn url(&self) -> String {
        self.broker.url().replace("guest:guest", &format!("{}:hunter2", self.name))
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.broker.control(&["delete_user", &self.name]);
    }
}

#[test]
fn a_user_who_may_not_do_it() {
    let broker = Broker::shared();
    let nobody = User::new(&broker, ["^$", "^$", "^$"]);
    let says = format!("user \\\"{}\\\" may not do this", nobody.name);
    let permissions = "rabbitmqctl set_permissions -p /";
    check(|_, _| json!({"host": nobody.url()}), &[&says, permissions, "403", "to exchange '"]);
    check(|_, _| json!({"host": nobody.url(), "exchange": ""}), &[&says, permissions, "403", "to queue '"]);
    check(|_, _| json!({"host": nobody.url(), "passive": true}), &[&says, permissions, "403", "to queue '"]);
    let declares = User::new(&broker, [".*", "^$", "^$"]);
    check(|_, _| json!({"host": declares.url(), "no_wait": true}), &["may not do this", permissions, "403"]);
}

#[test]
fn a_queue_that_another_connection_has_for_itself() {
    let (broker, backend) = (Broker::shared(), "http://127.0.0.1:1");
    let queue = Queue::exclusive(&broker, "theirs");
    for settings in [json!({}), json!({"passive": true}), json!({"exchange": ""})] {
        let siphon = lab(agent(&broker, &queue, backend), driver(settings)).start();
        let has_it = "another connection has the queue for itself: end it, or do without `exclusive` (405";
        siphon.wait_for_log(&["[ASYNC: orders][AMQP]", "trying again", has_it]);
    }
    queue.delete_exchange(&queue.name);
}

#[test]
fn tls_that_does_not_fit() {
    check(
        |broker, _| json!({"host": broker.url().replace("amqp://", "amqps://")}),
        &["it does not speak TLS on this port"],
    );
    check(
        |broker, _| json!({"host": broker.tls().map_or("amqps://127.0.0.1", |(host, _)| host)}),
        &["its CA is not trusted; name the CA's file in client_tls.ca_certs"],
    );
}
