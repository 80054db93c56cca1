//! Events on their way to an agent's own subject: `siphon publish`.

use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::config::Config;
use crate::link::Link;
use crate::outgoing::{self, Confirmation, Confirming, Letter, text};
use crate::{KEYS, LABEL};

/// The server as a place to publish to.
pub struct Publisher {
    server: Confirming,
    /// Where messages without a topic go: the agent's own topic, where it is only one.
    topic: Option<String>,
}

impl Sink for Publisher {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    type Config = Config;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        config.findings(context)
    }

    async fn connect(config: Config, context: Context) -> Result<Self, Error> {
        let link = Link::open(&config, &format!("{} publish", context.agent), 0).await?;
        let topic = <[String; 1]>::try_from(context.topics).ok().map(|[topic]| topic);
        let stream = config.stream.map(|stream| Confirmation::Stored(Some(stream)));
        Ok(Self { server: Confirming::new(link, stream.unwrap_or(Confirmation::Read)), topic })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        let letters = messages.iter().map(|message| letter(message, self.topic.as_deref()));
        self.server.publish(letters.collect()).await
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.server.link.round_trip().await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.server.close().await
    }
}

/// To the subject that is the message's topic, else the agent's.
fn letter(message: &OutgoingMessage, usual: Option<&str>) -> Result<Letter, Error> {
    let attribute = |name: &str| message.attribute(name).map(|value| text(name, value)).transpose();
    let subject = match text("topic", &message.topic)? {
        "" => usual.ok_or_else(|| Error::fatal("the message has no topic, and the agent not exactly one"))?,
        topic => topic,
    };
    Ok(Letter {
        subject: outgoing::target(subject.to_owned())?,
        headers: outgoing::headers(message, attribute("message_id")?)?,
        reply: attribute("reply_to")?.map(str::to_owned),
        payload: message.payload.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_to_its_topic_else_to_the_agents() {
        let target = |topic: &'static str, usual| {
            let message = OutgoingMessage { topic: topic.into(), ..OutgoingMessage::default() };
            letter(&message, usual).map(|letter| letter.subject).map_err(|error| error.to_string())
        };
        assert_eq!(target("orders.new", None).as_deref(), Ok("orders.new"));
        assert_eq!(target("", Some("orders")).as_deref(), Ok("orders"));
        assert!(target("", None).unwrap_err().contains("no topic"));
        assert!(target("orders.>", None).unwrap_err().contains("holds wildcards"));
    }

    #[test]
    fn id_and_reply_subject_are_attributes() {
        let attributes = vec![("message_id".into(), "7".into()), ("reply_to".into(), "answers".into())];
        let message = OutgoingMessage { topic: "t".into(), attributes, ..OutgoingMessage::default() };
        let letter = letter(&message, None).unwrap();
        assert_eq!((letter.headers.len(), letter.reply.as_deref()), (1, Some("answers")));
    }
}
