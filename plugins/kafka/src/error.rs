//! What went wrong at the brokers, in one line that says what to do. Never a secret.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use siphon_sdk::Error;

use crate::config::Config;

/// The cluster could not be reached, or did not let siphon in: before a record was asked for.
pub fn not_reached(config: &Config, error: &KafkaError, trouble: Option<&str>) -> Error {
    let brokers = config.cluster.brokers.join(", ");
    let Some(trouble) = trouble else {
        let reason = short(error);
        return Error::connection(format!("no answer from {brokers}: {reason}; look at hosts, ports and firewall"));
    };
    let (reason, what_to_do) = (reason(trouble), what_to_do(config, trouble));
    Error::connection(format!("cannot reach {brokers}: {what_to_do} ({reason})"))
}

/// What librdkafka's sentences about a connection mean.
fn what_to_do(config: &Config, trouble: &str) -> &'static str {
    let has = |word: &str| trouble.to_ascii_lowercase().contains(word);
    let (has_tls, has_sasl) = (config.cluster.client_tls.is_some(), config.cluster.sasl.is_some());
    if has("certificate verify failed") {
        return match has("hostname mismatch") || has("ip address mismatch") {
            true => "its certificate is for another name; correct the host",
            false => "its CA is not trusted; name the CA's file in cluster.client_tls.ca_certs",
        };
    }
    if has("alert") && has("certificate") {
        return "it wants a certificate of siphon's own; give cluster.client_tls.client_certs";
    }
    if has("wrong version number") || has_tls && has("ssl handshake failed: disconnected") {
        return "it does not speak TLS on this port; correct the port, or remove cluster.client_tls";
    }
    if has("token of cluster.sasl") {
        return "there is no token to log in with; see cluster.sasl.token and token_file";
    }
    if has("authentication") || has("sasl") && !has("disconnected") {
        return "it refuses the login; correct cluster.sasl, or give the user its rights";
    }
    if has("refused") {
        return "connection refused; start the broker, or correct host and port";
    }
    if has("resolve") {
        return "there is no such host; correct cluster.brokers";
    }
    if has("disconnected") && !has_sasl {
        return "it hung up; does it want TLS (cluster.client_tls) or a login (cluster.sasl) on this port?";
    }
    "look at hosts, ports and firewall"
}

/// The sentence without the place in the client where it was thrown, and without what it repeats.
fn reason(trouble: &str) -> &str {
    let end = trouble.find(" (after ").unwrap_or(trouble.len());
    trouble[..end].trim()
}

/// A topic of the agent cannot be read.
pub fn topic_refused(topic: &str, code: Code) -> Error {
    let message = match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            format!("topic {topic:?} does not exist: create it, or correct `consumer.topic`")
        }
        Code::TopicAuthorizationFailed => {
            format!("siphon's user may not read topic {topic:?}: give it READ and DESCRIBE")
        }
        other => format!("topic {topic:?} cannot be read: {other}"),
    };
    Error::connection(message)
}

/// Nobody answered a question while everything was connected.
pub fn no_answer(error: &KafkaError, trouble: Option<&str>) -> Error {
    let trouble = trouble.map(|text| format!(" ({})", reason(text))).unwrap_or_default();
    Error::connection(format!("no broker answers: {}{trouble}", short(error)))
}

/// Nobody said where to begin, or the place could not be committed.
pub fn not_begun(error: &KafkaError, trouble: Option<&str>) -> Error {
    match error {
        KafkaError::ConsumerCommit(code) => Error::connection(format!(
            "the group's place to begin could not be committed, and nothing is read before: {code}"
        )),
        other => no_answer(other, trouble),
    }
}

/// Positions could not be committed.
pub fn not_committed(error: &KafkaError) -> Error {
    Error::connection(format!("what was done could not be committed, and will come again: {}", short(error)))
}

/// What ends a membership; `None` for what the client mends by itself.
pub fn ending(error: &KafkaError, group: &str, trouble: Option<&str>) -> Option<Error> {
    let said = trouble.map(|text| format!(" ({})", reason(text))).unwrap_or_default();
    let code = error.rdkafka_error_code()?;
    if code == Code::FencedInstanceId {
        let message = format!("another member of group {group:?} took `group.instance_id`: give each process its own");
        return Some(Error::fatal(message));
    }
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Some(Error::connection(format!("the Kafka client broke: {code}{said}")));
    }
    let message = match code {
        Code::GroupAuthorizationFailed => {
            format!("siphon's user may not read as group {group:?}: give it READ on the group")
        }
        Code::TopicAuthorizationFailed => {
            format!("siphon's user may not read a topic: give it READ and DESCRIBE{said}")
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic => format!("a topic is gone{said}"),
        Code::InconsistentGroupProtocol => {
            format!(
                "the other members of group {group:?} share out by other strategies: set the same `rebalance_strategies`"
            )
        }
        Code::InvalidGroupId => format!("the brokers refuse {group:?} as a group's name"),
        _ => return None,
    };
    Some(Error::connection(message))
}

/// The brokers did not take a message.
pub fn not_published(error: &KafkaError, topic: &str, trouble: Option<&str>, patience: Duration) -> Error {
    let said = trouble.map(|text| format!(" ({})", reason(text))).unwrap_or_default();
    match error.rdkafka_error_code() {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            Error::fatal(format!("topic {topic:?} does not exist: create it"))
        }
        Some(Code::UnknownPartition) => Error::fatal(format!("topic {topic:?} has no such partition")),
        Some(Code::MessageSizeTooLarge) => {
            Error::fatal(format!("the message is too large for topic {topic:?}: see message.max.bytes on both sides"))
        }
        Some(Code::TopicAuthorizationFailed) => Error::fatal(format!("siphon's user may not write to topic {topic:?}")),
        Some(Code::InvalidTopic) => Error::fatal(format!("{topic:?} is no name of a topic")),
        Some(Code::MessageTimedOut) => Error::connection(format!("no broker confirmed within {patience:?}{said}")),
        _ => Error::connection(format!("topic {topic:?} did not take the message: {}{said}", short(error))),
    }
}

/// librdkafka's own sentence on what it was given, without the end of its line.
pub fn sentence(error: &KafkaError) -> String {
    let text = match error {
        KafkaError::ClientConfig(_, text, _, _) | KafkaError::ClientCreation(text) | KafkaError::Subscription(text) => {
            text.clone()
        }
        other => other.to_string(),
    };
    text.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace()).to_owned()
}

/// The client's word without its chain of prefixes.
pub fn short(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_sentences_end_without_the_end_of_their_line() {
        let check = |error: KafkaError| assert_eq!(sentence(&error), "no such file");
        check(KafkaError::ClientCreation("no such file\n\0".into()));
        check(KafkaError::Subscription("no such file\r\n".into()));
    }
}
