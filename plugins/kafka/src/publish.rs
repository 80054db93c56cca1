//! Events on their way to an agent's own topic: `siphon publish`.

use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::config::{Config, is_regex};
use crate::outgoing::{Address, Confirming};
use crate::properties::Role;
use crate::{KEYS, LABEL};

/// The cluster as a place to publish to.
pub struct Publisher {
    cluster: Confirming,
    /// The agent's topic, where it names exactly one.
    topic: Option<String>,
}

impl Sink for Publisher {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    type Config = Config;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        config.findings(context, Role::Producer)
    }

    async fn connect(config: Config, context: Context) -> Result<Self, Error> {
        let cluster = Confirming::new(&config.client(&context, Role::Producer)?, config.cluster.tokens())?;
        let topic = match context.topics.as_slice() {
            [topic] if !is_regex(topic) => Some(topic.clone()),
            _ => None,
        };
        Ok(Self { cluster, topic })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.cluster.publish(messages, |message| address(message, self.topic.as_deref())).await
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.cluster.ping(self.topic.clone()).await
    }
}

/// `usual`: the topic of messages that name none.
fn address(message: &OutgoingMessage, usual: Option<&str>) -> Result<Address, Error> {
    let topic = std::str::from_utf8(&message.topic).map_err(|_| Error::fatal("the topic is not UTF-8"))?;
    let topic = Some(topic).filter(|topic| !topic.is_empty()).or(usual);
    let topic = topic.ok_or_else(|| Error::fatal("the message names no topic, and the agent none or several"))?;
    let partition = message.attribute("partition").map(|partition| number(partition)).transpose()?;
    Ok(Address { topic: topic.to_owned(), key: message.key.clone(), partition })
}

fn number(partition: &[u8]) -> Result<i32, Error> {
    let number = std::str::from_utf8(partition).ok().and_then(|text| text.parse::<i32>().ok());
    number.filter(|number| *number >= 0).ok_or_else(|| Error::fatal("the partition is no number"))
}
