//! How records are written, in KrakenD's words.

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::{Finding, HumanDuration};

use crate::properties::Property;

/// `producer` of a backend that publishes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Writing {
    /// Bytes that a request with records may have; the brokers have a limit of their own. Default: 1000000.
    pub max_message_bytes: Option<u32>,
    /// Always `wait_for_all`: an event is done when all replicas in sync have its record. Weaker words are raised to it.
    pub required_acks: Option<String>,
    /// How long the brokers may take to write a record to all replicas before the client asks again. Duration. Default: `30s`.
    pub required_acks_timeout: Option<HumanDuration>,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`. Default: `none`.
    pub compression_codec: Option<String>,
    /// How hard the codec works, such as `"6"`; the codec's own default without it.
    pub compression_level: Option<String>,
    /// Which partition a record with a key goes to: `standard` as Kafka's Java client has it, `sarama` as Go's; `random` looks
    /// at no key, and `roundrobin` is the same here. Default: `standard`.
    pub partitioner: Option<String>,
    /// Always true: the client repeats requests, and no record is written twice by that.
    pub idempotent: Option<bool>,
    /// Without effect: the client repeats a request until 30 s are over; then the event fails, and comes again.
    pub retry_max: Option<u32>,
    /// Time before a request is repeated. Duration. Default: `100ms`.
    pub retry_backoff: Option<HumanDuration>,
}

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// KrakenD's word, librdkafka's word.
const PARTITIONERS: [(&str, &str); 4] =
    [("standard", "murmur2_random"), ("sarama", "fnv1a_random"), ("random", "random"), ("roundrobin", "random")];

impl Writing {
    /// librdkafka's properties. `partitioner` is always said: keys must find the partition that other clients give them.
    pub fn properties(&self) -> impl Iterator<Item = Property> {
        let milliseconds = |duration: HumanDuration| duration.0.as_millis().to_string();
        let word = self.partitioner.as_deref().unwrap_or("standard");
        let partitioner = PARTITIONERS.iter().find(|(own, _)| *own == word).map(|(_, name)| (*name).to_owned());
        let all = [
            ("max_message_bytes", "message.max.bytes", self.max_message_bytes.map(|bytes| bytes.to_string())),
            ("required_acks_timeout", "request.timeout.ms", self.required_acks_timeout.map(milliseconds)),
            ("compression_codec", "compression.type", self.codec()),
            ("compression_level", "compression.level", self.compression_level.clone()),
            ("partitioner", "partitioner", partitioner),
            ("retry_backoff", "retry.backoff.ms", self.retry_backoff.map(milliseconds)),
        ];
        all.into_iter().filter_map(|(key, name, value)| {
            Some(Property { path: format!("producer.{key}"), name: name.to_owned(), value: value? })
        })
    }

    fn codec(&self) -> Option<String> {
        self.compression_codec.clone().filter(|codec| CODECS.contains(&codec.as_str()))
    }

    /// What is wrong beyond what librdkafka says of a value, and what is done otherwise.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(codec) = self.compression_codec.as_ref().filter(|_| self.codec().is_none()) {
            let message = format!("is {codec:?}: allowed are none, gzip, snappy, lz4 and zstd");
            found.push(Finding::error("producer.compression_codec", message));
        }
        match self.partitioner.as_deref() {
            Some("roundrobin") => {
                found.push(Finding::notice(
                    "producer.partitioner",
                    "is random: each partition gets its share, not its turn",
                ));
            }
            Some(word) if !PARTITIONERS.iter().any(|(own, _)| *own == word) => {
                let message = format!("is {word:?}: allowed are standard, sarama, random and roundrobin");
                found.push(Finding::error("producer.partitioner", message));
            }
            _ => {}
        }
        found.extend(self.acks());
        if self.idempotent == Some(false) {
            found.push(Finding::notice(
                "producer.idempotent",
                "is true: no record is written twice by a repeated request",
            ));
        }
        if self.retry_max.is_some() {
            found.push(Finding::notice("producer.retry_max", "has no effect: requests are repeated for 30 s"));
        }
        found
    }

    fn acks(&self) -> Option<Finding> {
        let word = self.required_acks.as_deref()?;
        let is_known =
            matches!(word, "no_response" | "wait_for_local") || word.parse::<u16>().is_ok_and(|count| count > 0);
        match word {
            "wait_for_all" => None,
            _ if is_known => {
                let message = "is raised to wait_for_all: an event is done when all replicas in sync have its record";
                Some(Finding::notice("producer.required_acks", message))
            }
            _ => {
                let message = format!("is {word:?}: the one that is kept is wait_for_all");
                Some(Finding::error("producer.required_acks", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, properties: &[(&str, &str)], findings: &[&str]) {
        let writing: Writing = serde_json::from_str(json).unwrap();
        let found: Vec<_> = writing.properties().map(|property| (property.name, property.value)).collect();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, properties);
        let found: Vec<_> = writing.findings().into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, findings);
    }

    #[test]
    fn krakends_words_become_librdkafkas() {
        check("{}", &[("partitioner", "murmur2_random")], &[]);
        check(
            r#"{"max_message_bytes": 2000000, "required_acks": "wait_for_all", "required_acks_timeout": "10s",
                "compression_codec": "zstd", "compression_level": "6", "partitioner": "sarama", "idempotent": true,
                "retry_backoff": "1s"}"#,
            &[
                ("message.max.bytes", "2000000"),
                ("request.timeout.ms", "10000"),
                ("compression.type", "zstd"),
                ("compression.level", "6"),
                ("partitioner", "fnv1a_random"),
                ("retry.backoff.ms", "1000"),
            ],
            &[],
        );
    }

    #[test]
    fn weaker_confirmations_are_raised_and_unknown_words_refused() {
        let usual = [("partitioner", "murmur2_random")];
        for word in ["no_response", "wait_for_local", "1"] {
            check(&format!(r#"{{"required_acks": {word:?}}}"#), &usual, &["producer.required_acks"]);
        }
        check(
            r#"{"required_acks": "all", "compression_codec": "br", "partitioner": "sticky", "retry_max": 3, "idempotent": false}"#,
            &[],
            &[
                "producer.compression_codec",
                "producer.partitioner",
                "producer.required_acks",
                "producer.idempotent",
                "producer.retry_max",
            ],
        );
        check(r#"{"partitioner": "roundrobin"}"#, &[("partitioner", "random")], &["producer.partitioner"]);
    }
}
