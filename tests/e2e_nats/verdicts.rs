//! Verdicts that no configuration leads to yet, given to the driver itself through the real plugin border.

use siphon_core::abi::Verdict;
use siphon_core::plugin::{Arrival, Event, OpenOptions, Registry, Settlement, Source};
use siphon_testkit::plugin_file;

use crate::server::shared;
use crate::stream::Stream;

fn open(stream: &Stream) -> Source {
    let mut registry = Registry::default();
    registry.load_file(&plugin_file("nats"));
    let driver = registry.source("async/nats").expect("the driver is loaded");
    let config = serde_json::json!({"servers": stream.url, "stream": stream.name, "durable": "siphon"}).to_string();
    let options = OpenOptions {
        agent: "orders".into(),
        namespace: "async/nats".into(),
        topics: vec![stream.topic()],
        config,
        workers: 2,
        read_ahead: 4,
        max_in_flight: 10,
        max_bytes: 1 << 20,
    };
    Source::open(driver, &options).expect("it opens")
}

async fn next(source: &mut Source) -> Event {
    loop {
        let mut taken = None;
        let mut take = |arrival| {
            if let Arrival::Event(event) = arrival {
                taken = Some(event);
            }
        };
        let count = source.next(1, &mut take).expect("it goes on");
        match taken {
            Some(event) => return event,
            None if count == 0 => source.rung().await,
            None => {}
        }
    }
}

fn settlement(event: &Event, verdict: Verdict) -> Settlement {
    Settlement { handle: event.handle(), verdict, reserved: 0, delay_ms: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_event_is_terminated_and_one_given_back_comes_again() {
    let stream = tokio::task::spawn_blocking(|| Stream::new(&shared(), "verdicts")).await.expect("a stream");
    let (mut source, stream) = tokio::task::spawn_blocking(move || {
        let source = open(&stream);
        stream.publish(["poison", "fine"]);
        (source, stream)
    })
    .await
    .expect("an open source");
    let (poison, fine) = (next(&mut source).await, next(&mut source).await);
    assert_eq!((&poison.payload()[..], &fine.payload()[..]), (&b"poison"[..], &b"fine"[..]));
    let (mut terminated, stream) = tokio::task::spawn_blocking(move || (stream.advisories("MSG_TERMINATED"), stream))
        .await
        .expect("a subscription");
    source.settle(&[settlement(&poison, Verdict::REJECT), settlement(&fine, Verdict::REQUEUE)]);
    let again = next(&mut source).await;
    assert_eq!((&again.payload()[..], again.attempt()), (&b"fine"[..], Some(2)));
    source.settle(&[settlement(&again, Verdict::ACK)]);
    source.close(std::time::Duration::from_secs(10)).await.expect("closed in order");
    tokio::task::spawn_blocking(move || {
        let advisory = String::from_utf8_lossy(&stream.client.hear(&mut terminated).payload).into_owned();
        assert!(advisory.contains("\"stream_seq\":1"), "{advisory}");
        stream.wait_until_done();
        assert_eq!(stream.consumer().ack_floor.stream_sequence, 2, "closed after the settlements were read");
    })
    .await
    .expect("the checks");
}
