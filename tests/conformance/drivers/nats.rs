//! NATS with JetStream, a server of the suite's own, because it is killed and started again. A rejected event stays in its
//! stream: nobody sees it come out elsewhere.

use std::sync::{Arc, Mutex};

use serde_json::json;
use siphon_testkit::conformance::{Bench, Queue, run};
use siphon_testkit::plugin_file;

use crate::server::Server;
use crate::stream::Client;

#[test]
fn it_behaves_as_a_driver_must() {
    let server = Arc::new(Mutex::new(Server::with("")));
    let url = server.lock().unwrap().url();
    server.lock().unwrap().wait_for_jetstream();
    let fresh = move |name: &str| {
        Client::of(&url).create_stream(name);
        // The shortest wait: what a killed consumer had comes back after it.
        let config = json!({"servers": url, "stream": name, "durable": "siphon", "ack_wait": "1s"});
        Queue::new(config.to_string()).topic(format!("{name}.t"))
    };
    let restart = move || {
        let mut server = server.lock().unwrap();
        server.kill();
        server.start();
        server.wait_for_jetstream();
    };
    run(&Bench::new(plugin_file("nats"), "async/nats", fresh).restarted_by(restart));
}
