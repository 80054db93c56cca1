//! Partitions that come and go: where to begin to read, and when to let go.

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::books::Place;
use crate::session::{ANSWER, Client, places};
use crate::start::Start;

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    pub place: Place,
    pub offset: i64,
    /// The group has committed this offset. Where it has not, it is committed before a record is read: what is produced
    /// while nobody runs must not be skipped by the next `latest`.
    pub is_committed: bool,
}

/// Where to begin in partitions that were assigned: at what the group has committed, else where `start` says. Waits for
/// the brokers.
///
/// # Errors
///
/// The brokers'.
pub fn beginnings(client: &Client, assigned: &TopicPartitionList, start: Start) -> Result<Vec<Beginning>, KafkaError> {
    if assigned.count() == 0 {
        return Ok(Vec::new());
    }
    let known = client.committed_offsets(assigned.clone(), ANSWER)?;
    let (mut beginnings, mut fresh) = (Vec::new(), TopicPartitionList::new());
    for element in known.elements() {
        element.error()?;
        let place = Place::new(element.topic(), element.partition());
        match element.offset() {
            Offset::Offset(offset) => beginnings.push(Beginning { place, offset, is_committed: true }),
            _ => fresh.add_partition_offset(element.topic(), element.partition(), asked(start))?,
        }
    }
    if fresh.count() > 0 {
        beginnings.extend(found(client, fresh)?);
    }
    Ok(beginnings)
}

/// The brokers' question for a place to start; times stand where offsets do.
fn asked(start: Start) -> Offset {
    match start {
        Start::Latest => Offset::End,
        Start::Earliest => Offset::Beginning,
        Start::At(milliseconds) => Offset::Offset(milliseconds),
    }
}

fn found(client: &Client, asked: TopicPartitionList) -> Result<Vec<Beginning>, KafkaError> {
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
        found.push(Beginning { place, offset, is_committed: false });
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
