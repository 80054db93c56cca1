//! One connection to the file, and what it knows of its consumers: a whole group of commands is one
//! transaction.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Instant;

use rusqlite::Connection;

use super::claim::{self, Terms, claim};
use super::clock::{ClockWatch, Now};
use super::command::{Claim, Command, Job, Publish, Renew, Settle, Subscribe};
use super::error::{Fault, StoreError};
use super::event::{Event, Millis, Settled, Settlement, Ticket, Verdict, millis};
use super::identity::Identity;
use super::insert::insert;
use super::lease::{Held, LeaseNumbers};
use super::names::{self, Matched};
use super::schema;
use super::settle::{Route, release, settle};

/// Looking for unused topics reads all events' state when there are many topics, so it is rare.
const PUBLISHED_BETWEEN_TIDYINGS: usize = 10_000;

/// Names a consumer within its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId(u64);

#[derive(Debug)]
struct Consumer {
    route: Route,
    queue: i64,
    lease: Millis,
    matched: Matched,
    held: Held,
    alive: Weak<()>,
    /// Set in the transaction that closes it.
    is_closed: bool,
}

impl Consumer {
    fn is_alive(&self) -> bool {
        self.alive.strong_count() > 0
    }
}

#[derive(Debug)]
pub struct Engine {
    path: PathBuf,
    connection: Connection,
    identity: Identity,
    consumers: HashMap<ConsumerId, Consumer>,
    next_consumer: u64,
    leases: LeaseNumbers,
    topics_kept: usize,
    published_since_tidy: usize,
    watch: ClockWatch,
    must_rebase: bool,
    is_durable: bool,
    /// Of the file, when it was last looked at for parked claims, and for searches.
    seen_version: i64,
    searched_version: i64,
}

impl Engine {
    /// Opens or creates the file.
    pub fn open(path: &Path, now: Now) -> Result<Self, StoreError> {
        let connection = schema::open(path)?;
        let start = || -> Result<(Identity, i64), Fault> {
            let random = connection.query_row("SELECT random()", [], |row| row.get(0))?;
            Ok((Identity::of(path)?, random))
        };
        let (identity, random) = start().map_err(|fault| fault.at(path))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            identity,
            consumers: HashMap::new(),
            next_consumer: 0,
            leases: LeaseNumbers::starting_at(random),
            topics_kept: 0,
            published_since_tidy: PUBLISHED_BETWEEN_TIDYINGS,
            watch: ClockWatch::new(now),
            must_rebase: true,
            is_durable: true,
            seen_version: 0,
            searched_version: 0,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Carries out `commands` in one transaction; each finds its answer in its job. After an error
    /// none of them happened.
    pub fn run(&mut self, commands: &mut [Command], now: Now) -> Result<(), Fault> {
        self.watch_clock(now);
        self.set_durable(commands.iter().any(|command| command.must_last()))?;
        let result = self.transact(commands, now);
        match result {
            Ok(()) => self.tidy(),
            Err(_) => self.roll_back(),
        }
        result
    }

    /// Whether the wall clock was set back; the next transaction then moves what waits along.
    pub fn watch_clock(&mut self, now: Now) -> bool {
        self.must_rebase |= self.watch.went_back(now);
        self.must_rebase
    }

    fn transact(&mut self, commands: &mut [Command], now: Now) -> Result<(), Fault> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        if self.must_rebase {
            claim::rebase(&self.connection, now.wall)?;
        }
        if commands.iter().any(|command| matches!(command, Command::Claim(_))) {
            self.prepare_search(now.wall)?;
        }
        for command in commands {
            self.execute(command, now.wall)?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.must_rebase = false;
        // A confirmation for what went into a deleted file would be a lie.
        self.identity.check(&self.path)
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(path = %self.path.display(), %error, "could not roll back");
        }
        for consumer in self.consumers.values_mut() {
            consumer.matched.reset();
            consumer.is_closed = false;
        }
    }

    /// Makes events claimable whose time has come. What became claimable through another process is unknown: then
    /// searches begin at the front again.
    fn prepare_search(&mut self, now: Millis) -> Result<(), Fault> {
        let version = self.data_version()?;
        if std::mem::replace(&mut self.searched_version, version) != version {
            self.consumers.values_mut().for_each(|consumer| consumer.matched.stir(0));
        }
        for (queue, id) in claim::promote(&self.connection, now)? {
            let readers = self.consumers.values_mut().filter(|consumer| consumer.queue == queue);
            readers.for_each(|consumer| consumer.matched.stir(id));
        }
        Ok(())
    }

    /// Changes with every commit of another connection.
    fn data_version(&self) -> Result<i64, Fault> {
        Ok(self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    /// Claims and renewals need not survive a power cut: their consumer does not either, and the next
    /// publish or settlement brings them to the disk. Everything else does before it is confirmed.
    fn set_durable(&mut self, durable: bool) -> Result<(), Fault> {
        if self.is_durable != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            self.connection.execute_batch(&format!("PRAGMA synchronous = {level}"))?;
            self.is_durable = durable;
        }
        Ok(())
    }

    fn execute(&mut self, command: &mut Command, now: Millis) -> Result<(), Fault> {
        match command {
            Command::Subscribe(job) => job.output = Some(self.subscribe(&job.input)?),
            Command::Settle(job) => job.output = Some(self.settle(&job.input, now)?),
            Command::Close(job) => job.output = Some(self.close(job.input, now)?),
            Command::Publish(job) => job.output = Some(self.publish(&job.input, now)?),
            Command::Renew(job) => job.output = Some(self.renew(&job.input, now)?),
            Command::Claim(job) if job.is_abandoned() => job.output = None,
            Command::Claim(job) => job.output = Some(self.claim(&job.input, now)?),
            Command::Ping(job) => job.output = Some(()),
        }
        Ok(())
    }

    fn subscribe(&mut self, wish: &Subscribe) -> Result<ConsumerId, Fault> {
        let queue = names::queue_id(&self.connection, &wish.route.queue)?;
        let consumer = Consumer {
            route: wish.route.clone(),
            queue,
            lease: millis(wish.lease),
            matched: Matched::new(wish.filter.clone()),
            held: Held::new(wish.lease),
            alive: wish.alive.clone(),
            is_closed: false,
        };
        self.next_consumer += 1;
        let id = ConsumerId(self.next_consumer);
        self.consumers.insert(id, consumer);
        Ok(id)
    }

    fn publish(&mut self, wish: &Publish, now: Millis) -> Result<Vec<i64>, Fault> {
        let queue = names::queue_id(&self.connection, &wish.queue)?;
        self.published_since_tidy += wish.events.len();
        insert(&self.connection, queue, &wish.events, now)
    }

    fn settle(&mut self, wish: &Settle, now: Millis) -> Result<Vec<Settled>, Fault> {
        let Some(consumer) = self.consumers.get(&wish.consumer) else {
            return Ok(vec![Settled::Stale; wish.settlements.len()]);
        };
        let route = consumer.route.clone();
        wish.settlements.iter().map(|one| self.settle_one(one, &route, now)).collect()
    }

    fn settle_one(&mut self, settlement: &Settlement, route: &Route, now: Millis) -> Result<Settled, Fault> {
        let settled = settle(&self.connection, settlement, route, now)?;
        let queue = match settlement.verdict {
            Verdict::Ack => return Ok(settled),
            Verdict::Retry(delay) if !delay.is_zero() => return Ok(settled),
            Verdict::Requeue | Verdict::Retry(_) => &route.queue,
            Verdict::Reject => &route.dead_letter_queue,
        };
        self.stir(queue, settlement.ticket);
        Ok(settled)
    }

    /// The readers of `queue` look at this event again.
    fn stir(&mut self, queue: &str, ticket: Ticket) {
        let readers = self.consumers.values_mut().filter(|consumer| consumer.route.queue == queue);
        readers.for_each(|consumer| consumer.matched.stir(ticket.id));
    }

    /// Ends a consumer: within this transaction nothing is claimed for it any more.
    fn close(&mut self, id: ConsumerId, now: Millis) -> Result<(), Fault> {
        let Some(consumer) = self.consumers.get_mut(&id) else { return Ok(()) };
        consumer.is_closed = true;
        let (route, held) = (consumer.route.clone(), consumer.held.tickets());
        for ticket in held {
            release(&self.connection, ticket, now)?;
            self.stir(&route.queue, ticket);
        }
        Ok(())
    }

    fn renew(&self, wish: &Renew, now: Millis) -> Result<Vec<Ticket>, Fault> {
        let Some(consumer) = self.consumers.get(&wish.consumer) else { return Ok(Vec::new()) };
        let until = now.saturating_add(consumer.lease);
        let mut lost = Vec::new();
        for &ticket in &wish.tickets {
            if !claim::renew(&self.connection, ticket, now, until)? {
                lost.push(ticket);
            }
        }
        Ok(lost)
    }

    fn claim(&mut self, wish: &Claim, now: Millis) -> Result<Vec<Event>, Fault> {
        let consumer = self.consumers.get_mut(&wish.consumer).filter(|consumer| !consumer.is_closed);
        let Some(consumer) = consumer else { return Ok(Vec::new()) };
        consumer.matched.refresh(&self.connection, consumer.queue)?;
        let terms = Terms { leases: &mut self.leases, now, until: now.saturating_add(consumer.lease) };
        claim(&self.connection, consumer.queue, &mut consumer.matched, wish.max, terms)
    }

    /// Hands out the answer of a command whose transaction was committed. What comes back is still to
    /// be done: a claim that found nothing, or the events of a claim that nobody waits for any more.
    pub fn finish(&mut self, command: Command, now: Instant) -> Option<Command> {
        match command {
            Command::Subscribe(job) => {
                job.finish();
            }
            Command::Publish(job) => {
                job.finish();
            }
            Command::Ping(job) => {
                job.finish();
            }
            Command::Close(job) => {
                self.consumers.remove(&job.input);
                job.finish();
            }
            Command::Settle(job) => self.finish_settle(job),
            Command::Renew(job) => self.finish_renew(job, now),
            Command::Claim(job) => return self.finish_claim(job, now),
        }
        None
    }

    fn finish_settle(&mut self, job: Job<Settle, Vec<Settled>>) {
        if let Some(consumer) = self.consumers.get_mut(&job.input.consumer) {
            for settlement in &job.input.settlements {
                consumer.held.forget(settlement.ticket);
            }
        }
        job.finish();
    }

    fn finish_renew(&mut self, job: Job<Renew, Vec<Ticket>>, now: Instant) {
        let Some(consumer) = self.consumers.get_mut(&job.input.consumer) else { return };
        let lost = job.output.unwrap_or_default();
        for ticket in job.input.tickets {
            if !lost.contains(&ticket) {
                consumer.held.hold(ticket, now);
            } else if consumer.held.forget(ticket) {
                tracing::debug!(event = ticket.id, "its lease was lost: it ended before it was renewed");
            }
        }
    }

    fn finish_claim(&mut self, job: Job<Claim, Vec<Event>>, now: Instant) -> Option<Command> {
        let consumer = job.input.consumer;
        let Some(Consumer { held, .. }) = self.consumers.get_mut(&consumer) else {
            job.fail(Fault::Closed.at(&self.path));
            return None;
        };
        if job.output.as_ref().is_none_or(Vec::is_empty) {
            return (!job.is_abandoned()).then_some(Command::Claim(job));
        }
        job.output.iter().flatten().for_each(|event| held.hold(event.ticket, now));
        let unwanted = job.finish()?;
        let give_back = |event: &Event| Settlement { ticket: event.ticket, verdict: Verdict::Requeue };
        let settlements = unwanted.iter().map(give_back).collect();
        Some(Command::Settle(Job::unattended(Settle { consumer, settlements })))
    }

    /// Answers a command whose transaction failed.
    pub fn refuse(&mut self, command: Command, fault: &Fault, now: Instant) {
        match command {
            Command::Renew(job) => self.finish_renew(job, now),
            Command::Subscribe(job) => {
                job.output.iter().for_each(|id| drop(self.consumers.remove(id)));
                job.fail(fault.clone().at(&self.path));
            }
            command => command.fail(&self.path, fault),
        }
    }

    /// Forgets consumers whose handle is gone: their leases end by themselves. To be called after what they asked for
    /// was done.
    pub fn forget_the_gone(&mut self) {
        self.consumers.retain(|_, consumer| consumer.is_alive());
    }

    /// Takes out the renewals that are due.
    pub fn take_renewals(&mut self, now: Instant) -> Vec<Command> {
        let alive = self.consumers.iter_mut().filter(|(_, consumer)| consumer.is_alive());
        let due = alive.map(|(&id, consumer)| (id, consumer.held.take_due(now)));
        due.filter(|(_, tickets)| !tickets.is_empty())
            .map(|(consumer, tickets)| Command::Renew(Job::unattended(Renew { consumer, tickets })))
            .collect()
    }

    pub fn next_renewal(&self) -> Option<Instant> {
        self.consumers.values().filter_map(|consumer| consumer.held.next_due()).min()
    }

    /// Names of the queues in which `command` may make events claimable.
    pub fn stirs<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = &'a str> {
        let (queue, dead_letter_queue) = match command {
            Command::Publish(job) => (Some(job.input.queue.as_str()), None),
            Command::Settle(job) => (self.queue_of(job.input.consumer), self.dead_letter_queue_of(&job.input)),
            Command::Close(job) => (self.queue_of(job.input), None),
            _ => (None, None),
        };
        queue.into_iter().chain(dead_letter_queue)
    }

    fn dead_letter_queue_of(&self, settle: &Settle) -> Option<&str> {
        let is_rejected = settle.settlements.iter().any(|settlement| settlement.verdict == Verdict::Reject);
        let consumer = self.consumers.get(&settle.consumer).filter(|_| is_rejected)?;
        Some(&consumer.route.dead_letter_queue)
    }

    /// Name of the queue that a consumer reads.
    pub fn queue_of(&self, consumer: ConsumerId) -> Option<&str> {
        self.consumers.get(&consumer).map(|consumer| consumer.route.queue.as_str())
    }

    /// When the next waiting event of the file becomes claimable.
    pub fn next_due(&self) -> Result<Option<Millis>, Fault> {
        claim::next_due(&self.connection)
    }

    /// Whether another process changed the file since the last call. Reads no table.
    ///
    /// # Errors
    ///
    /// [`Fault::Replaced`] when the path names another file now.
    pub fn was_changed_by_others(&mut self) -> Result<bool, Fault> {
        self.identity.check(&self.path)?;
        let version = self.data_version()?;
        Ok(std::mem::replace(&mut self.seen_version, version) != version)
    }

    /// Removes topics without events, now and then.
    fn tidy(&mut self) {
        if self.published_since_tidy < PUBLISHED_BETWEEN_TIDYINGS {
            return;
        }
        self.published_since_tidy = 0;
        match names::remove_unused_topics(&self.connection, self.topics_kept) {
            Ok(kept) if kept == self.topics_kept => {}
            Ok(kept) => {
                self.topics_kept = kept;
                self.consumers.values_mut().for_each(|consumer| consumer.matched.reset());
            }
            Err(fault) => tracing::debug!(%fault, "could not remove unused topics"),
        }
    }

    /// For tests of full disks: the file may have so many pages more than it has now.
    #[cfg(test)]
    pub fn limit_growth(&self, pages: i64) {
        let count: i64 = self.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        self.connection.execute_batch(&format!("PRAGMA max_page_count = {}", count + pages)).unwrap();
    }

    #[cfg(test)]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}
