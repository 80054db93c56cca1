//! Opening the queue for an agent, and what its errors mean to the supervisor.

use std::sync::Arc;

use siphon_sdk::{Capabilities, Context, Error, Finding, Source};

use crate::config::Config;
use crate::consume::Reader;
use crate::deliveries::Deliveries;
use crate::patience::Patience;
use crate::settle::Judge;
use crate::store::{Store, StoreError};
use crate::topic::TopicFilter;
use crate::{KEYS, LABEL};

/// The queue as a source of events.
pub struct Queue;

impl Source for Queue {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK
        .and(Capabilities::DELAY)
        .and(Capabilities::ATTEMPTS)
        .and(Capabilities::REJECT)
        .and(Capabilities::ORDER)
        .and(Capabilities::BATCH_SETTLE);
    type Config = Config;
    type Receiver = Reader;
    type Settler = Judge;

    fn check(config: &Config, _: &Context) -> Vec<Finding> {
        config.findings()
    }

    async fn connect(config: Config, context: Context) -> Result<(Reader, Judge), Error> {
        let store = Store::open(&config.path).await.map_err(cannot_open)?;
        let filter = TopicFilter::new(&context.topics);
        let consumer = store.consumer(config.route(), filter, config.lease.0).await.map_err(broken)?;
        let (consumer, deliveries) = (Arc::new(consumer), Arc::new(Deliveries::default()));
        let patience = Patience::of(config.lease.0);
        let reader = Reader::new(consumer.clone(), deliveries.clone(), &config.queue, patience);
        Ok((reader, Judge::new(consumer, deliveries, patience)))
    }
}

/// What cannot be opened now and never will be is a matter of the configuration.
pub fn cannot_open(error: StoreError) -> Error {
    if error.fault.is_permanent() {
        Error::config("path", error.to_string())
    } else {
        Error::connection(error.to_string())
    }
}

/// What fails in use is either hopeless or tried again by the supervisor.
pub fn broken(error: StoreError) -> Error {
    if error.fault.is_permanent() { Error::fatal(error.to_string()) } else { Error::connection(error.to_string()) }
}

/// What is asked after the goodbye.
pub fn closed() -> Error {
    Error::fatal("the queue was closed")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use siphon_sdk::{HumanDuration, OutgoingMessage, Settlement, Settler as _, Sink as _, Verdict};

    use super::*;
    use crate::publish::Publisher;

    fn context() -> Context {
        let topics = vec!["orders.*".to_owned()];
        let (agent, namespace) = ("test".to_owned(), KEYS[0].to_owned());
        Context { agent, namespace, topics, workers: 1, read_ahead: 4, max_in_flight: 8 }
    }

    fn config(path: &std::path::Path) -> Config {
        let (path, queue, lease) = (path.to_owned(), "orders".to_owned(), HumanDuration(Duration::from_secs(30)));
        Config { path, queue, lease, dead_letter_queue: None }
    }

    fn run<F: Future>(test: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bounded = async { tokio::time::timeout(Duration::from_secs(20), test).await };
        runtime.block_on(bounded).expect("the test hung")
    }

    #[test]
    fn what_cannot_be_opened_is_an_error_of_the_path() {
        let missing = std::path::Path::new("missing-folder/events.db");
        let Err(error) = run(Queue::connect(config(missing), context())) else { panic!("it opened") };
        let text = "path: missing-folder/events.db: the folder does not exist: create it, or correct `path`";
        assert_eq!(error.to_string(), text);
    }

    /// Stores `count` events and opens the queue.
    async fn open(folder: &tempfile::TempDir, count: usize) -> (Reader, Judge) {
        let config = config(&folder.path().join("events.db"));
        let mut publisher = Publisher::connect(config.clone(), context()).await.unwrap();
        let message = OutgoingMessage { topic: "orders.eu".into(), ..OutgoingMessage::default() };
        assert_eq!(publisher.publish(&vec![message; count]).await, vec![Ok(()); count]);
        Queue::connect(config, context()).await.unwrap()
    }

    /// Claims `count` events as `recv` does. Their numbers as the SDK would know them.
    async fn receive(reader: &Reader, count: usize) -> Vec<u64> {
        let events = reader.consumer().claim(count).await.unwrap();
        events.iter().map(|event| reader.deliveries().add(event.ticket)).collect()
    }

    /// Attempts of the events that another connection finds, by their numbers.
    async fn attempts(folder: &tempfile::TempDir, count: usize) -> Vec<(i64, u32)> {
        let (reader, _judge) = open(folder, 0).await;
        let again = reader.consumer().claim(count).await.unwrap();
        again.iter().map(|event| (event.ticket.id, event.attempt)).collect()
    }

    /// Settles deliveries in the words of the SDK.
    async fn settle(judge: &mut Judge, ids: &[u64], verdict: Verdict) -> Result<(), Error> {
        let settlements: Vec<_> = ids.iter().map(|&id| Settlement { id, generation: 0, verdict }).collect();
        judge.settle(&settlements).await
    }

    #[test]
    fn an_agent_that_closes_leaves_no_lease_behind() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let (reader, mut judge) = open(&folder, 3).await;
            let ids = receive(&reader, 3).await;
            drop(reader);
            // What the host never took is settled first; what it took and did not settle was tried.
            settle(&mut judge, &ids[1..], Verdict::Requeue).await.unwrap();
            judge.close().await.unwrap();
            assert_eq!(attempts(&folder, 3).await, [(1, 2), (2, 1), (3, 1)]);
        });
    }

    #[test]
    fn when_the_file_is_gone_giving_back_and_the_goodbye_end_at_once() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let (reader, mut judge) = open(&folder, 2).await;
            let ids = receive(&reader, 2).await;
            std::fs::rename(folder.path().join("events.db"), folder.path().join("old.db")).unwrap();
            drop(reader);
            let goodbye = async {
                let given_back = settle(&mut judge, &ids, Verdict::Requeue).await;
                (given_back.is_err(), judge.close().await.is_err())
            };
            let ended = tokio::time::timeout(Duration::from_secs(5), goodbye).await;
            assert_eq!(ended, Ok((true, true)));
        });
    }

    #[test]
    fn the_host_can_settle_in_every_way_and_twice() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let (reader, mut judge) = open(&folder, 4).await;
            let ids = receive(&reader, 4).await;
            let verdicts = [Verdict::Ack, Verdict::Requeue, Verdict::Retry { delay_ms: 0 }, Verdict::Reject];
            for (id, verdict) in ids.iter().zip(verdicts) {
                settle(&mut judge, &[*id], verdict).await.unwrap();
            }
            settle(&mut judge, &ids, Verdict::Ack).await.unwrap();
            assert_eq!(attempts(&folder, 4).await, [(2, 1), (3, 2)]);
        });
    }

    #[test]
    fn a_ping_is_answered_until_the_goodbye() {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let (_reader, mut judge) = open(&folder, 0).await;
            assert_eq!(judge.ping().await, Ok(()));
            judge.close().await.unwrap();
            assert_eq!(judge.ping().await, Err(closed()));
        });
    }
}
