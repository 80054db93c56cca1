//! The store as the driver uses it: with its threads and the real clock.

use std::collections::BTreeSet;

use super::super::error::Fault;
use super::super::{Consumer, Store};
use super::*;

/// Nothing here takes long; whatever does has hung.
const PATIENCE: Duration = Duration::from_secs(20);

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = async { tokio::time::timeout(PATIENCE, test).await };
    runtime.block_on(bounded).expect("the test hung")
}

async fn consumer(store: &Store, topics: &[&str], lease: Duration) -> Consumer {
    store.consumer(route("orders"), TopicFilter::new(topics), lease).await.unwrap()
}

async fn publish(store: &Store, payload: &str) -> i64 {
    store.publish("orders", vec![event("a", payload)]).await.unwrap()[0]
}

fn ack(event: &Event) -> Settlement {
    Settlement { ticket: event.ticket, verdict: Verdict::Ack }
}

#[test]
fn a_waiting_claim_is_woken_by_a_publish_in_the_same_process() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        let reader = consumer(&store, &[], LEASE).await;
        let (claimed, id) = tokio::join!(reader.claim(1), publish(&store, "1"));
        assert_eq!(claimed.unwrap()[0].ticket.id, id);
    });
}

#[test]
fn a_waiting_claim_is_woken_by_a_publish_of_another_process() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        let other = Store::open_alone(&path).await.unwrap();
        let reader = consumer(&store, &[], LEASE).await;
        let (claimed, id) = tokio::join!(reader.claim(1), publish(&other, "1"));
        assert_eq!(claimed.unwrap()[0].ticket.id, id);
    });
}

#[test]
fn a_waiting_claim_is_woken_when_a_delay_ends() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        let reader = consumer(&store, &[], LEASE).await;
        let delay = Duration::from_millis(150);
        let published = Instant::now();
        store.publish("orders", vec![NewEvent { delay, ..event("a", "1") }]).await.unwrap();
        assert_eq!(reader.claim(1).await.unwrap()[0].attempt, 1);
        let waited = published.elapsed();
        assert!(waited > delay - Duration::from_millis(2), "came after {waited:?}");
    });
}

#[test]
fn a_claim_dropped_before_its_answer_was_read_gives_its_events_back_untouched() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        let reader = consumer(&store, &[], LEASE).await;
        let mut claim = Box::pin(reader.claim(1));
        let is_waiting =
            std::future::poll_fn(|context| std::task::Poll::Ready(claim.as_mut().poll(context).is_pending()));
        assert!(is_waiting.await);
        let id = publish(&store, "1").await;
        drop(claim);
        let again = consumer(&store, &[], LEASE).await.claim(1).await.unwrap();
        assert_eq!((again[0].ticket.id, again[0].attempt), (id, 1));
    });
}

#[test]
fn a_consumer_dropped_without_settling_leaves_its_events_to_others_after_the_lease() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        let id = publish(&store, "1").await;
        let reader = consumer(&store, &[], Duration::from_millis(300)).await;
        assert_eq!(reader.claim(1).await.unwrap()[0].attempt, 1);
        drop(reader);
        let other = consumer(&Store::open_alone(&path).await.unwrap(), &[], LEASE).await;
        let again = other.claim(1).await.unwrap();
        assert_eq!((again[0].ticket.id, again[0].attempt), (id, 2));
    });
}

#[test]
fn a_lease_outlives_itself_while_its_consumer_lives() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        publish(&store, "1").await;
        let lease = Duration::from_millis(800);
        let reader = consumer(&store, &[], lease).await;
        let mine = reader.claim(1).await.unwrap();
        let other = consumer(&Store::open_alone(&path).await.unwrap(), &[], LEASE).await;
        let stolen = tokio::time::timeout(lease * 2, other.claim(1)).await;
        assert!(stolen.is_err(), "{stolen:?}");
        assert_eq!(reader.settle(vec![ack(&mine[0])]).await, Ok(vec![Settled::Done]));
    });
}

#[test]
fn who_opens_the_same_file_shares_it_whatever_they_call_it() {
    run(async {
        let (folder, path) = folder();
        let first = Store::open(&path).await.unwrap();
        let detour = folder.path().join(".").join("..").join(folder.path().file_name().unwrap()).join("events.db");
        let second = Store::open(&detour).await.unwrap();
        assert!(first.is_shared_with(&second));
        assert!(!first.is_shared_with(&Store::open_alone(&path).await.unwrap()));
        second.close().await;
        publish(&first, "still open").await;
    });
}

#[test]
fn a_file_that_could_not_be_opened_can_be_once_the_reason_is_gone() {
    run(async {
        let (folder, _) = folder();
        let path = folder.path().join("later").join("events.db");
        assert_eq!(Store::open(&path).await.unwrap_err().fault, Fault::NoFolder);
        std::fs::create_dir(folder.path().join("later")).unwrap();
        publish(&Store::open(&path).await.unwrap(), "1").await;
    });
}

#[test]
fn a_new_store_takes_over_after_the_file_was_replaced() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        let reader = consumer(&store, &[], LEASE).await;
        let waiting = async { reader.claim(1).await.unwrap_err().fault };
        let removing = async { std::fs::rename(&path, path.with_extension("old")).unwrap() };
        let (fault, ()) = tokio::join!(waiting, removing);
        assert_eq!(fault, Fault::Replaced);
        publish(&Store::open(&path).await.unwrap(), "1").await;
    });
}

#[test]
fn closing_waits_until_the_file_is_closed() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        publish(&store, "1").await;
        store.close().await;
        assert!(!path.with_file_name("events.db-wal").exists(), "the last one out folds the log in");
    });
}

#[test]
fn an_event_over_the_limit_is_refused_and_the_others_with_it() {
    run(async {
        let (_folder, path) = folder();
        let store = Store::open(&path).await.unwrap();
        let size = super::super::event::MAX_EVENT_BYTES + 1;
        let big = NewEvent { payload: vec![0; size].into(), ..NewEvent::default() };
        let error = store.publish("orders", vec![event("a", "1"), big]).await.unwrap_err();
        assert!(error.to_string().ends_with("bytes is over the limit of 268435456 bytes"), "{error}");
        assert_eq!(rows(&path).0, 0);
    });
}

/// Claims and acknowledges until `all` ids were seen by anybody; the ids in the order they came.
async fn drain(reader: &Consumer, seen: &std::sync::Mutex<Vec<i64>>, all: usize) {
    while seen.lock().unwrap().len() < all {
        let claim = tokio::time::timeout(Duration::from_millis(200), reader.claim(7));
        let Ok(events) = claim.await else { continue };
        let events = events.unwrap();
        seen.lock().unwrap().extend(events.iter().map(|event| event.ticket.id));
        reader.settle(events.iter().map(ack).collect()).await.unwrap();
    }
}

#[test]
fn two_processes_on_one_file_lose_nothing_and_take_nothing_twice() {
    run(async {
        let (_folder, path) = folder();
        let stores = [Store::open_alone(&path).await.unwrap(), Store::open_alone(&path).await.unwrap()];
        let (rounds, each) = (20, 10);
        let publish = async |store: &Store| {
            let mut ids = Vec::new();
            for _ in 0..rounds {
                ids.extend(store.publish("orders", vec![event("a", "x"); each]).await.unwrap());
            }
            ids
        };
        let seen = std::sync::Mutex::new(Vec::new());
        let readers = [consumer(&stores[0], &[], LEASE).await, consumer(&stores[1], &["a"], LEASE).await];
        let all = 2 * rounds * each;
        let (first, second, (), ()) = tokio::join!(
            publish(&stores[0]),
            publish(&stores[1]),
            drain(&readers[0], &seen, all),
            drain(&readers[1], &seen, all)
        );
        let seen = seen.into_inner().unwrap();
        let published: BTreeSet<i64> = first.into_iter().chain(second).collect();
        assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (all, published));
        assert_eq!(rows(&path), (0, 0));
    });
}
