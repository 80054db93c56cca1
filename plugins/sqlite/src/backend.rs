//! `backend/sqlite/publisher`: what reaches this backend goes into a queue; the event goes on when it is stored.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::{Context, Error, Finding, HumanDuration, OutgoingMessage, Sink};

use crate::LABEL;
use crate::publish::Publisher;
use crate::topic;

/// What a backend writes under `backend/sqlite/publisher`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The queue file, such as `events.db`; a relative path starts at the working directory. It is created when there
    /// is none, its folder is not.
    pub path: PathBuf,

    /// Name of the queue in the file, such as `shipped`.
    pub queue: String,

    /// Topic of the new event; `{name}` stands for a param of the event that is being worked on, such as `{topic}` or
    /// `{resp0_id}`. Default: none.
    #[serde(default)]
    pub topic: String,

    /// Key of the new event, with `{name}` as in `topic`. Default: none.
    #[serde(default)]
    pub key: String,

    /// How long nobody gets the new event. Duration such as `30s`. Default: `0s`.
    #[serde(default = "no_delay")]
    pub delay: HumanDuration,
}

fn no_delay() -> HumanDuration {
    HumanDuration(Duration::ZERO)
}

/// A queue as a backend.
pub struct QueueBackend {
    publisher: Publisher,
    settings: Settings,
}

impl Sink for QueueBackend {
    const KEYS: &'static [&'static str] = &["backend/sqlite/publisher"];
    const LABEL: &'static str = LABEL;
    type Config = Settings;

    fn check(settings: &Settings, _: &Context) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut refuse = |is_wrong: bool, path: &str, message: &str| {
            if is_wrong {
                found.push(Finding::error(path, message));
            }
        };
        refuse(settings.path.as_os_str().is_empty(), "path", "is empty: name the queue file, such as `events.db`");
        refuse(settings.queue.is_empty(), "queue", "is empty: name the queue, such as `shipped`");
        refuse(!topic::is_exact(&settings.topic), "topic", "is a pattern: an event needs a topic without `*` and `#`");
        found.extend(Finding::of_template("topic", &settings.topic));
        found.extend(Finding::of_template("key", &settings.key));
        found
    }

    async fn connect(settings: Settings, _: Context) -> Result<Self, Error> {
        let publisher = Publisher::open(&settings.path, settings.queue.clone(), Vec::new()).await?;
        Ok(Self { publisher, settings })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        let addressed: Vec<_> = messages.iter().map(|message| addressed(message, &self.settings)).collect();
        let fine: Vec<_> = addressed.iter().filter_map(|message| message.as_ref().ok().cloned()).collect();
        let mut stored = self.publisher.publish(&fine).await.into_iter();
        let lost = || Err(Error::fatal("the queue did not answer for this event"));
        addressed.into_iter().map(|message| message.and_then(|_| stored.next().unwrap_or_else(lost))).collect()
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.publisher.ping().await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.publisher.close().await
    }
}

fn addressed(message: &OutgoingMessage, settings: &Settings) -> Result<OutgoingMessage, Error> {
    let mut message = message.clone();
    message.topic = message.fill(&settings.topic)?.into();
    message.key = message.fill(&settings.key)?.into();
    let id = message.attribute("Message_id").cloned();
    message.attributes = vec![("delay".into(), settings.delay.to_string().into())];
    message.attributes.extend(id.map(|id| ("message_id".into(), id)));
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &str) -> Settings {
        serde_json::from_str(&format!(r#"{{"path": "events.db", "queue": "q"{more}}}"#)).unwrap()
    }

    #[test]
    fn topic_and_key_are_filled_in_from_the_event() {
        let attributes = vec![("Topic".into(), "order.new".into()), ("Message_id".into(), "m-1".into())];
        let message = OutgoingMessage { attributes, ..OutgoingMessage::default() };
        let found = addressed(&message, &settings(r#", "topic": "done.{topic}", "delay": "1m30s""#)).unwrap();
        assert_eq!(found.topic, "done.order.new");
        let attribute = |name: &str| found.attribute(name).map(|value| String::from_utf8_lossy(value).into_owned());
        assert_eq!((attribute("message_id").as_deref(), attribute("delay").as_deref()), (Some("m-1"), Some("1m30s")));
        let error = addressed(&message, &settings(r#", "key": "{tenant}""#)).unwrap_err();
        assert_eq!(error.to_string(), "the event has no param \"tenant\" for {tenant}");
    }

    #[test]
    fn one_event_that_cannot_be_addressed_does_not_keep_the_others_away() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let with_topic = |topic: &'static str| OutgoingMessage {
            attributes: vec![("Topic".into(), topic.into())],
            ..OutgoingMessage::default()
        };
        let messages = [with_topic("a"), OutgoingMessage::default(), with_topic("b")];
        let results = runtime.block_on(async {
            let path = folder.path().join("events.db");
            let publisher = Publisher::open(&path, "q".into(), Vec::new()).await.unwrap();
            let mut backend = QueueBackend { publisher, settings: settings(r#", "topic": "{topic}""#) };
            let results = backend.publish(&messages).await;
            backend.close().await.unwrap();
            results
        });
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let context = Context {
            agent: "a".into(),
            namespace: "backend/sqlite/publisher".into(),
            topics: Vec::new(),
            workers: 1,
            read_ahead: 1,
            max_in_flight: 1,
        };
        let wrong = Settings { path: PathBuf::new(), queue: String::new(), topic: "a.#".into(), ..settings("") };
        let paths: Vec<_> = QueueBackend::check(&wrong, &context).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["path", "queue", "topic"]);
    }
}
