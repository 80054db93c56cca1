//! `backend/amqp/producer`: what reaches this backend is published to an exchange; the event goes on when the broker has
//! confirmed.

use lapin::BasicProperties;
use lapin::types::ShortString;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use siphon_sdk::{Context, Error, Finding, OutgoingMessage, Sink};

use crate::LABEL;
use crate::config::{Config, Hosts, usual_exchange_type};
use crate::connect::Link;
use crate::declare;
use crate::outgoing::{self, Confirming, Letter, short};
use crate::tls::TlsSettings;

/// What a backend writes under `backend/amqp/producer`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Settings {
    /// The broker's address, such as `amqp://user:password@host:5672/`, or a list of them, which are tried in turn.
    /// Default: the backend's `host`.
    #[serde(default)]
    pub host: Hosts,

    /// The exchange to publish to; it is declared unless `passive`. Empty: the broker's default exchange, which takes
    /// the routing key for a queue's name.
    pub exchange: String,

    /// The routing key: with `static_routing_key` itself, else the name of a param of the event whose value it is, such
    /// as `topic`, `key`, `message_id` or `resp0_id`. Default: the empty key.
    #[serde(default)]
    pub routing_key: String,

    /// Takes `routing_key` as it stands. Default: false.
    #[serde(default)]
    pub static_routing_key: bool,

    /// Name of the queue for `declare_queue`.
    #[serde(default)]
    pub name: String,

    /// Declares the queue `name` too, and binds it to the exchange with the static routing key. Default: false.
    #[serde(default)]
    pub declare_queue: bool,

    /// Type of the exchange: `topic`, `direct`, `fanout`, `headers`, or that of a plugin, `x-…`. Default: `topic`.
    #[serde(default = "usual_exchange_type")]
    pub exchange_type: String,

    /// Exchange and queue outlive a restart of the broker. Default: false.
    #[serde(default)]
    pub durable: bool,

    /// Exchange and queue are deleted when nobody uses them any more. Default: false.
    #[serde(default)]
    pub delete: bool,

    /// The queue of `declare_queue` belongs to this connection and goes with it. Default: false.
    #[serde(default)]
    pub exclusive: bool,

    /// Does not wait for the broker's answer to each declaration. Default: false.
    #[serde(default)]
    pub no_wait: bool,

    /// Declares nothing: the exchange must exist. Default: false.
    #[serde(default)]
    pub passive: bool,

    /// The broker returns what no queue takes, and the event fails; without it such a message is gone. Default: true.
    #[serde(default = "yes")]
    pub mandatory: bool,

    /// Refused: RabbitMQ ends the connection on it.
    #[serde(default)]
    pub immediate: bool,

    /// Messages outlive a restart of the broker, where their queue does. Default: true.
    #[serde(default = "yes")]
    pub persistent: bool,

    /// Name of the param that holds the time to live in milliseconds.
    #[serde(default)]
    pub exp_key: String,

    /// Name of the param that holds the queue for answers.
    #[serde(default)]
    pub reply_to_key: String,

    /// Name of the param that holds the message's id.
    #[serde(default)]
    pub msg_id_key: String,

    /// Name of the param that holds the priority, 0 to 255.
    #[serde(default)]
    pub priority_key: String,

    /// Without effect: for consumers.
    #[serde(default)]
    #[schemars(with = "Value")]
    prefetch_count: Option<IgnoredAny>,

    /// Without effect: for consumers.
    #[serde(default)]
    #[schemars(with = "Value")]
    prefetch_size: Option<IgnoredAny>,

    /// Without effect: for consumers.
    #[serde(default)]
    #[schemars(with = "Value")]
    no_local: Option<IgnoredAny>,

    /// Without effect: the connection is made again with the next event, as often as it takes.
    #[serde(default)]
    #[schemars(with = "Value")]
    max_retries: Option<IgnoredAny>,

    /// Without effect: the agent's own delays hold.
    #[serde(default)]
    #[schemars(with = "Value")]
    backoff_strategy: Option<IgnoredAny>,

    /// Arguments of the exchange, such as `{"alternate-exchange": "unrouted"}`.
    #[serde(default)]
    pub exchange_arguments: Map<String, Value>,

    /// Arguments of the queue of `declare_queue`, such as `{"x-queue-type": "quorum"}`.
    #[serde(default)]
    pub queue_arguments: Map<String, Value>,

    /// TLS for `amqps` addresses.
    #[serde(default)]
    pub client_tls: Option<TlsSettings>,
}

fn yes() -> bool {
    true
}

impl Settings {
    /// The same as the settings of an agent, for what both share: addresses, declarations, TLS.
    fn shared(&self) -> Config {
        Config {
            exchange_type: self.exchange_type.clone(),
            durable: self.durable,
            delete: self.delete,
            exclusive: self.exclusive,
            no_wait: self.no_wait,
            passive: self.passive,
            exchange_arguments: self.exchange_arguments.clone(),
            queue_arguments: self.queue_arguments.clone(),
            client_tls: self.client_tls.clone(),
            ..Config::new(self.host.clone(), self.name.clone(), self.exchange.clone())
        }
    }

    /// Keys of the reference that are given and change nothing here.
    fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("prefetch_count", self.prefetch_count),
            ("prefetch_size", self.prefetch_size),
            ("no_local", self.no_local),
            ("max_retries", self.max_retries),
            ("backoff_strategy", self.backoff_strategy),
        ];
        keys.into_iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key)
    }

    fn findings(&self) -> Vec<Finding> {
        let mut found = self.shared().connection_findings();
        if self.immediate {
            found.push(Finding::error("immediate", "RabbitMQ ends the connection on it: remove it"));
        }
        if self.declare_queue && self.name.is_empty() {
            found.push(Finding::error("name", "is empty: name the queue that declare_queue declares"));
        }
        if self.declare_queue && !self.static_routing_key && !self.exchange.is_empty() {
            let message = "needs static_routing_key: the queue is bound with it";
            found.push(Finding::error("declare_queue", message));
        }
        if !self.mandatory {
            found.push(Finding::notice("mandatory", "false: a message that no queue takes is gone"));
        }
        found.extend(self.without_effect().map(|key| Finding::notice(key, "has no effect on a producer")));
        found
    }
}

/// The exchange as a place to publish to.
pub struct Producer {
    channel: Confirming,
    settings: Settings,
}

impl Sink for Producer {
    const KEYS: &'static [&'static str] = &["backend/amqp/producer", "github.com/devopsfaith/krakend-amqp/produce"];
    const LABEL: &'static str = LABEL;
    type Config = Settings;

    fn check(settings: &Settings, _: &Context) -> Vec<Finding> {
        settings.findings()
    }

    async fn connect(settings: Settings, context: Context) -> Result<Self, Error> {
        let config = settings.shared();
        let link = Link::open(&config, &format!("{} producer", context.agent)).await?;
        if settings.declare_queue {
            declare::topology(&link, &config, std::slice::from_ref(&settings.routing_key)).await?;
        } else {
            declare::exchange_only(&link, &config).await?;
        }
        Ok(Self { channel: Confirming::new(link).await?, settings })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.channel.publish(messages.iter().map(|message| letter(message, &self.settings)).collect()).await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.channel.link.close().await
    }
}

fn letter(message: &OutgoingMessage, settings: &Settings) -> Result<Letter, Error> {
    let routing_key = match settings.routing_key.as_str() {
        "" => ShortString::default(),
        key if settings.static_routing_key => short("routing_key", key.as_bytes())?,
        name => needed(message, "routing_key", name)?,
    };
    let properties = properties(message, settings)?;
    let exchange = short("exchange", settings.exchange.as_bytes())?;
    Ok(Letter { exchange, routing_key, mandatory: settings.mandatory, properties, payload: message.payload.clone() })
}

/// The value of the param `name`; none when the event has no such param.
fn param(message: &OutgoingMessage, name: &str) -> Result<Option<ShortString>, Error> {
    message.param(name).map(|value| short(&format!("param {name}"), value)).transpose()
}

/// The same for what the message cannot do without.
fn needed(message: &OutgoingMessage, key: &str, name: &str) -> Result<ShortString, Error> {
    param(message, name)?.ok_or_else(|| {
        Error::fatal(format!(
            "{key} names the param {name:?}, which the event does not have; for a constant set static_routing_key"
        ))
    })
}

fn properties(message: &OutgoingMessage, settings: &Settings) -> Result<BasicProperties, Error> {
    let mut properties = outgoing::properties(message)?;
    if !settings.persistent {
        properties = properties.with_delivery_mode(TRANSIENT);
    }
    let given = |name: &str| if name.is_empty() { Ok(None) } else { param(message, name) };
    if let Some(milliseconds) = given(&settings.exp_key)? {
        properties = properties.with_expiration(milliseconds);
    }
    if let Some(queue) = given(&settings.reply_to_key)? {
        properties = properties.with_reply_to(queue);
    }
    if let Some(id) = given(&settings.msg_id_key)? {
        properties = properties.with_message_id(id);
    }
    if let Some(priority) = given(&settings.priority_key)? {
        let number = priority.as_str().parse();
        let wrong = |_| Error::fatal(format!("the priority is {:?}: allowed is 0 to 255", priority.as_str()));
        properties = properties.with_priority(number.map_err(wrong)?);
    }
    Ok(properties)
}

/// AMQP's delivery mode of messages that a restart of the broker loses.
const TRANSIENT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &str) -> Settings {
        serde_json::from_str(&format!(r#"{{"host": ["amqp://mq"], "exchange": "x"{more}}}"#)).unwrap()
    }

    fn message(attributes: &[(&'static str, &'static str)]) -> OutgoingMessage {
        let attributes = attributes.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        OutgoingMessage { attributes, ..OutgoingMessage::default() }
    }

    #[track_caller]
    fn check_key(more: &str, expected: Result<&str, &str>) {
        let letter = letter(&message(&[("Topic", "order.new"), ("Resp0_id", "7")]), &settings(more));
        let found = letter.as_ref().map(|letter| letter.routing_key.as_str()).map_err(ToString::to_string);
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn the_routing_key_is_a_param_of_the_event_or_a_constant() {
        check_key("", Ok(""));
        check_key(r#", "routing_key": "topic""#, Ok("order.new"));
        check_key(r#", "routing_key": "resp0_id""#, Ok("7"));
        check_key(r#", "routing_key": "topic", "static_routing_key": true"#, Ok("topic"));
        check_key(
            r#", "routing_key": "route""#,
            Err("routing_key names the param \"route\", which the event does not have; for a constant set \
                 static_routing_key"),
        );
    }

    #[test]
    fn messages_are_persistent_and_mandatory_unless_the_settings_say_otherwise() {
        let usual = letter(&message(&[]), &settings("")).unwrap();
        assert_eq!((usual.mandatory, *usual.properties.delivery_mode()), (true, Some(outgoing::PERSISTENT)));
        let other = letter(&message(&[]), &settings(r#", "mandatory": false, "persistent": false"#)).unwrap();
        assert_eq!((other.mandatory, *other.properties.delivery_mode()), (false, Some(TRANSIENT)));
    }

    #[test]
    fn properties_come_from_the_params_that_the_settings_name() {
        let named = settings(
            r#", "exp_key": "ttl", "reply_to_key": "reply", "msg_id_key": "message_id", "priority_key": "prio""#,
        );
        let given = message(&[("Ttl", "500"), ("Reply", "answers"), ("Message_id", "m-1"), ("Prio", "9")]);
        let properties = properties(&given, &named).unwrap();
        let texts = [properties.expiration(), properties.reply_to(), properties.message_id()];
        assert_eq!(
            texts.map(|text| text.as_ref().map(ShortString::as_str)),
            [Some("500"), Some("answers"), Some("m-1")]
        );
        assert_eq!(*properties.priority(), Some(9));
        let error = super::properties(&message(&[("Prio", "high")]), &named).unwrap_err();
        assert_eq!(error.to_string(), "the priority is \"high\": allowed is 0 to 255");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let found = |more: &str| settings(more).findings().into_iter().map(|finding| finding.path).collect::<Vec<_>>();
        assert_eq!(found(""), Vec::<String>::new());
        assert_eq!(found(r#", "immediate": true, "declare_queue": true"#), ["immediate", "name", "declare_queue"]);
        assert_eq!(found(r#", "exchange_type": "topics""#), ["exchange_type"]);
        assert_eq!(found(r#", "mandatory": false, "max_retries": 3"#), ["mandatory", "max_retries"]);
    }
}
