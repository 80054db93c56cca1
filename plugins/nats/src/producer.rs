//! `backend/nats/publisher`: what reaches this backend is published to a subject; the event goes on when a stream has stored
//! it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::{Context, Error, Finding, HumanDuration, OutgoingMessage, Sink};

use crate::LABEL;
use crate::address::Servers;
use crate::config::{Config, five_seconds};
use crate::link::Link;
use crate::login::Secret;
use crate::outgoing::{self, Confirmation, Confirming, Letter};
use crate::subject;
use crate::tls::TlsSettings;

/// What a backend writes under `backend/nats/publisher`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the server, such as `nats://localhost:4222`, or `tls://…` with TLS; or a list of addresses of one cluster.
    /// A user and a password, or a token, may stand before the host.
    pub servers: Servers,

    /// Subject of the message; `{name}` stands for a param of the event, such as `{subject}` or `{resp0_id}`.
    pub subject: String,

    /// Name of the JetStream stream that must take the message. Default: whichever stream takes the subject; none is an
    /// error.
    #[serde(default)]
    pub stream: Option<String>,

    /// Publishes to the plain subject: the event is done when the server has read the message, and whoever does not listen at
    /// that moment never gets it. Default: false, a stream stores it.
    #[serde(default)]
    pub plain: bool,

    /// What JetStream tells repetitions by, with `{name}` as in `subject`: a message whose id was stored within the stream's
    /// `duplicate_window` is not stored again. It must be unique among all that is published to the stream. Default: none.
    #[serde(default)]
    pub message_id: String,

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

impl Settings {
    /// The same as the settings of an agent, for what both share: servers, login, TLS.
    fn shared(&self) -> Config {
        Config {
            username: self.username.clone(),
            password: self.password.clone(),
            token: self.token.clone(),
            nkey_seed: self.nkey_seed.clone(),
            credentials_file: self.credentials_file.clone(),
            connection_timeout: self.connection_timeout,
            tls_first: self.tls_first,
            client_tls: self.client_tls.clone(),
            ..Config::at(self.servers.clone())
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut found = self.shared().connection_findings();
        // A name that is filled in later is judged then.
        let fault = Some(&self.subject).filter(|subject| !subject.contains('{'));
        let fault = fault.and_then(|subject| subject::fault_of_target(subject));
        found.extend(fault.map(|fault| Finding::error("subject", fault)));
        found.extend(Finding::of_template("subject", &self.subject));
        found.extend(Finding::of_template("message_id", &self.message_id));
        let fault = self.stream.as_deref().and_then(subject::fault_of_name);
        found.extend(fault.map(|fault| Finding::error("stream", fault)));
        if self.plain {
            let set = [("stream", self.stream.is_some()), ("message_id", !self.message_id.is_empty())];
            for (key, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
                found.push(Finding::error(key, "has no effect with plain: only JetStream looks at it"));
            }
            found.push(Finding::notice("plain", AT_MOST_ONCE));
        }
        found
    }

    fn confirmation(&self) -> Confirmation {
        if self.plain { Confirmation::Read } else { Confirmation::Stored(self.stream.clone()) }
    }

    fn letter(&self, message: &OutgoingMessage) -> Result<Letter, Error> {
        let id = Some(message.fill(&self.message_id)?).filter(|id| !id.is_empty());
        Ok(Letter {
            subject: outgoing::target(message.fill(&self.subject)?)?,
            headers: outgoing::headers(message, id.as_deref())?,
            reply: None,
            payload: message.payload.clone(),
        })
    }
}

/// Said by `check`.
pub const AT_MOST_ONCE: &str = "the server confirms that it has read a message, and keeps none: it reaches those who listen at \
                                that moment";

/// A subject as a backend.
pub struct Producer {
    server: Confirming,
    settings: Settings,
}

impl Sink for Producer {
    const KEYS: &'static [&'static str] = &["backend/nats/publisher"];
    const LABEL: &'static str = LABEL;
    type Config = Settings;

    fn check(settings: &Settings, _: &Context) -> Vec<Finding> {
        settings.findings()
    }

    async fn connect(settings: Settings, context: Context) -> Result<Self, Error> {
        let link = Link::open(&settings.shared(), &format!("{} producer", context.agent), 0).await?;
        Ok(Self { server: Confirming::new(link, settings.confirmation()), settings })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        self.server.publish(messages.iter().map(|message| self.settings.letter(message)).collect()).await
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

    fn settings(more: &str) -> Settings {
        serde_json::from_str(&format!(r#"{{"servers": "nats://mq"{more}}}"#)).unwrap()
    }

    #[track_caller]
    fn check(more: &str, expected: &[&str]) {
        let found: Vec<_> = settings(more).findings().into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        check(r#", "subject": "orders.done""#, &[]);
        check(r#", "subject": "{subject}.done", "stream": "DONE", "message_id": "{message_id}""#, &[]);
        check(r#", "subject": "orders.*""#, &["subject"]);
        check(r#", "subject": "orders.{topic""#, &["subject"]);
        check(r#", "subject": "a", "stream": "a.b", "username": "u""#, &["username", "stream"]);
        check(
            r#", "subject": "a", "plain": true, "stream": "A", "message_id": "7""#,
            &["stream", "message_id", "plain"],
        );
    }

    #[test]
    fn a_stream_confirms_unless_a_plain_subject_is_asked_for() {
        let confirmation = |more: &str| settings(&format!(r#", "subject": "a"{more}"#)).confirmation();
        assert_eq!(confirmation(""), Confirmation::Stored(None));
        assert_eq!(confirmation(r#", "stream": "A""#), Confirmation::Stored(Some("A".into())));
        assert_eq!(confirmation(r#", "plain": true"#), Confirmation::Read);
    }

    #[test]
    fn subject_and_id_come_from_the_event() {
        let attributes = vec![("Subject".into(), "orders.new".into()), ("Message_id".into(), "m-1".into())];
        let message = OutgoingMessage { attributes, ..OutgoingMessage::default() };
        let filled = settings(r#", "subject": "done.{subject}", "message_id": "{message_id}-done""#);
        let letter = filled.letter(&message).unwrap();
        let id = letter.headers.get(crate::message::MESSAGE_ID).map(|id| id.as_str());
        assert_eq!((letter.subject.as_str(), id), ("done.orders.new", Some("m-1-done")));
        let error = filled.letter(&OutgoingMessage::default()).unwrap_err();
        assert_eq!(error.to_string(), "the event has no param \"message_id\" for {message_id}");
    }
}
