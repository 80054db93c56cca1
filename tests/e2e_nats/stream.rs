//! A test's own client of the server, and its own stream.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{Info, pull};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, HeaderMap, Message, Subscriber};
use futures_util::StreamExt as _;
use siphon_tests::eventually;
use tokio::runtime::Runtime;

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client; its own tasks go on while the test waits elsewhere.
pub struct Client {
    pub nats: async_nats::Client,
    jetstream: Context,
    runtime: Runtime,
}

/// A name that no other test and no other run uses.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// `event-1` to `event-count`.
pub fn ids(count: usize) -> BTreeSet<String> {
    (1..=count).map(|n| format!("event-{n}")).collect()
}

impl Client {
    pub fn of(url: &str) -> Self {
        Self::with(url, ConnectOptions::new())
    }

    /// With a login.
    ///
    /// # Panics
    ///
    /// When the server does not let it in.
    pub fn with(url: &str, options: ConnectOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (nats, jetstream) = runtime.block_on(async {
            let nats = options.connect(url).await.expect("the server answers");
            (nats.clone(), jetstream::new(nats)) // it starts a task
        });
        Self { nats, jetstream, runtime }
    }

    pub fn jetstream_answers(&self) -> bool {
        self.runtime.block_on(self.jetstream.query_account()).is_ok()
    }

    /// A stream that takes the subjects `NAME.>`.
    pub fn create_stream(&self, name: &str) {
        let subjects = vec![format!("{name}.>")];
        let config = Config { name: name.to_owned(), subjects, ..Config::default() };
        self.runtime.block_on(self.jetstream.create_stream(config)).expect("a stream");
    }

    /// Publishes to a plain subject; returns when the server has it.
    pub fn tell(&self, subject: &str, payload: &str) {
        self.runtime.block_on(async {
            self.nats.publish(subject.to_owned(), payload.to_owned().into()).await.expect("sent");
            self.nats.flush().await.expect("sent");
        });
    }

    pub fn listen(&self, subject: &str) -> Subscriber {
        self.runtime.block_on(async {
            let subscriber = self.nats.subscribe(subject.to_owned()).await.expect("subscribed");
            // The server reads in order: after its answer the subscription is there.
            self.jetstream.query_account().await.expect("an answer");
            subscriber
        })
    }

    /// The next message.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn hear(&self, subscriber: &mut Subscriber) -> Message {
        let next = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, subscriber.next()).await });
        next.expect("a message in time").expect("a subscription")
    }
}

/// A stream that is deleted with this. It takes the subjects `NAME.>`; its consumer is `siphon`.
pub struct Stream {
    pub name: String,
    pub url: String,
    pub client: Client,
}

impl Stream {
    pub fn new(url: &str, name: &str) -> Self {
        let stream = Self { name: unique(name), url: url.to_owned(), client: Client::of(url) };
        stream.client.create_stream(&stream.name);
        stream
    }

    /// The subject that agents listen to.
    pub fn topic(&self) -> String {
        format!("{}.t", self.name)
    }

    /// Publishes to [`topic`](Self::topic); returns when the server has confirmed all.
    pub fn publish<P: AsRef<[u8]>>(&self, payloads: impl IntoIterator<Item = P>) {
        self.publish_with(&self.topic(), &HeaderMap::new(), payloads);
    }

    pub fn publish_with<P: AsRef<[u8]>>(
        &self,
        subject: &str,
        headers: &HeaderMap,
        payloads: impl IntoIterator<Item = P>,
    ) {
        let payloads: Vec<_> = payloads.into_iter().collect();
        self.client.runtime.block_on(async {
            for payloads in payloads.chunks(500) {
                let mut confirmations = Vec::new();
                for payload in payloads {
                    let payload = payload.as_ref().to_vec().into();
                    let sent = self.client.jetstream.publish_with_headers(subject.to_owned(), headers.clone(), payload);
                    confirmations.push(sent.await.expect("sent"));
                }
                for confirmation in confirmations {
                    confirmation.await.expect("confirmed");
                }
            }
        });
    }

    /// The consumer, as the server knows it.
    pub fn consumer(&self) -> Info {
        self.try_consumer().expect("there is a consumer")
    }

    pub fn try_consumer(&self) -> Option<Info> {
        self.client.runtime.block_on(async {
            let stream = self.client.jetstream.get_stream(&self.name).await.ok()?;
            stream.consumer_info("siphon").await.ok()
        })
    }

    /// Makes the consumer by hand.
    pub fn create_consumer(&self, config: pull::Config) {
        let config = pull::Config { durable_name: Some("siphon".into()), ..config };
        let created = self.client.jetstream.create_consumer_on_stream(config, &self.name);
        self.client.runtime.block_on(created).expect("a consumer");
    }

    pub fn delete_consumer(&self) {
        let deleted = self.client.jetstream.delete_consumer_from_stream("siphon", &self.name);
        self.client.runtime.block_on(deleted).expect("deleted");
    }

    /// Messages in the stream, done or not.
    pub fn messages(&self) -> u64 {
        let stream = self.client.runtime.block_on(self.client.jetstream.get_stream(&self.name));
        stream.expect("the stream").cached_info().state.messages
    }

    /// Everything in the stream, in order.
    pub fn stored(&self) -> Vec<StreamMessage> {
        self.client.runtime.block_on(async {
            let stream = self.client.jetstream.get_stream(&self.name).await.expect("the stream");
            let last = stream.cached_info().state.last_sequence;
            let mut stored = Vec::new();
            for sequence in 1..=last {
                stored.push(stream.get_raw_message(sequence).await.expect("a message"));
            }
            stored
        })
    }

    /// Waits until nothing is waiting, and nothing unsettled.
    #[track_caller]
    pub fn wait_until_done(&self) {
        let is_done = |info: Info| info.num_pending == 0 && info.num_ack_pending == 0;
        eventually(&format!("all of {} to be settled", self.name), || {
            self.try_consumer().filter(|info| is_done(info.clone())).map(drop)
        });
    }

    /// Hears the server's news of this kind about the consumer.
    pub fn advisories(&self, kind: &str) -> Subscriber {
        self.client.listen(&format!("$JS.EVENT.ADVISORY.CONSUMER.{kind}.{}.siphon", self.name))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A test that ended its server has taken the stream along.
        let deleted = self.client.jetstream.delete_stream(&self.name);
        let _ = self.client.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), deleted).await });
    }
}
