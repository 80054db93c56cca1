//! What the Kafka client says by itself: errors, statistics, shared-out partitions. Called from within its polls.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::books::Place;
use crate::token::{TokenSource, next_token};

/// The group's partitions are shared out anew. The client waits for an answer.
#[derive(Debug, Clone)]
pub enum Rebalance {
    Assign(TopicPartitionList),
    Revoke {
        partitions: TopicPartitionList,
        /// Others may have them already: nothing can be committed.
        is_lost: bool,
    },
}

/// Keeps what the client says until somebody asks.
#[derive(Debug, Default)]
pub struct Watcher {
    said: Mutex<Said>,
    /// Nobody asks any more: the client is closing.
    is_closing: AtomicBool,
    /// Counts what was said: the client's poll returns the same whether it said something or nothing.
    events: AtomicU64,
    tokens: Option<TokenSource>,
}

#[derive(Debug, Default)]
struct Said {
    rebalances: VecDeque<Rebalance>,
    /// The newest reason why a broker cannot be talked to.
    trouble: Option<String>,
    /// All brokers that are known are out of reach, it says.
    is_cut_off: bool,
    /// Where each partition ends; `None` when nothing new was said.
    ends: Option<HashMap<Place, i64>>,
}

impl Watcher {
    /// For a client that logs in with tokens from there.
    pub fn with_tokens(tokens: Option<TokenSource>) -> Self {
        Self { tokens, ..Self::default() }
    }

    /// What is to be answered next; it stays until it [is answered](Self::answered).
    pub fn rebalance(&self) -> Option<Rebalance> {
        self.said().rebalances.front().cloned()
    }

    /// The client has its answer.
    pub fn answered(&self) {
        self.said().rebalances.pop_front();
    }

    /// The newest reason why a broker cannot be talked to.
    pub fn trouble(&self) -> Option<String> {
        self.said().trouble.clone()
    }

    /// Whether the client has said since the last call that it reaches no broker.
    pub fn was_cut_off(&self) -> bool {
        std::mem::take(&mut self.said().is_cut_off)
    }

    /// Where the partitions end, when that was told since the last call.
    pub fn ends(&self) -> Option<HashMap<Place, i64>> {
        self.said().ends.take()
    }

    /// How often the client has said something.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Watcher {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.count();
        next_token(self.tokens.as_ref())
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.count();
        tracing::debug!(level = ?level, facility, "the Kafka client: {message}");
        // A broker that hangs up without a word is no error for the client, but its only trace of what is wrong.
        if facility == "FAIL" {
            self.said().trouble.get_or_insert_with(|| message.to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(reason, "the Kafka client: {error}");
        let mut said = self.said();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => said.is_cut_off = true,
            _ => said.trouble = Some(reason.to_owned()),
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.count();
        let mut ends = HashMap::new();
        for (name, topic) in statistics.topics {
            let known = topic.partitions.values().filter(|partition| partition.partition >= 0);
            for partition in known {
                // What an open transaction holds back cannot be read yet: the last stable offset counts where it is known.
                let end = if partition.ls_offset >= 0 { partition.ls_offset } else { partition.hi_offset };
                if end >= 0 {
                    ends.insert(Place::new(&name, partition.partition), end);
                }
            }
        }
        self.said().ends = Some(ends);
    }
}

impl ConsumerContext for Watcher {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        self.count();
        let rebalance = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(partitions.clone()),
            _ => Rebalance::Revoke { partitions: partitions.clone(), is_lost: consumer.assignment_lost() },
        };
        if !self.is_closing.load(Ordering::Acquire) {
            return self.said().rebalances.push_back(rebalance);
        }
        decline(consumer, &rebalance);
    }
}

/// Answers what nobody has answered: a client that waits for an answer would not close.
pub fn decline_all(consumer: &BaseConsumer<Watcher>) {
    let watcher = consumer.context();
    watcher.is_closing.store(true, Ordering::Release);
    while let Some(rebalance) = watcher.rebalance() {
        decline(consumer, &rebalance);
        watcher.answered();
    }
}

fn decline(consumer: &BaseConsumer<Watcher>, rebalance: &Rebalance) {
    let answered = match rebalance {
        Rebalance::Assign(_) => answer_assign(consumer, &TopicPartitionList::new()),
        Rebalance::Revoke { partitions, .. } => answer_revoke(consumer, partitions),
    };
    if let Err(error) = answered {
        tracing::debug!("while closing: {error}");
    }
}

/// Tells the client to read these partitions, from their offsets on.
pub fn answer_assign(consumer: &BaseConsumer<Watcher>, partitions: &TopicPartitionList) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

/// Tells the client to let go of these partitions.
pub fn answer_revoke(consumer: &BaseConsumer<Watcher>, partitions: &TopicPartitionList) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    }
}
