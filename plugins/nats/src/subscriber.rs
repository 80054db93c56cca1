//! `backend/pubsub/subscriber` for `nats://SUBJECT`: an event that reaches this backend takes a message, which is settled with
//! the event's outcome.

use siphon_sdk::{Capabilities, Context, Error, Finding, PubsubSubscription, Source};

use crate::LABEL;
use crate::config::Config;
use crate::pubsub::{server, take_framing};
use crate::source::{Incoming, Nats, Outgoing};

/// A subject as a place to take messages from.
pub struct NatsSubscription;

/// What the URL says: the subject, and the consumer or the queue group.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    subject: String,
    stream: Option<String>,
    durable: Option<String>,
    queue: Option<String>,
}

impl Wanted {
    fn of(settings: &PubsubSubscription) -> Result<Self, String> {
        let mut url = settings.url("nats")?;
        take_framing(&mut url)?;
        let (stream, durable, queue) = (url.take_one("stream")?, url.take_one("durable")?, url.take_one("queue")?);
        let subject = url.finish("natsv2, queue=GROUP, or stream=STREAM with durable=CONSUMER")?;
        Ok(Self { subject, stream, durable, queue })
    }

    /// The same as the settings of an agent, and its topic.
    fn shared(self, context: &Context) -> Result<(Config, Context), String> {
        let Self { subject, stream, durable, queue } = self;
        let config = Config { stream, durable, queue, ..server()? };
        Ok((config, Context { topics: vec![subject], ..context.clone() }))
    }
}

impl Source for NatsSubscription {
    const KEYS: &'static [&'static str] =
        &["backend/pubsub/subscriber", "github.com/devopsfaith/krakend-pubsub/subscriber"];
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Nats::CAPABILITIES;
    const SCHEMES: &'static [&'static str] = &["nats"];
    type Config = PubsubSubscription;
    type Receiver = Incoming;
    type Settler = Outgoing;

    fn check(settings: &PubsubSubscription, context: &Context) -> Vec<Finding> {
        match Wanted::of(settings).and_then(|wanted| wanted.shared(context)) {
            // They are keys of an agent; here all of them stand in the URL.
            Ok((config, context)) => config.findings(&context).into_iter().map(of_url).collect(),
            Err(message) => vec![Finding::error("subscription_url", message)],
        }
    }

    async fn connect(settings: PubsubSubscription, context: Context) -> Result<(Incoming, Outgoing), Error> {
        let shared = Wanted::of(&settings).and_then(|wanted| wanted.shared(&context));
        let (config, context) = shared.map_err(|message| Error::config("subscription_url", message))?;
        Nats::connect(config, context).await
    }
}

fn of_url(finding: Finding) -> Finding {
    let message = match finding.path.as_str() {
        "" => finding.message,
        key => format!("{key}: {}", finding.message),
    };
    Finding { path: "subscription_url".into(), message, ..finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rest: &str, expected: Result<[Option<&str>; 3], &str>) {
        let settings = PubsubSubscription { subscription_url: rest.into(), host: vec!["nats://".into()] };
        let found = Wanted::of(&settings);
        let found = found.as_ref().map(|found| {
            assert_eq!(found.subject, "orders.*");
            [&found.stream, &found.durable, &found.queue].map(|value| value.as_deref())
        });
        assert_eq!(found.map_err(String::as_str), expected);
    }

    #[test]
    fn a_subscription_is_a_durable_consumer_or_a_plain_subject() {
        check("orders.*?stream=S&durable=d&natsv2", Ok([Some("S"), Some("d"), None]));
        check("orders.*?queue=q", Ok([None, None, Some("q")]));
        let known =
            "has the parameter \"x=1\": only natsv2, queue=GROUP, or stream=STREAM with durable=CONSUMER is known";
        check("orders.*?x=1", Err(known));
    }
}
