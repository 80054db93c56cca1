//! What an agent writes under `async/kafka`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use siphon_sdk::{Context, HumanDuration};

use crate::sasl::Sasl;
use crate::start::Start;
use crate::tls::TlsSettings;
use crate::token::TokenSource;
use crate::writing::Writing;

/// Records of a Kafka cluster, read as a member of a consumer group. The agent's topic is a topic's name, a list of names,
/// or `^` and a regular expression.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// Where the brokers are, and how to talk to them.
    pub cluster: Cluster,

    /// The consumer group.
    #[serde(default)]
    pub group: Group,

    /// Another spelling of `group.id`.
    #[serde(default)]
    pub group_id: Option<String>,

    /// Name of the header that the pipe gets the record's key in, such as `X-Key`. Default: none.
    #[serde(default)]
    pub key_meta: Option<String>,

    /// Where the group begins to read a partition of which it has committed nothing: `latest` (what comes from then on),
    /// `earliest`, or a time such as `2026-01-31T00:00:00Z` or `1769817600000` (milliseconds since 1970). Default: `latest`.
    #[serde(default)]
    pub start: Start,

    /// How far reading may go on in a partition beyond its oldest record that is not done, in offsets: what a restart would
    /// read again at most. Default: 10000.
    #[serde(default = "window")]
    pub window: u64,

    /// Longest time between two commits while records get done. A kill repeats what was done in that time. Duration.
    /// Default: `200ms`.
    #[serde(default = "commit_interval")]
    pub commit_interval: HumanDuration,

    /// Properties of librdkafka by their own names, such as `{"fetch.wait.max.ms": 100}`, for what no other key says.
    #[serde(default)]
    pub librdkafka: Map<String, Value>,

    /// How a backend writes; agents have no key for it.
    #[serde(skip)]
    pub writing: Option<Writing>,
}

/// Where the brokers are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Cluster {
    /// Addresses, `host:port`, of some brokers; the others are found through them.
    pub brokers: Vec<String>,

    /// How the brokers' logs and quotas call siphon. Default: `siphon`.
    #[serde(default = "client_id")]
    pub client_id: String,

    /// Where siphon runs: brokers of the same rack are read from where they may serve it. Default: none.
    #[serde(default)]
    pub rack_id: String,

    /// TLS to the brokers; without it they are talked to in the clear.
    #[serde(default)]
    pub client_tls: Option<TlsSettings>,

    /// How siphon logs in.
    #[serde(default)]
    pub sasl: Option<Sasl>,

    /// Longest time for a connection to be made, login included. Duration. Default: `30s`.
    #[serde(default = "thirty_seconds")]
    pub dial_timeout: HumanDuration,

    /// Longest time for an answer. Duration. Default: `30s`. Of this and `write_timeout` the longer counts.
    #[serde(default = "thirty_seconds")]
    pub read_timeout: HumanDuration,

    /// See `read_timeout`.
    #[serde(default = "thirty_seconds")]
    pub write_timeout: HumanDuration,

    /// Keeps idle connections alive (TCP keep-alive); the interval is the system's. Duration. Default: `0s`, off.
    #[serde(default)]
    pub keep_alive: HumanDuration,

    /// Records of each partition that are fetched ahead. Default: 1000.
    #[serde(default)]
    pub channel_buffer_size: Option<u32>,

    /// Time before the brokers are asked again who leads a partition. Duration. Default: `250ms`.
    #[serde(default = "metadata_retry_backoff")]
    pub metadata_retry_backoff: HumanDuration,

    /// Without effect: the brokers are asked until they answer.
    #[serde(default)]
    pub metadata_retry_max: Option<u32>,
}

/// The consumer group.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Group {
    /// Its name. Agents and processes of one group share the partitions. Default: the agent's name.
    pub id: Option<String>,

    /// Another spelling of `id`.
    pub group_id: Option<String>,

    /// After this time without a sign of life a member counts as dead. Duration. Default: `10s`.
    pub session_timeout: HumanDuration,

    /// Time between two signs of life. Duration. Default: `3s`.
    pub heartbeat_interval: HumanDuration,

    /// How partitions are shared out: `range`, `roundrobin`, in the order of preference; or `sticky`, which leaves to a
    /// member what it has (librdkafka's `cooperative-sticky`) and stands alone. Default: `["range"]`.
    pub rebalance_strategies: Vec<String>,

    /// Time that members have to join when partitions are shared out anew. Duration. Default: `60s`.
    pub rebalance_timeout: HumanDuration,

    /// A lasting name of this member: a restart within `session_timeout` keeps its partitions. No two processes may have
    /// the same. Default: none.
    pub instance_id: Option<String>,

    /// Bytes that one request fetches from a partition. Default: 1048576.
    pub fetch_default: u32,

    /// `read_committed`: records of transactions once they are committed; `read_uncommitted`: all. Default:
    /// `read_committed`. KrakenD's spellings with one t are known.
    pub isolation_level: String,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            id: None,
            group_id: None,
            session_timeout: seconds(10),
            heartbeat_interval: seconds(3),
            rebalance_strategies: vec!["range".into()],
            rebalance_timeout: seconds(60),
            instance_id: None,
            fetch_default: 1 << 20,
            isolation_level: "read_committed".into(),
        }
    }
}

/// The assignment strategy that librdkafka has for KrakenD's `sticky`.
pub const STICKY: &str = "cooperative-sticky";

impl Cluster {
    /// Brokers that are talked to in the clear and without a login.
    pub fn at(brokers: &[&str]) -> Self {
        Self {
            brokers: brokers.iter().map(|broker| (*broker).to_owned()).collect(),
            client_id: client_id(),
            rack_id: String::new(),
            client_tls: None,
            sasl: None,
            dial_timeout: thirty_seconds(),
            read_timeout: thirty_seconds(),
            write_timeout: thirty_seconds(),
            keep_alive: HumanDuration::default(),
            channel_buffer_size: None,
            metadata_retry_backoff: metadata_retry_backoff(),
            metadata_retry_max: None,
        }
    }
}

impl Cluster {
    /// Where the tokens of the login come from, if it has any.
    pub fn tokens(&self) -> Option<TokenSource> {
        self.sasl.as_ref().and_then(Sasl::tokens)
    }
}

impl Config {
    /// The same as the settings of an agent, for a backend that writes.
    pub fn writing(cluster: Cluster, writing: Writing, librdkafka: Map<String, Value>) -> Self {
        Self { writing: Some(writing), ..Self::reading(cluster, Group::default(), librdkafka) }
    }

    /// The same for one that reads.
    pub fn reading(cluster: Cluster, group: Group, librdkafka: Map<String, Value>) -> Self {
        Self {
            cluster,
            group,
            group_id: None,
            key_meta: None,
            start: Start::default(),
            window: window(),
            commit_interval: commit_interval(),
            librdkafka,
            writing: None,
        }
    }

    /// The group's name in any of its spellings, with its path.
    pub fn group_ids(&self) -> Vec<(&'static str, &str)> {
        let spellings =
            [("group.id", &self.group.id), ("group.group_id", &self.group.group_id), ("group_id", &self.group_id)];
        spellings.into_iter().filter_map(|(path, id)| Some((path, id.as_deref()?))).collect()
    }

    /// The group's name.
    pub fn group_id(&self, context: &Context) -> String {
        self.group_ids().first().map_or_else(|| context.agent.clone(), |(_, id)| (*id).to_owned())
    }
}

impl Group {
    /// Whether `sticky` is among the strategies, in any spelling.
    pub fn is_sticky(&self) -> bool {
        self.rebalance_strategies.iter().any(|name| name == "sticky" || name == STICKY)
    }

    /// librdkafka's names of the strategies.
    pub fn strategies(&self) -> String {
        if self.is_sticky() { STICKY.into() } else { self.rebalance_strategies.join(",") }
    }
}

/// Whether a topic of an agent is a regular expression.
pub fn is_regex(topic: &str) -> bool {
    topic.starts_with('^')
}

fn seconds(seconds: u64) -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(seconds))
}

fn milliseconds(milliseconds: u64) -> HumanDuration {
    HumanDuration(std::time::Duration::from_millis(milliseconds))
}

fn thirty_seconds() -> HumanDuration {
    seconds(30)
}

fn metadata_retry_backoff() -> HumanDuration {
    milliseconds(250)
}

fn commit_interval() -> HumanDuration {
    milliseconds(200)
}

fn window() -> u64 {
    10_000
}

fn client_id() -> String {
    "siphon".into()
}
