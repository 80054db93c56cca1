//! From a configuration to a membership in its group; and the driver's entry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use siphon_sdk::{Capabilities, Context, Error, Finding, Source};
use tokio::sync::Notify;

use crate::books::Books;
use crate::config::{Config, is_regex};
use crate::consume::Records;
use crate::error;
use crate::properties::Role;
use crate::session::{Client, Session, waiting};
use crate::settle::Verdicts;
use crate::watcher::Watcher;
use crate::{KEYS, LABEL};

/// A topic that every cluster with groups has: asked for where an agent names none.
const EVERYWHERE: &str = "__consumer_offsets";

/// How long the first question may take; each next one twice as long.
const FIRST_QUESTION: Duration = Duration::from_millis(250);

/// The cluster as a source of events.
pub struct Group;

impl Source for Group {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities =
        Capabilities::ORDER.and(Capabilities::BATCH_SETTLE).and(Capabilities::LAG).and(Capabilities::SELF_HEALING);
    type Config = Config;
    type Receiver = Records;
    type Settler = Verdicts;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        config.findings(context, Role::Consumer)
    }

    async fn connect(config: Config, context: Context) -> Result<(Records, Verdicts), Error> {
        let wake = Arc::new(Notify::new());
        let client = config.client(&context, Role::Consumer)?;
        let mut client: Client =
            client.create_with_context(Watcher::with_tokens(config.cluster.tokens())).map_err(not_created)?;
        let ring = Arc::clone(&wake);
        client.set_nonempty_callback(move || ring.notify_one());
        let named = context.topics.iter().find(|topic| !is_regex(topic));
        let asked = named.map_or_else(|| EVERYWHERE.to_owned(), Clone::clone);
        let session = Session::new(client, Books::new(config.window), wake, asked);
        let (asked, topics) = (config.clone(), context.topics.clone());
        waiting(&session, move |session| greet(session, &asked, &topics)).await?;
        let topics: Vec<&str> = context.topics.iter().map(String::as_str).collect();
        let group = config.group_id(&context);
        session.client().subscribe(&topics).map_err(not_created)?;
        let key_header = config.key_meta.map(Bytes::from);
        let records = Records::new(Arc::clone(&session), group, config.start, key_header, config.commit_interval.0);
        Ok((records, Verdicts::new(session)))
    }
}

/// A client that cannot be made will not be made later either.
pub fn not_created(error: KafkaError) -> Error {
    Error::fatal(format!("the Kafka client cannot be made: {}", error::sentence(&error)))
}

/// Asks for each topic; waits until the cluster answers, or says why it does not.
fn greet(session: &Session, config: &Config, topics: &[String]) -> Result<(), Error> {
    let named = topics.iter().filter(|topic| !is_regex(topic));
    let mut was_asked = false;
    for topic in named {
        was_asked = true;
        let metadata = ask_for(session, config, topic)?;
        let refused = metadata.topics().iter().find_map(|known| known.error());
        if let Some(code) = refused.map(Code::from).filter(|code| *code != Code::LeaderNotAvailable) {
            return Err(error::topic_refused(topic, code));
        }
    }
    if was_asked { Ok(()) } else { ask_for(session, config, EVERYWHERE).map(drop) }
}

/// The client tries its brokers again and again without a word, so that a refused connection would look like a slow one:
/// the questions are short at first, and between them the client is heard.
fn ask_for(session: &Session, config: &Config, topic: &str) -> Result<Metadata, Error> {
    let until = Instant::now() + config.cluster.dial_timeout.0;
    let mut patience = FIRST_QUESTION;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let error = match session.client().fetch_metadata(Some(topic), patience.min(left)) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        while session.next_event().is_some() {}
        if session.watcher().was_cut_off() || left <= patience {
            return Err(error::not_reached(config, &error, session.watcher().trouble().as_deref()));
        }
        patience *= 2;
    }
}
