//! The example does what it says.

use async_nats::HeaderMap;
use siphon_testkit::HttpBackend;
use siphon_tests::Lab;

use crate::server::shared;
use crate::stream::Stream;

#[test]
fn the_example_takes_the_streams_events() {
    let (stream, backend) = (Stream::new(&shared(), "example"), HttpBackend::start());
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/nats.json");
    let text = std::fs::read_to_string(file).expect("the example");
    let text = text
        .replace("nats://localhost:4222", &shared())
        .replace("\"ORDERS\"", &format!("{:?}", stream.name))
        .replace("\"orders.", &format!("\"{}.", stream.name))
        .replace("http://127.0.0.1:8000", &backend.url());
    let lab = Lab::empty().with_plugin("nats");
    lab.write("siphon.json", text);
    let mut siphon = lab.start();
    stream.publish_with(&format!("{}.created.eu", stream.name), &HeaderMap::new(), ["{\"id\":1}"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.look(|log| log.requests[0].text()), "{\"id\":1}");
}
