//! One membership in a group: the client, the books, and the work that has to wait for the brokers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use siphon_sdk::{Error, Settlement};
use tokio::sync::Notify;

use crate::assign;
use crate::books::{Books, Place, Position};
use crate::error;
use crate::start::Start;
use crate::watcher::{self, Watcher};

/// The client that reads.
pub type Client = BaseConsumer<Watcher>;

/// How long one look at the client's own queue may take while it says goodbye.
const GOODBYE_POLL: Duration = Duration::from_millis(100);

/// How long the brokers may take to answer a question.
pub const ANSWER: Duration = Duration::from_secs(5);

/// Shared by the receiving and the settling half, and by the threads that wait for brokers in their place.
pub struct Session {
    /// `None` only while it is dropped.
    client: Option<Arc<Client>>,
    books: Mutex<Books>,
    /// One commit at a time: an older one must not arrive after a newer one.
    committing: Mutex<()>,
    /// Something happened that the receiving half wants to look at.
    pub wake: Arc<Notify>,
    /// Something was settled since the last commit.
    is_commit_due: AtomicBool,
    /// Whom to ask whether the brokers are there: a topic's name.
    asked_topic: String,
}

impl Session {
    pub fn new(client: Client, books: Books, wake: Arc<Notify>, asked_topic: String) -> Arc<Self> {
        Arc::new(Self {
            client: Some(Arc::new(client)),
            books: Mutex::new(books),
            committing: Mutex::default(),
            wake,
            is_commit_due: AtomicBool::new(false),
            asked_topic,
        })
    }

    pub fn client(&self) -> &Arc<Client> {
        self.client.as_ref().expect("it is taken by the drop alone")
    }

    pub fn watcher(&self) -> &Watcher {
        self.client().context()
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next record or error of the client's own queue; what it says besides goes to the watcher. Does not wait.
    pub fn next_event(&self) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
        loop {
            let before = self.watcher().events();
            let event = self.client().poll(Duration::ZERO);
            if event.is_some() || self.watcher().events() == before {
                return event;
            }
        }
    }

    /// Reads on from that position.
    ///
    /// # Errors
    ///
    /// The client does not read that partition.
    pub fn seek(&self, (place, position): &Position) -> Result<(), Error> {
        let sought = self.client().seek(&place.topic, place.partition, Offset::Offset(*position), Duration::ZERO);
        sought.map_err(|error| Error::connection(format!("cannot read {place} again from {position}: {error}")))
    }

    /// Notes what became of messages; the receiving half commits.
    pub fn settle(&self, settlements: &[Settlement]) {
        let mut books = self.books();
        settlements.iter().for_each(|settlement| books.settle(settlement));
        drop(books);
        self.is_commit_due.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether something was settled since the last commit began.
    pub fn has_commit_due(&self) -> bool {
        self.is_commit_due.load(Ordering::Acquire)
    }

    /// Commits what is done, and waits for the broker's answer: in a thread that may.
    ///
    /// # Errors
    ///
    /// The broker's. What was not committed is committed by the next call.
    pub fn commit(&self) -> Result<(), KafkaError> {
        let _one_at_a_time = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_commit_due.store(false, Ordering::Release);
        let positions = self.books().to_commit();
        if positions.is_empty() {
            return Ok(());
        }
        let committed = list(&positions).and_then(|list| self.client().commit(&list, CommitMode::Sync));
        match committed {
            Ok(()) => self.books().committed(&positions),
            Err(_) => self.is_commit_due.store(true, Ordering::Release),
        }
        committed
    }

    /// Where to begin in partitions that were assigned, committed; in a thread that may wait.
    ///
    /// # Errors
    ///
    /// The brokers'. Nothing may be read.
    pub fn begin(&self, assigned: &TopicPartitionList, start: Start) -> Result<Vec<Position>, Error> {
        let _one_at_a_time = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = assign::beginnings(self.client(), assigned, start);
        begins.map_err(|error| error::not_begun(&error, self.watcher().trouble().as_deref()))
    }

    /// Asks a broker something, in a thread that may wait.
    ///
    /// # Errors
    ///
    /// None answered, and why.
    pub fn ask(&self) -> Result<(), Error> {
        match self.client().fetch_metadata(Some(&self.asked_topic), ANSWER) {
            Ok(_) => Ok(()),
            Err(error) => Err(error::no_answer(&error, self.watcher().trouble().as_deref())),
        }
    }

    /// Commits what is done and leaves the group, in a thread that may wait.
    ///
    /// # Errors
    ///
    /// The last commit failed: what was done since the one before will come again.
    pub fn close(&self) -> Result<(), Error> {
        let committed = self.commit();
        watcher::decline_all(self.client());
        if self.client().close_queue().is_ok() {
            while !self.client().closed() {
                drop(self.client().poll(GOODBYE_POLL));
            }
        }
        committed.map_err(|error| error::not_committed(&error))
    }
}

/// Closing waits for brokers, and the thread that drops a session serves all agents.
impl Drop for Session {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let closing = std::thread::Builder::new().name("siphon-kafka".into());
        if let Err(error) = closing.spawn(move || watcher::decline_all(&client)) {
            tracing::warn!(%error, "no thread to close the Kafka client with");
        }
    }
}

/// Runs `work` in a thread that may wait for brokers.
///
/// # Errors
///
/// What `work` returns, or that there is no thread.
pub async fn waiting<T: Send + 'static>(
    session: &Arc<Session>,
    work: impl FnOnce(&Session) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let session = Arc::clone(session);
    let done = tokio::task::spawn_blocking(move || work(&session)).await;
    done.unwrap_or_else(|error| Err(Error::fatal(format!("a thread of the Kafka driver broke: {error}"))))
}

/// A list of the client's for these positions.
///
/// # Errors
///
/// An offset that Kafka cannot have.
pub fn list(positions: &[Position]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (place, position) in positions {
        list.add_partition_offset(&place.topic, place.partition, Offset::Offset(*position))?;
    }
    Ok(list)
}

/// The partitions of a list of the client's.
pub fn places(list: &TopicPartitionList) -> Vec<Place> {
    list.elements().iter().map(|element| Place::new(element.topic(), element.partition())).collect()
}

/// Whether a commit failed only because the group was shared out meanwhile: others read on from the position before.
pub fn is_overtaken(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::AssignmentLost
                | RDKafkaErrorCode::NoOffset
        )
    )
}
