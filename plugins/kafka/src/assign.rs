//! Partitions that come and go: where to begin to read, and when to let go.

use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::books::{Place, Position};
use crate::session::{ANSWER, Client, is_overtaken, list, places};
use crate::start::Start;

/// How often the places where a group begins are committed until that fails for good. A new topic may be unknown to the
/// group's broker for a moment, and what `latest` has found must not be looked for anew: it would skip what came since.
const TRIES: u32 = 5;

/// Time before the next try.
const PAUSE: Duration = Duration::from_millis(200);

/// Where to begin in partitions that were assigned: at what the group has committed, else where `start` says. That place is
/// committed before this returns: what is produced while nobody runs, or was not done before a kill, must not be skipped by
/// the next `latest`. Waits for the brokers.
///
/// # Errors
///
/// The brokers'; [`KafkaError::ConsumerCommit`] when a place could not be committed. Nothing may be read then.
pub fn beginnings(client: &Client, assigned: &TopicPartitionList, start: Start) -> Result<Vec<Position>, KafkaError> {
    if assigned.count() == 0 {
        return Ok(Vec::new());
    }
    let known = client.committed_offsets(assigned.clone(), ANSWER)?;
    let (mut beginnings, mut fresh) = (Vec::new(), TopicPartitionList::new());
    for element in known.elements() {
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => beginnings.push((Place::new(element.topic(), element.partition()), offset)),
            _ => fresh.add_partition_offset(element.topic(), element.partition(), asked(start))?,
        }
    }
    if fresh.count() > 0 {
        let found = found(client, fresh)?;
        commit(client, &list(&found)?)?;
        beginnings.extend(found);
    }
    Ok(beginnings)
}

/// Commits these places. Tries again, but for a group that was shared out anew meanwhile.
fn commit(client: &Client, places: &TopicPartitionList) -> Result<(), KafkaError> {
    let mut tries = 1;
    loop {
        match commit_once(client, places) {
            Err(error) if tries < TRIES && !is_overtaken(&error) => tracing::debug!(tries, "where to begin: {error}"),
            outcome => return outcome,
        }
        tries += 1;
        std::thread::sleep(PAUSE);
    }
}

/// The client tells of a failure only when no partition's place was taken, so that the group's broker is asked.
fn commit_once(client: &Client, places: &TopicPartitionList) -> Result<(), KafkaError> {
    client.commit(places, CommitMode::Sync)?;
    let noted = client.committed_offsets(places.clone(), ANSWER)?;
    let is_noted = noted.elements().iter().all(|element| matches!(element.offset(), Offset::Offset(_)));
    if is_noted { Ok(()) } else { Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::Partial)) }
}

/// The brokers' question for a place to start; times stand where offsets do.
fn asked(start: Start) -> Offset {
    match start {
        Start::Latest => Offset::End,
        Start::Earliest => Offset::Beginning,
        Start::At(milliseconds) => Offset::Offset(milliseconds),
    }
}

fn found(client: &Client, asked: TopicPartitionList) -> Result<Vec<Position>, KafkaError> {
    let answers = client.offsets_for_times(asked, ANSWER)?;
    let mut found = Vec::new();
    for element in answers.elements() {
        element.error()?;
        let place = Place::new(element.topic(), element.partition());
        let offset = match element.offset() {
            Offset::Offset(offset) => offset,
            // No record is that young: the next one is the first.
            _ => client.fetch_watermarks(element.topic(), element.partition(), ANSWER)?.1,
        };
        found.push((place, offset));
    }
    Ok(found)
}

/// Partitions that go to somebody else once nobody here works on their records, or when the time is up.
#[derive(Debug)]
pub struct Leaving {
    pub partitions: TopicPartitionList,
    pub places: Vec<Place>,
    /// Others may have them already.
    pub is_lost: bool,
    pub until: tokio::time::Instant,
}

impl Leaving {
    pub fn new(partitions: TopicPartitionList, is_lost: bool, until: tokio::time::Instant) -> Self {
        Self { places: places(&partitions), partitions, is_lost, until }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;
    use crate::watcher::Watcher;

    /// What becomes of a partition of a new group when its first `failures` commits fail: the outcome, and what is committed.
    fn begin(failures: usize) -> (Result<Vec<Position>, KafkaError>, Offset) {
        let cluster = MockCluster::<DefaultProducerContext>::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &vec![refused; failures]);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "g");
        let client: Client = config.create_with_context(Watcher::default()).unwrap();
        let mut assigned = TopicPartitionList::new();
        assigned.add_partition("t", 0);
        let begun = beginnings(&client, &assigned, Start::Latest);
        let known = client.committed_offsets(assigned, ANSWER).unwrap();
        (begun, known.elements()[0].offset())
    }

    #[test]
    fn where_a_group_begins_is_committed_before_anything_is_read() {
        assert_eq!(begin(0), (Ok(vec![(Place::new("t", 0), 0)]), Offset::Offset(0)));
        assert_eq!(begin(1), (Ok(vec![(Place::new("t", 0), 0)]), Offset::Offset(0)), "tried again");
    }

    #[test]
    fn nothing_is_read_when_the_beginning_cannot_be_committed() {
        let refused = KafkaError::ConsumerCommit(RDKafkaErrorCode::GroupAuthorizationFailed);
        assert_eq!(begin(TRIES as usize), (Err(refused), Offset::Invalid));
    }
}
