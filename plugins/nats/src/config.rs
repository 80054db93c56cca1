//! What an agent writes under `async/nats`.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use siphon_sdk::{Context, Finding, HumanDuration};

use crate::address::{Address, Servers};
use crate::login::{self, Secret};
use crate::subject;
use crate::tls::TlsSettings;

/// A shorter wait would be reported several times a second for nothing.
const SHORTEST_ACK_WAIT: Duration = Duration::from_secs(1);

/// A longer one would keep a killed consumer's events away for more than a day.
const LONGEST_ACK_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// A durable consumer of a JetStream stream, or plain subjects of NATS.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the server, such as `nats://localhost:4222`, or `tls://…` with TLS; or a list of addresses of one cluster.
    /// A user and a password, or a token, may stand before the host.
    pub servers: Servers,

    /// Name of the JetStream stream that holds the events. It must exist. Without it the agent listens to plain subjects:
    /// what is published while it does not run, or is in the pipe when it ends, is lost.
    #[serde(default)]
    pub stream: Option<String>,

    /// Name of the durable consumer on the stream. It is created when there is none; processes with the same name share the
    /// work. Required with `stream`.
    #[serde(default)]
    pub durable: Option<String>,

    /// Creates nothing: the consumer must exist. Default: false.
    #[serde(default)]
    pub passive: bool,

    /// How long the server waits for a word about an event before it delivers it again. Duration between `1s` and `24h`.
    /// Default: `30s`. It does not limit the work: siphon reports events that are in progress.
    #[serde(default)]
    pub ack_wait: Option<HumanDuration>,

    /// Events of the consumer that may be unsettled at all its processes together. Default: the server's, 1000.
    #[serde(default)]
    pub max_ack_pending: Option<u32>,

    /// How often the server delivers an event at most. After that it stays in the stream and comes to nobody. Default: 0,
    /// no limit.
    #[serde(default)]
    pub max_deliver: Option<u32>,

    /// Where a new consumer begins: `all`, `new`, `last`, `last_per_subject`, `by_start_sequence`, `by_start_time`.
    /// Default: `all`, or what `start_sequence` or `start_time` says.
    #[serde(default)]
    pub deliver_policy: Option<Start>,

    /// The sequence in the stream of the first event that a new consumer gets.
    #[serde(default)]
    pub start_sequence: Option<u64>,

    /// A new consumer gets events from this time on, such as `2025-01-31T00:00:00Z`.
    #[serde(default)]
    pub start_time: Option<String>,

    /// Waits for the server's confirmation of each acknowledgement. Costs a round trip; without it an acknowledgement that
    /// gets lost with the connection repeats its event. Default: false.
    #[serde(default)]
    pub ack_sync: bool,

    /// Name of the queue group, without `stream`: of the processes in it each event reaches one. Default: none, every process
    /// gets every event.
    #[serde(default)]
    pub queue: Option<String>,

    /// User's name; with `password`.
    #[serde(default)]
    pub username: Option<String>,

    /// User's password.
    #[serde(default)]
    pub password: Option<Secret>,

    /// Token, for servers that want nothing else.
    #[serde(default)]
    pub token: Option<Secret>,

    /// Seed of an NKey: begins with `SU`. The server gets a signature, never the seed.
    #[serde(default)]
    pub nkey_seed: Option<Secret>,

    /// File with a JWT and its seed, as `nsc generate creds` writes it.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,

    /// How long one server may take to answer when connecting. Duration. Default: `5s`.
    #[serde(default = "five_seconds")]
    pub connection_timeout: HumanDuration,

    /// Begins with TLS before the server's greeting, for servers with `handshake_first`. Default: false.
    #[serde(default)]
    pub tls_first: bool,

    /// TLS beyond what `tls://` does with the machine's CAs.
    #[serde(default)]
    pub client_tls: Option<TlsSettings>,
}

/// `deliver_policy`, in the server's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    All,
    New,
    Last,
    LastPerSubject,
    ByStartSequence,
    ByStartTime,
}

/// What a consumer of JetStream needs to be known by.
#[derive(Debug, Clone, Copy)]
pub struct Durable<'a> {
    pub stream: &'a str,
    pub name: &'a str,
}

impl Config {
    /// These servers, and the defaults of all else.
    pub fn at(servers: Servers) -> Self {
        Self {
            servers,
            stream: None,
            durable: None,
            passive: false,
            ack_wait: None,
            max_ack_pending: None,
            max_deliver: None,
            deliver_policy: None,
            start_sequence: None,
            start_time: None,
            ack_sync: false,
            queue: None,
            username: None,
            password: None,
            token: None,
            nkey_seed: None,
            credentials_file: None,
            connection_timeout: five_seconds(),
            tls_first: false,
            client_tls: None,
        }
    }

    /// The servers, those left out that cannot be read.
    pub fn addresses(&self) -> Vec<Address> {
        self.servers.addresses()
    }

    /// `nats://a:4222, nats://b:4222`, for messages.
    pub fn shown(&self) -> String {
        self.addresses().iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
    }

    /// With JetStream: which consumer.
    pub fn durable(&self) -> Option<Durable<'_>> {
        Some(Durable { stream: self.stream.as_deref()?, name: self.durable.as_deref()? })
    }

    /// Where a new consumer begins; `None`: nothing is said.
    ///
    /// # Errors
    ///
    /// The path of what does not fit, and why.
    pub fn deliver_policy(&self) -> Result<Option<DeliverPolicy>, (&'static str, String)> {
        let (sequence, time) = (self.start_sequence, self.start_time.as_deref());
        let start = match (self.deliver_policy, sequence, time) {
            (None, None, None) => return Ok(None),
            (None, Some(_), _) => Start::ByStartSequence,
            (None, None, Some(_)) => Start::ByStartTime,
            (Some(start), ..) => start,
        };
        if sequence.is_some() && start != Start::ByStartSequence {
            return Err(("start_sequence", "needs the deliver_policy by_start_sequence, and no start_time".into()));
        }
        if time.is_some() && start != Start::ByStartTime {
            return Err(("start_time", "needs the deliver_policy by_start_time, and no start_sequence".into()));
        }
        Ok(Some(match start {
            Start::All => DeliverPolicy::All,
            Start::New => DeliverPolicy::New,
            Start::Last => DeliverPolicy::Last,
            Start::LastPerSubject => DeliverPolicy::LastPerSubject,
            Start::ByStartSequence => {
                let start_sequence = sequence.ok_or(("deliver_policy", "needs start_sequence beside it".to_owned()))?;
                DeliverPolicy::ByStartSequence { start_sequence }
            }
            Start::ByStartTime => at_time(time.ok_or(("deliver_policy", "needs start_time beside it".to_owned()))?)?,
        }))
    }

    /// All that is wrong beyond the types.
    pub fn findings(&self, context: &Context) -> Vec<Finding> {
        let mut found = self.connection_findings();
        found.extend(topic_findings(&context.topics));
        found.extend(match &self.stream {
            Some(stream) => self.stream_findings(stream, context),
            None => self.plain_findings(context),
        });
        found
    }

    /// What is wrong with servers, login and TLS.
    pub fn connection_findings(&self) -> Vec<Finding> {
        let mut found = self.server_findings();
        found.extend(login::findings(self));
        found.extend(crate::tls::findings(self));
        found
    }

    fn server_findings(&self) -> Vec<Finding> {
        let servers = self.servers.with_paths();
        if servers.is_empty() {
            return vec![Finding::error("servers", "is empty: name the server, such as nats://localhost:4222")];
        }
        let wrong = |(path, server): (String, &str)| Some(Finding::error(path, Address::parse(server).err()?));
        servers.into_iter().filter_map(wrong).collect()
    }

    fn stream_findings(&self, stream: &str, context: &Context) -> Vec<Finding> {
        let mut found = Vec::new();
        found.extend(subject::fault_of_name(stream).map(|fault| Finding::error("stream", fault)));
        match self.durable.as_deref() {
            None => found.push(Finding::error("durable", "is missing: name the consumer of the stream")),
            Some(name) => found.extend(subject::fault_of_name(name).map(|fault| Finding::error("durable", fault))),
        }
        if self.queue.is_some() {
            found.push(Finding::error(
                "queue",
                "has no effect on a stream: processes with the same durable share the work",
            ));
        }
        let wait = self.ack_wait.map_or(SHORTEST_ACK_WAIT, |wait| wait.0);
        if !(SHORTEST_ACK_WAIT..=LONGEST_ACK_WAIT).contains(&wait) {
            found.push(Finding::error("ack_wait", format!("is {}: allowed is `1s` to `24h`", HumanDuration(wait))));
        }
        found.extend(self.deliver_policy().err().map(|(path, message)| Finding::error(path, message)));
        found.extend(self.bound_findings(context.workers));
        for (index, one) in context.topics.iter().enumerate() {
            for other in context.topics[..index].iter().filter(|other| subject::overlap(one, other)) {
                let message = format!("the topics {other:?} and {one:?} overlap: JetStream refuses such a consumer");
                found.push(Finding::error("", message));
            }
        }
        found
    }

    fn bound_findings(&self, workers: usize) -> Vec<Finding> {
        let mut found = Vec::new();
        match self.max_ack_pending.map(|count| count as usize) {
            Some(0) => {
                found.push(Finding::error("max_ack_pending", "is 0: name a limit, or leave the key out for 1000"))
            }
            Some(count) if count < workers => {
                let message =
                    format!("{count} keeps all but {count} of the {workers} workers idle: set {workers} or more");
                found.push(Finding::warning("max_ack_pending", message));
            }
            _ => {}
        }
        if let Some(count @ 1..) = self.max_deliver {
            let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
            let message = format!(
                "an event that was delivered {times} stays in the stream and comes to nobody; what a stop gives back untouched \
                 counts, too"
            );
            found.push(Finding::warning("max_deliver", message));
        }
        found
    }

    fn plain_findings(&self, context: &Context) -> Vec<Finding> {
        let mut found = Vec::new();
        let keys = [
            ("durable", self.durable.is_some()),
            ("passive", self.passive),
            ("ack_wait", self.ack_wait.is_some()),
            ("max_ack_pending", self.max_ack_pending.is_some()),
            ("max_deliver", self.max_deliver.is_some()),
            ("deliver_policy", self.deliver_policy.is_some()),
            ("start_sequence", self.start_sequence.is_some()),
            ("start_time", self.start_time.is_some()),
            ("ack_sync", self.ack_sync),
        ];
        for (key, _) in keys.iter().filter(|(_, is_set)| *is_set) {
            found.push(Finding::error(*key, "has no effect without a stream: name it in `stream`"));
        }
        if context.topics.is_empty() {
            found.push(Finding::error("stream", "is missing, and the agent has no topic: name one of them"));
        }
        found.push(Finding::notice("stream", AT_MOST_ONCE));
        match self.queue.as_deref().map(subject::fault_of_name) {
            Some(fault) => found.extend(fault.map(|fault| Finding::error("queue", fault))),
            None => found.push(Finding::notice("queue", "is missing: every process gets every event")),
        }
        found
    }
}

/// Said by `check` and on the log.
pub const AT_MOST_ONCE: &str = "without a stream events come at most once: what is published while siphon does not run, or is \
                                unfinished when it ends, is lost";

fn topic_findings(topics: &[String]) -> Vec<Finding> {
    let wrong = |topic: &String| Some(Finding::error("", format!("the topic {topic:?} {}", subject::fault(topic)?)));
    topics.iter().filter_map(wrong).collect()
}

/// The client's own type for times is built from text by its own reader.
fn at_time(time: &str) -> Result<DeliverPolicy, (&'static str, String)> {
    let policy = json!({"deliver_policy": "by_start_time", "opt_start_time": time});
    serde_json::from_value(policy).map_err(|_| ("start_time", format!("is {time:?}: write it as 2025-01-31T00:00:00Z")))
}

/// Of `connection_timeout`.
pub fn five_seconds() -> HumanDuration {
    HumanDuration(Duration::from_secs(5))
}

#[cfg(test)]
pub(crate) mod tests {
    use siphon_sdk::schemars::schema_for;

    use super::*;

    pub(crate) fn context(topics: &[&str]) -> Context {
        Context {
            agent: "a".into(),
            namespace: "async/nats".into(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            workers: 4,
            read_ahead: 4,
            max_in_flight: 100,
        }
    }

    /// `{"servers": "nats://mq"` and `more` and `}`.
    pub(crate) fn parse(more: &str) -> Result<Config, String> {
        serde_json::from_str(&format!(r#"{{"servers": "nats://mq"{more}}}"#)).map_err(|error| error.to_string())
    }

    /// What is wrong with it for an agent with these topics, beginning with the path.
    #[track_caller]
    fn check(more: &str, topics: &[&str], expected: &[&str]) {
        let findings = parse(more).unwrap().findings(&context(topics));
        let found: Vec<String> =
            findings.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    const STREAM: &str = r#", "stream": "ORDERS", "durable": "siphon""#;

    #[track_caller]
    fn check_stream(more: &str, expected: &[&str]) {
        check(&format!("{STREAM}{more}"), &["orders.*"], expected);
    }

    #[test]
    fn a_stream_with_its_consumer_is_all_there_is_to_say() {
        check_stream("", &[]);
        check(STREAM, &[], &[]);
        check_stream(r#", "ack_wait": "90s", "max_ack_pending": 4, "deliver_policy": "new", "ack_sync": true"#, &[]);
    }

    #[test]
    fn what_cannot_work_on_a_stream_is_told_at_once() {
        check(r#", "stream": "a.b""#, &["t"], &["stream holds a blank", "durable is missing"]);
        check_stream(
            r#", "queue": "q", "ack_wait": "10ms", "max_ack_pending": 0"#,
            &["queue has no effect", "ack_wait is 10ms: allowed", "max_ack_pending is 0"],
        );
        check_stream(r#", "max_ack_pending": 3"#, &["max_ack_pending 3 keeps all but 3 of the 4 workers idle"]);
        check_stream(r#", "max_deliver": 5"#, &["max_deliver an event that was delivered 5 times stays"]);
        check_stream(r#", "max_deliver": 1"#, &["max_deliver an event that was delivered once stays"]);
        check(STREAM, &["a.*", "a.b", "c"], &[" the topics \"a.*\" and \"a.b\" overlap"]);
        check(STREAM, &["a.#"], &[" the topic \"a.#\" holds `#`"]);
    }

    #[test]
    fn a_start_needs_what_it_starts_at() {
        check_stream(r#", "start_sequence": 7"#, &[]);
        check_stream(r#", "start_time": "2025-01-31T00:00:00Z""#, &[]);
        check_stream(r#", "start_time": "yesterday""#, &["start_time is \"yesterday\": write it as"]);
        check_stream(r#", "deliver_policy": "by_start_time""#, &["deliver_policy needs start_time"]);
        check_stream(r#", "deliver_policy": "new", "start_sequence": 7"#, &["start_sequence needs the deliver_policy"]);
        check_stream(r#", "start_time": "2025-01-31T00:00:00Z", "start_sequence": 7"#, &["start_time needs"]);
        let policy = parse(&format!(r#"{STREAM}, "start_sequence": 7"#)).unwrap().deliver_policy();
        assert_eq!(policy, Ok(Some(DeliverPolicy::ByStartSequence { start_sequence: 7 })));
    }

    #[test]
    fn plain_subjects_are_said_to_be_at_most_once() {
        check(r#", "queue": "q""#, &["a.>"], &["stream without a stream events come at most once"]);
        check("", &["a"], &["stream without a stream", "queue is missing: every process gets every event"]);
        check(r#", "queue": "q""#, &[], &["stream is missing, and the agent has no topic", "stream without a stream"]);
        check(
            r#", "queue": "q q", "durable": "d", "ack_sync": true"#,
            &["t"],
            &["durable has no effect without", "ack_sync has no effect", "stream without", "queue holds a blank"],
        );
    }

    #[test]
    fn one_login_is_enough() {
        check_stream(r#", "username": "u", "password": "hunter2""#, &[]);
        check_stream(r#", "username": "u""#, &["username needs a password"]);
        check_stream(r#", "password": "p""#, &["password needs a username"]);
        check_stream(
            r#", "token": "a", "username": "u", "password": "p""#,
            &["token says who siphon is, and so does username"],
        );
        check_stream(r#", "nkey_seed": "SUnothing""#, &["nkey_seed is no seed"]);
        check_stream(r#", "credentials_file": "/missing.creds""#, &["credentials_file cannot read /missing.creds"]);
        let json = r#"{"servers": ["nats://a:1@x", "nats://b:hunter2@y"], "stream": "S", "durable": "d"}"#;
        let config: Config = serde_json::from_str(json).unwrap();
        let findings = config.findings(&context(&["t"]));
        assert_eq!(findings.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(), ["servers[1]"]);
        assert!(!format!("{findings:?} {config:?}").contains("hunter2"));
    }

    #[test]
    fn unknown_keys_are_refused_and_every_key_is_described() {
        assert!(parse(r#", "durabel": "x""#).unwrap_err().contains("durabel"));
        let schema = schema_for!(Config).to_value();
        for (key, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 15), "{key}");
        }
        assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["servers"]), &json!(false)));
    }
}
