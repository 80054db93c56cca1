//! The example does what it says.

use siphon_testkit::HttpBackend;
use siphon_tests::Lab;

use crate::broker::Broker;
use crate::topic::Topic;

#[test]
fn the_example_does_what_it_says() {
    let (broker, backend) = (Broker::shared(), HttpBackend::start());
    let topic = Topic::new(&broker, "example", 2);
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/kafka.json");
    let text = std::fs::read_to_string(file).expect("the example");
    let text = text
        .replace("127.0.0.1:9092", broker.address())
        .replace("\"orders\"", &format!("{:?}", topic.name))
        .replace("http://127.0.0.1:8000", &backend.url());
    let lab = Lab::empty().with_plugin("kafka");
    lab.write("siphon.json", text);
    topic.publish_record(1, "customer-7", &[], 1_700_000_000_000, "{\"id\":1}");
    let mut siphon = lab.start();
    siphon.wait_for_agent(&topic.name, |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.requests()[0].path, "/customers/customer-7/orders");
}
