//! Numbers of queues and topics.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};

use super::error::Fault;
use crate::topic::TopicFilter;

/// The number of the queue `name`, which is added when there is none.
pub fn queue_id(connection: &Connection, name: &str) -> Result<i64, Fault> {
    let find = "SELECT id FROM queue WHERE name = ?1";
    let found = connection.prepare_cached(find)?.query_row([name], |row| row.get(0)).optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    connection.prepare_cached("INSERT INTO queue (name) VALUES (?1)")?.execute([name])?;
    Ok(connection.last_insert_rowid())
}

/// The number of the topic `name` in `queue`, which is added when there is none.
pub fn topic_id(connection: &Connection, queue: i64, name: &str) -> Result<i64, Fault> {
    let find = "SELECT id FROM topic WHERE queue = ?1 AND name = ?2";
    let found = connection.prepare_cached(find)?.query_row((queue, name), |row| row.get(0)).optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    let add = "INSERT INTO topic (queue, name) VALUES (?1, ?2)";
    connection.prepare_cached(add)?.execute((queue, name))?;
    Ok(connection.last_insert_rowid())
}

/// Topics known before old ones are looked for and removed: only queues with a topic per event ever
/// have so many.
const TOPICS_KEPT: usize = 1_000;

/// Deletes the topics that no event has, when there are more of them than twice `kept` and than
/// [`TOPICS_KEPT`]. Returns how many are left.
pub fn remove_unused_topics(connection: &Connection, kept: usize) -> Result<usize, Fault> {
    let count = "SELECT count(*) FROM topic";
    let count = || connection.query_row(count, [], |row| row.get::<_, i64>(0));
    let found = count()? as usize;
    if found <= (2 * kept).max(TOPICS_KEPT) {
        return Ok(kept);
    }
    connection.execute("DELETE FROM topic WHERE id NOT IN (SELECT topic FROM state)", [])?;
    Ok(count()? as usize)
}

/// The topics of one queue that a filter lets through, as far as they were seen.
///
/// Numbers of topics only grow and are never used again, so that those beyond the last one seen are
/// the new ones, and a removed one is at worst looked up in vain.
#[derive(Debug)]
pub struct Matched {
    filter: TopicFilter,
    seen: i64,
    topics: HashMap<i64, String>,
    has_others: bool,
    start: i64,
}

impl Matched {
    pub fn new(filter: TopicFilter) -> Self {
        Self { filter, seen: 0, topics: HashMap::new(), has_others: false, start: 0 }
    }

    /// Looks at the topics that were added since the last call.
    pub fn refresh(&mut self, connection: &Connection, queue: i64) -> Result<(), Fault> {
        let find = "SELECT id, queue, name FROM topic WHERE id > ?1 ORDER BY id";
        let mut statement = connection.prepare_cached(find)?;
        let mut rows = statement.query([self.seen])?;
        while let Some(row) = rows.next()? {
            self.seen = row.get(0)?;
            if row.get::<_, i64>(1)? == queue {
                let name = row.get_ref(2)?.as_bytes_or_null().unwrap_or_default().unwrap_or_default();
                self.add(self.seen, String::from_utf8_lossy(name).into_owned());
            }
        }
        Ok(())
    }

    /// Forgets everything: a transaction that [`refresh`](Self::refresh) ran in was rolled back.
    pub fn reset(&mut self) {
        *self = Self::new(self.filter.clone());
    }

    /// Whether every event of the queue is let through.
    pub fn is_everything(&self) -> bool {
        !self.has_others
    }

    /// Place of the first event that a search must look at: all claimable ones before it are of other topics.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// Notes that all claimable events before `place` are of other topics.
    pub fn start_at(&mut self, place: i64) {
        self.start = place;
    }

    /// Notes that the event `id` became claimable: its place is not before that.
    pub fn stir(&mut self, id: i64) {
        self.start = self.start.min(id);
    }

    pub fn count(&self) -> usize {
        self.topics.len()
    }

    pub fn topics(&self) -> impl Iterator<Item = i64> {
        self.topics.keys().copied()
    }

    pub fn name(&self, topic: i64) -> Option<&str> {
        self.topics.get(&topic).map(String::as_str)
    }

    fn add(&mut self, id: i64, name: String) {
        if self.filter.matches(&name) {
            self.topics.insert(id, name);
        } else {
            self.has_others = true;
        }
    }
}
