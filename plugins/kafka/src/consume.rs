//! Events on their way to the agent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use siphon_sdk::{Batch, Error, Receiver};
use tokio::time::{Instant, sleep_until};

use crate::assign::Leaving;
use crate::chores::Chores;
use crate::error;
use crate::readers::Readers;
use crate::session::{Session, is_overtaken, list, waiting};
use crate::start::Start;
use crate::watcher::{Rebalance, answer_assign, answer_revoke};

/// How long a partition that goes to somebody else waits for what is in the pipe: what finishes in that time is not done
/// twice. The whole group waits with it.
const FINISHING: Duration = Duration::from_secs(5);

/// The client is looked at this often although it says nothing: it counts that as a sign of life.
const LOOK: Duration = Duration::from_millis(500);

/// The receiving half.
pub struct Records {
    readers: Readers,
    leaving: Option<Leaving>,
    chores: Chores,
    start: Start,
    group: String,
    key_header: Option<Bytes>,
    // Last: the readers go before their client.
    session: Arc<Session>,
}

impl Records {
    pub fn new(
        session: Arc<Session>,
        group: String,
        start: Start,
        key_header: Option<Bytes>,
        commit_interval: Duration,
    ) -> Self {
        let (readers, chores) = (Readers::default(), Chores::new(commit_interval));
        Self { readers, leaving: None, chores, start, group, key_header, session }
    }

    /// Takes what the client has to say. True when the batch has something new.
    async fn serve(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        let before = batch.room();
        let session = Arc::clone(&self.session);
        while let Some(said) = session.next_event() {
            match said {
                Ok(record) => self.readers.take(&record, &mut session.books(), batch),
                Err(error) => self.client_said(&error)?,
            }
        }
        let mut is_news = batch.room() < before;
        is_news |= self.rebalance(batch).await?;
        if let Some(ends) = session.watcher().ends() {
            let lag = session.books().lag(|place| ends.get(place).copied());
            is_news |= !lag.is_empty();
            lag.into_iter().for_each(|(partition, count)| batch.lag_of(partition, count));
        }
        Ok(is_news)
    }

    fn client_said(&self, error: &KafkaError) -> Result<(), Error> {
        let trouble = self.session.watcher().trouble();
        match error::ending(error, &self.group, trouble.as_deref()) {
            Some(ending) => Err(ending),
            None => {
                tracing::debug!(trouble, "the Kafka client: {error}");
                Ok(())
            }
        }
    }

    /// Goes on with the partitions that come and go. True when the batch has something new.
    async fn rebalance(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        if let Some(leaving) = &self.leaving {
            let is_done = self.session.books().in_work(&leaving.places) == 0;
            if !is_done && !leaving.is_lost && Instant::now() < leaving.until {
                return Ok(false);
            }
            self.let_go().await?;
        }
        match self.session.watcher().rebalance() {
            None => Ok(false),
            Some(Rebalance::Assign(partitions)) => self.take_over(partitions).await.map(|()| false),
            Some(Rebalance::Revoke { partitions, is_lost }) => {
                let leaving = Leaving::new(partitions, is_lost, Instant::now() + FINISHING);
                let is_news = self.announce(&leaving, batch);
                self.leaving = Some(leaving);
                self.session.wake.notify_one();
                Ok(is_news)
            }
        }
    }

    /// Stops reading the partitions and tells the host: what waits comes back, what is in the pipe may finish.
    fn announce(&mut self, leaving: &Leaving, batch: &mut Batch) -> bool {
        self.readers.remove(&leaving.places);
        let books = self.session.books();
        let known = leaving.places.iter().filter_map(|place| Some((place.partition, books.generation(place)?)));
        let known: Vec<_> = known.collect();
        known.iter().for_each(|(partition, generation)| batch.revoked(*partition, *generation));
        !known.is_empty()
    }

    /// Commits what is done, and gives the partitions away.
    async fn let_go(&mut self) -> Result<(), Error> {
        let Some(leaving) = self.leaving.take() else { return Ok(()) };
        if !leaving.is_lost {
            let committed = waiting(&self.session, |session| Ok(session.commit())).await?;
            if let Err(error) = committed.or_else(|error| if is_overtaken(&error) { Ok(()) } else { Err(error) }) {
                let reason = error::short(&error);
                tracing::warn!(reason, "partitions go to another member, and what was done last will come again");
            }
        }
        let mut books = self.session.books();
        let in_work = books.in_work(&leaving.places);
        leaving.places.iter().for_each(|place| books.revoke(place));
        drop(books);
        tracing::info!(partitions = leaving.places.len(), in_work, is_lost = leaving.is_lost, "partitions went away");
        answer_revoke(self.session.client(), &leaving.partitions).map_err(refused)?;
        self.session.watcher().answered();
        Ok(())
    }

    /// Begins to read partitions that are ours now, once the group's broker has noted where.
    async fn take_over(&mut self, partitions: TopicPartitionList) -> Result<(), Error> {
        let start = self.start;
        let begins = waiting(&self.session, move |session| session.begin(&partitions, start)).await?;
        for (place, offset) in &begins {
            self.readers.add(&self.session, place, self.key_header.clone())?;
            self.session.books().assign(place, *offset);
        }
        list(&begins).and_then(|list| answer_assign(self.session.client(), &list)).map_err(refused)?;
        self.session.watcher().answered();
        if !begins.is_empty() {
            tracing::info!(partitions = begins.len(), "partitions came");
        }
        Ok(())
    }

    /// Reads again what was given back.
    fn rewind(&self) -> Result<(), Error> {
        let due = self.session.books().rewinds();
        due.iter().try_for_each(|position| self.session.seek(position))
    }

    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        let read = self.readers.read(&mut self.session.books(), batch);
        match read {
            Ok(is_news) => Ok(is_news),
            Err(error) => self.client_said(&error).map(|()| true),
        }
    }

    /// When the client is to be looked at although it says nothing.
    fn next_look(&self) -> Instant {
        let leaving = self.leaving.as_ref().map(|leaving| leaving.until);
        let due = self.chores.next(&self.session).into_iter().chain(leaving);
        due.fold(Instant::now() + LOOK, Instant::min)
    }
}

impl Receiver for Records {
    /// Membership, and commits, live from being looked after.
    const POLLS_WITHOUT_ROOM: bool = true;

    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        loop {
            let mut is_news = self.serve(batch).await?;
            is_news |= self.chores.run(&self.session, batch);
            if batch.room() > 0 {
                if self.leaving.is_none() {
                    self.rewind()?;
                }
                is_news |= self.read(batch)?;
            }
            if is_news {
                return Ok(());
            }
            let next_look = self.next_look();
            tokio::select! {
                biased;
                () = self.session.wake.notified() => {}
                () = batch.room_changed(), if batch.room() == 0 => return Ok(()),
                () = sleep_until(next_look) => {}
            }
        }
    }
}

fn refused(error: KafkaError) -> Error {
    Error::connection(format!("the Kafka client did not take its partitions: {error}"))
}
