//! The durable consumer: bound when it exists and is as the configuration says, else created.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, Config as Existing, Info, pull};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, Context};
use async_nats::jetstream::stream::ConsumerCreateStrictErrorKind;
use siphon_sdk::{Error, HumanDuration};

use crate::config::{Config, Durable};
use crate::error;
use crate::link::Link;
use crate::subject;

/// The server's default.
const USUAL_ACK_WAIT: Duration = Duration::from_secs(30);

/// The consumer, ready to be asked for events.
///
/// # Errors
///
/// There is no such stream, or the consumer is another one than the configuration says; which setting differs, and how.
pub async fn open(
    link: &Link,
    context: &Context,
    config: &Config,
    durable: Durable<'_>,
    topics: &[String],
) -> Result<Info, Error> {
    if let Some(info) = existing(link, context, durable).await? {
        return bound(info, config, topics);
    }
    if config.passive {
        return Err(error::no_consumer(durable));
    }
    look_at_subjects(context, durable, topics).await?;
    let wanted = wanted(config, durable, topics)?;
    match context.create_consumer_strict_on_stream(wanted, durable.stream).await {
        Ok(created) => Ok(created.cached_info().clone()),
        Err(refused) if refused.kind() == ConsumerCreateStrictErrorKind::AlreadyExists => {
            // Another process was faster.
            let info = existing(link, context, durable).await?.ok_or_else(|| error::no_consumer(durable))?;
            bound(info, config, topics)
        }
        Err(refused) => Err(error::not_created(durable, &refused.kind())),
    }
}

/// What the server knows of the consumer; `None`: there is none.
pub async fn existing(link: &Link, context: &Context, durable: Durable<'_>) -> Result<Option<Info>, Error> {
    let stream = context.get_stream_no_info(durable.stream).await.map_err(error::unexpected)?;
    match stream.consumer_info(durable.name).await {
        Ok(info) => Ok(Some(info)),
        Err(refused) => match refused.kind() {
            ConsumerInfoErrorKind::NotFound => Ok(None),
            ConsumerInfoErrorKind::StreamNotFound => Err(error::no_stream(&link.servers, durable.stream)),
            ConsumerInfoErrorKind::TimedOut | ConsumerInfoErrorKind::NoResponders => {
                Err(error::no_jetstream(&link.servers))
            }
            ConsumerInfoErrorKind::JetStream(refused) if is_without_jetstream(refused.error_code()) => {
                Err(error::no_jetstream(&link.servers))
            }
            kind => Err(Error::connection(format!("{}: {kind}", link.servers))),
        },
    }
}

/// Servers create consumers that can never get anything. Where the user may not look at the stream, it is not looked at.
async fn look_at_subjects(context: &Context, durable: Durable<'_>, topics: &[String]) -> Result<(), Error> {
    let Ok(stream) = context.get_stream(durable.stream).await else { return Ok(()) };
    let holds = &stream.cached_info().config;
    // Mirrors and sourced streams hold what others take.
    let is_own = holds.mirror.is_none() && holds.sources.as_ref().is_none_or(Vec::is_empty);
    match topics.iter().find(|topic| is_own && !is_held(topic, &holds.subjects)) {
        Some(topic) => Err(error::not_held(durable.stream, &holds.subjects, topic)),
        None => Ok(()),
    }
}

fn is_held(topic: &str, subjects: &[String]) -> bool {
    subjects.iter().any(|subject| subject::overlap(topic, subject))
}

fn is_without_jetstream(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT)
}

fn wanted(config: &Config, durable: Durable<'_>, topics: &[String]) -> Result<pull::Config, Error> {
    let start = config.deliver_policy().map_err(|(path, message)| Error::config(path, message))?;
    let (filter_subject, filter_subjects) = match topics {
        [only] => (only.clone(), Vec::new()),
        several => (String::new(), several.to_vec()),
    };
    Ok(pull::Config {
        durable_name: Some(durable.name.to_owned()),
        description: Some("siphon".to_owned()),
        deliver_policy: start.unwrap_or_default(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: config.ack_wait.map_or(USUAL_ACK_WAIT, |wait| wait.0),
        max_ack_pending: config.max_ack_pending.map_or(0, i64::from),
        max_deliver: config.max_deliver.map_or(-1, deliveries),
        filter_subject,
        filter_subjects,
        ..pull::Config::default()
    })
}

/// In the server's words no limit is -1.
fn deliveries(count: u32) -> i64 {
    if count == 0 { -1 } else { i64::from(count) }
}

fn bound(info: Info, config: &Config, topics: &[String]) -> Result<Info, Error> {
    let (name, stream) = (&info.name, &info.stream_name);
    if info.config.deliver_subject.is_some() {
        return Err(Error::connection(format!(
            "consumer {name:?} of stream {stream:?} is a push consumer: siphon asks for events; use another name"
        )));
    }
    let differing = differences(&info.config, config, topics);
    if differing.is_empty() {
        return Ok(info);
    }
    let told: Vec<_> = differing.iter().map(Difference::to_string).collect();
    let keys: Vec<_> = differing.iter().map(|difference| format!("`{}`", difference.key)).collect();
    Err(Error::connection(format!(
        "consumer {name:?} of stream {stream:?} exists with {}: correct {}, or delete the consumer (nats consumer rm {stream} \
         {name})",
        told.join("; "),
        keys.join(", ")
    )))
}

/// A setting that is another one at the server.
#[derive(Debug, PartialEq)]
struct Difference {
    key: &'static str,
    is: String,
    should: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, and the configuration says {}", self.key, self.is, self.should)
    }
}

/// What was said and is not so. What was not said is taken as it is.
fn differences(existing: &Existing, config: &Config, topics: &[String]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |key, is: String, should: Option<String>| {
        if let Some(should) = should.filter(|should| *should != is) {
            found.push(Difference { key, is, should });
        }
    };
    let listed = |mut topics: Vec<String>| {
        topics.sort();
        topics.join(", ")
    };
    let filters = match existing.filter_subject.as_str() {
        "" => existing.filter_subjects.clone(),
        only => vec![only.to_owned()],
    };
    let filters = if filters.is_empty() { vec![">".to_owned()] } else { filters };
    compare("topic", listed(filters), (!topics.is_empty()).then(|| listed(topics.to_vec())));
    compare("ack_policy", format!("{:?}", existing.ack_policy).to_lowercase(), Some("explicit".into()));
    let ack_wait = HumanDuration(existing.ack_wait).to_string();
    compare("ack_wait", ack_wait, config.ack_wait.map(|wait| wait.to_string()));
    let limit = |count: i64| if count < 0 { "no limit".to_owned() } else { count.to_string() };
    compare("max_ack_pending", limit(existing.max_ack_pending), config.max_ack_pending.map(|count| count.to_string()));
    compare("max_deliver", limit(existing.max_deliver), config.max_deliver.map(|count| limit(deliveries(count))));
    let start = config.deliver_policy().ok().flatten().map(|start| format!("{start:?}"));
    compare("deliver_policy", format!("{:?}", existing.deliver_policy), start);
    found
}

/// How long the server waits for a word about an event before it delivers it again.
pub fn ack_wait(existing: &Existing) -> Duration {
    let waits = existing.backoff.iter().copied().chain([existing.ack_wait]);
    waits.filter(|wait| !wait.is_zero()).min().unwrap_or(USUAL_ACK_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parse;

    const STREAM: &str = r#", "stream": "S", "durable": "d""#;

    fn existing() -> Existing {
        Existing {
            filter_subjects: vec!["b".into(), "a".into()],
            ack_wait: USUAL_ACK_WAIT,
            max_ack_pending: 1_000,
            max_deliver: -1,
            ..Existing::default()
        }
    }

    /// What differs from [`existing`].
    #[track_caller]
    fn check(more: &str, topics: &[&str], expected: &[&str]) {
        let config = parse(&format!("{STREAM}{more}")).unwrap();
        let topics: Vec<_> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let found: Vec<_> = differences(&existing(), &config, &topics).iter().map(Difference::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_said_must_be_so_and_what_is_not_said_may_be_anything() {
        check("", &["a", "b"], &[]);
        check("", &[], &[]);
        check(r#", "ack_wait": "30s", "max_ack_pending": 1000, "max_deliver": 0, "deliver_policy": "all""#, &[], &[]);
        check("", &["a"], &["topic a, b, and the configuration says a"]);
        check(
            r#", "ack_wait": "1m", "max_ack_pending": 5, "max_deliver": 3"#,
            &[],
            &[
                "ack_wait 30s, and the configuration says 1m0s",
                "max_ack_pending 1000, and the configuration says 5",
                "max_deliver no limit, and the configuration says 3",
            ],
        );
        check(r#", "deliver_policy": "new""#, &[], &["deliver_policy All, and the configuration says New"]);
    }

    #[test]
    fn the_servers_shortest_patience_counts() {
        let seconds = Duration::from_secs;
        assert_eq!(ack_wait(&existing()), USUAL_ACK_WAIT);
        assert_eq!(ack_wait(&Existing { backoff: vec![seconds(5), seconds(60)], ..existing() }), seconds(5));
        assert_eq!(ack_wait(&Existing { ack_wait: Duration::ZERO, ..existing() }), USUAL_ACK_WAIT);
    }

    #[test]
    fn a_new_consumer_is_as_the_configuration_says() {
        let config = parse(&format!(r#"{STREAM}, "ack_wait": "5s", "max_deliver": 4, "start_sequence": 9"#)).unwrap();
        let durable = config.durable().unwrap();
        let one = wanted(&config, durable, &["a".into()]).unwrap();
        assert_eq!((one.filter_subject.as_str(), one.filter_subjects.len(), one.max_deliver), ("a", 0, 4));
        let two = wanted(&config, durable, &["a".into(), "b".into()]).unwrap();
        assert_eq!((two.filter_subject.as_str(), two.filter_subjects), ("", vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(one.ack_wait, Duration::from_secs(5));
    }
}
