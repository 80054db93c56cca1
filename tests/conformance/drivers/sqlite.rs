//! The embedded queue. There is no broker to restart: the process is the broker.

use serde_json::json;
use siphon_testkit::conformance::{Bench, Queue, run};
use siphon_testkit::plugin_file;

#[test]
fn it_behaves_as_a_driver_must() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    // The shortest lease: what a killed consumer had comes back after it.
    let fresh = move |name: &str| {
        let dead = json!({"path": path, "queue": format!("{name}.dead"), "lease": "1s"});
        Queue::new(json!({"path": path, "queue": name, "lease": "1s"}).to_string()).dead_letters(dead.to_string())
    };
    run(&Bench::new(plugin_file("sqlite"), "async/sqlite", fresh));
}
