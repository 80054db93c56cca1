//! What every driver must do, through the plugin host of a real siphon.

use siphon_testkit::conformance::{Bench, Queue, built, run};

#[test]
fn it_behaves_as_a_driver_must() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_owned();
    let fresh = move |name: &str| Queue::new(serde_json::json!({"folder": root.join(name)}).to_string());
    let bench = Bench::new(built(env!("CARGO_MANIFEST_DIR")), "async/{name}", fresh);
    run(&bench.without_headers().with_one_consumer());
}
