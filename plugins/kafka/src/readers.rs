//! The partitions that are read, each by a queue of its own: what has no room waits in the client, and holds up nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use siphon_sdk::{Batch, Error};

use crate::books::{Books, Place};
use crate::message::{Origin, message};
use crate::session::Session;
use crate::watcher::Watcher;

/// All partitions that this consumer reads.
#[derive(Default)]
pub struct Readers {
    all: Vec<Reader>,
    /// Which one is asked first: each in turn.
    first: usize,
}

/// One partition.
struct Reader {
    place: Place,
    origin: Origin,
    /// There may be records in the queue.
    is_ready: Arc<AtomicBool>,
    queue: PartitionQueue<Watcher>,
}

impl Readers {
    /// Gets the partition a queue of its own, before the client is told to read it.
    ///
    /// # Errors
    ///
    /// The client has no such partition.
    pub fn add(&mut self, session: &Session, place: &Place, key_header: Option<Bytes>) -> Result<(), Error> {
        let queue = session.client().split_partition_queue(&place.topic, place.partition);
        let mut queue = queue.ok_or_else(|| Error::connection(format!("the Kafka client has no queue for {place}")))?;
        let is_ready = Arc::new(AtomicBool::new(true));
        let (flag, wake) = (Arc::clone(&is_ready), Arc::clone(&session.wake));
        queue.set_nonempty_callback(move || {
            flag.store(true, Ordering::Release);
            wake.notify_one();
        });
        let topic = Bytes::copy_from_slice(place.topic.as_bytes());
        let origin = Origin { topic, partition: place.partition, key_header };
        self.all.push(Reader { place: place.clone(), origin, is_ready, queue });
        Ok(())
    }

    pub fn remove(&mut self, places: &[Place]) {
        self.all.retain(|reader| !places.contains(&reader.place));
    }

    /// Takes what there is room for. True when something was added to the batch.
    ///
    /// # Errors
    ///
    /// The client's.
    pub fn read(&mut self, books: &mut Books, batch: &mut Batch) -> Result<bool, KafkaError> {
        let before = batch.room();
        for step in 0..self.all.len() {
            let reader = &self.all[(self.first + step) % self.all.len()];
            if batch.room() == 0 {
                break;
            }
            if reader.is_ready.load(Ordering::Acquire) {
                reader.read(books, batch)?;
            }
        }
        self.first = self.first.wrapping_add(1) % self.all.len().max(1);
        Ok(batch.room() < before)
    }

    /// Takes a record that came by the client's common queue: fetched before its partition had its own.
    pub fn take(&self, record: &BorrowedMessage<'_>, books: &mut Books, batch: &mut Batch) {
        let is_its =
            |reader: &&Reader| reader.place.partition == record.partition() && *reader.place.topic == *record.topic();
        if let Some(reader) = self.all.iter().find(is_its) {
            reader.take(record, books, batch);
        }
    }
}

impl Reader {
    fn read(&self, books: &mut Books, batch: &mut Batch) -> Result<(), KafkaError> {
        // Before the look, not after: what comes between the two is announced again.
        self.is_ready.store(false, Ordering::Release);
        while batch.room() > 0 && books.may_read(&self.place) {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(record)) => self.take(&record, books, batch),
                Some(Err(error)) => {
                    self.is_ready.store(true, Ordering::Release);
                    return Err(error);
                }
                None => return Ok(()),
            }
        }
        self.is_ready.store(true, Ordering::Release);
        Ok(())
    }

    fn take(&self, record: &BorrowedMessage<'_>, books: &mut Books, batch: &mut Batch) {
        if let Some(generation) = books.deliver(&self.place, record.offset()) {
            batch.push(message(record, &self.origin, generation));
        }
    }
}
