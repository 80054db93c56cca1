//! `backend/pubsub/publisher` for `nats://SUBJECT`: at the server that the environment names.

use siphon_sdk::{Context, Error, Finding, OutgoingMessage, PubsubTopic, PubsubUrl, Sink};

use crate::LABEL;
use crate::address::Servers;
use crate::config::Config;
use crate::link::Link;
use crate::outgoing::{self, Confirmation, Confirming, Letter};
use crate::producer::AT_MOST_ONCE;
use crate::subject;

/// Names the server: `nats://user:password@host:4222`.
const SERVER: &str = "NATS_SERVER_URL";

/// A subject, and who confirms.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Topic {
    subject: String,
    is_plain: bool,
}

impl Topic {
    fn of(settings: &PubsubTopic) -> Result<Self, String> {
        let mut url = settings.url("nats")?;
        take_framing(&mut url)?;
        let is_plain = url.take_flag("plain")?.unwrap_or(false);
        let subject = url.finish("natsv2 or plain")?;
        match subject::fault_of_target(&subject) {
            Some(fault) => Err(fault.to_owned()),
            None => Ok(Self { subject, is_plain }),
        }
    }

    fn letter(&self, message: &OutgoingMessage) -> Result<Letter, Error> {
        let (subject, payload) = (self.subject.clone(), message.payload.clone());
        Ok(Letter { subject, headers: outgoing::headers(message, None)?, reply: None, payload })
    }
}

/// Headers are NATS's own, as `natsv2` says, always: the older framing is Go's, and nobody else reads it.
///
/// # Errors
///
/// The older one is asked for.
pub fn take_framing(url: &mut PubsubUrl) -> Result<(), String> {
    match url.take_flag("natsv2")? {
        Some(false) => Err("has natsv2=false: messages framed as Go's gob are not in siphon; remove it".into()),
        _ => Ok(()),
    }
}

/// The server that the environment names.
///
/// # Errors
///
/// It names none, or one that cannot be used.
pub fn server() -> Result<Config, String> {
    let address = std::env::var(SERVER)
        .map_err(|_| format!("the environment names no server: set {SERVER}, such as nats://host:4222"))?;
    let config = Config::at(Servers::One(address));
    match config.connection_findings().first() {
        Some(finding) => Err(format!("{SERVER} {}", finding.message)),
        None => Ok(config),
    }
}

/// A subject as a place to publish to.
pub struct NatsTopic {
    server: Confirming,
    topic: Topic,
}

impl Sink for NatsTopic {
    const KEYS: &'static [&'static str] =
        &["backend/pubsub/publisher", "github.com/devopsfaith/krakend-pubsub/publisher"];
    const LABEL: &'static str = LABEL;
    const SCHEMES: &'static [&'static str] = &["nats"];
    type Config = PubsubTopic;

    fn check(settings: &PubsubTopic, _: &Context) -> Vec<Finding> {
        let topic = match Topic::of(settings) {
            Ok(topic) => topic.is_plain.then(|| Finding::notice("topic_url", AT_MOST_ONCE)),
            Err(message) => Some(Finding::error("topic_url", message)),
        };
        let server = server().err().map(|message| Finding::error("", message));
        topic.into_iter().chain(server).collect()
    }

    async fn connect(settings: PubsubTopic, context: Context) -> Result<Self, Error> {
        let topic = Topic::of(&settings).map_err(|message| Error::config("topic_url", message))?;
        let server = server().map_err(|message| Error::config("", message))?;
        let link = Link::open(&server, &format!("{} publisher", context.agent), 0).await?;
        let confirmation = if topic.is_plain { Confirmation::Read } else { Confirmation::Stored(None) };
        Ok(Self { server: Confirming::new(link, confirmation), topic })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.server.publish(messages.iter().map(|message| self.topic.letter(message)).collect()).await
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.server.link.round_trip().await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.server.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(topic_url: &str, expected: Result<(&str, bool), &str>) {
        let topic = Topic::of(&PubsubTopic { topic_url: topic_url.into(), host: vec!["nats://".into()] });
        let found = topic.as_ref().map(|topic| (topic.subject.as_str(), topic.is_plain));
        assert_eq!(found.map_err(String::as_str), expected);
    }

    #[test]
    fn a_topic_is_a_subject_and_a_stream_confirms_unless_a_plain_one_is_asked_for() {
        check("orders.v1", Ok(("orders.v1", false)));
        check("orders.v1?natsv2=true", Ok(("orders.v1", false)));
        check("orders.v1?natsv2&plain", Ok(("orders.v1", true)));
        let framed = "has natsv2=false: messages framed as Go's gob are not in siphon; remove it";
        check("orders.v1?natsv2=false", Err(framed));
        check("orders.v1?queue=q", Err("has the parameter \"queue=q\": only natsv2 or plain is known"));
        check("orders.*", Err("holds wildcards: say which one is meant"));
    }
}
