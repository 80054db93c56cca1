//! Finding the oldest events that a consumer may have, at a cost that does not grow with those it may not.
//!
//! Oldest means first in the line: by place, see `schema.rs`. Without a filter the index of the queue has them at its front. With one there are two ways, and each has its bad
//! case: walking that index in the order of the line steps over every event of other topics, and asking topic by topic
//! looks at every topic that has events. Both are tried in turn with a growing budget, so that a search costs about as
//! much as the cheaper of them. A walk goes on where the last one ended (see [`Matched::start`]).

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _};

use super::error::Fault;
use super::names::Matched;

/// With so many topics at most they are asked one by one at once, although some may have no events.
const FEW_TOPICS: usize = 8;

/// Events or topics looked at before the other way is tried, at first; then [`GROWTH`] times as many.
const FIRST_BUDGET: usize = 256;
const GROWTH: usize = 4;

// Each of these reads one of the indexes of `state`; the walk looks up its rows as well.
pub const IN_QUEUE: &str =
    "SELECT place, id FROM state WHERE queue = ?1 AND due = 0 AND place < ?2 ORDER BY place LIMIT ?3";
pub const IN_TOPIC: &str =
    "SELECT place, id FROM state WHERE topic = ?1 AND due = 0 AND place < ?2 ORDER BY place LIMIT ?3";
pub const WALK: &str = "SELECT place, id, topic FROM state WHERE queue = ?1 AND due = 0 AND place >= ?2 ORDER BY place";
pub const NEXT_TOPIC: &str = "SELECT topic FROM state WHERE due = 0 AND topic > ?1 ORDER BY topic LIMIT 1";

/// Numbers of the oldest claimable events of `queue` that `matched` lets through, at most `max`. Empty only when there
/// are none.
pub fn oldest(connection: &Connection, queue: i64, matched: &mut Matched, max: usize) -> Result<Vec<i64>, Fault> {
    if matched.is_everything() {
        return Ok(numbers(places(connection, IN_QUEUE, queue, i64::MAX, max)?));
    }
    if matched.count() <= FEW_TOPICS {
        return Ok(numbers(oldest_of(connection, matched.topics(), max)?));
    }
    let mut budget = FIRST_BUDGET;
    loop {
        if let Some(found) = walk(connection, queue, matched, max, budget)? {
            return Ok(found);
        }
        if let Some(topics) = topics_with_events(connection, matched, budget)? {
            let found = oldest_of(connection, topics, max)?;
            found.first().into_iter().for_each(|&(place, _)| matched.start_at(place));
            return Ok(numbers(found));
        }
        budget *= GROWTH;
    }
}

/// The first events of the queue that match. None when `budget` events that do not match lie before them; fewer than
/// `max` when they lie between them.
fn walk(
    connection: &Connection,
    queue: i64,
    matched: &mut Matched,
    max: usize,
    budget: usize,
) -> Result<Option<Vec<i64>>, Fault> {
    let mut statement = connection.prepare_cached(WALK)?;
    let mut rows = statement.query((queue, matched.start()))?;
    let (mut found, mut skipped) = (Vec::new(), 0);
    while found.len() < max && skipped < budget {
        let Some(row) = rows.next()? else { return Ok(Some(found)) };
        let (place, id): (i64, i64) = (row.get(0)?, row.get(1)?);
        if matched.name(row.get(2)?).is_some() {
            found.push(id);
        } else {
            skipped += 1;
            if found.is_empty() {
                matched.start_at(place + 1);
            }
        }
    }
    Ok((!found.is_empty()).then_some(found))
}

/// The topics among `matched` that have claimable events. None when there are more than `budget` such topics in the file.
fn topics_with_events(connection: &Connection, matched: &Matched, budget: usize) -> Result<Option<Vec<i64>>, Fault> {
    let mut statement = connection.prepare_cached(NEXT_TOPIC)?;
    let (mut found, mut last) = (Vec::new(), 0);
    for _ in 0..budget {
        let next = statement.query_row([last], |row| row.get(0)).optional()?;
        let Some(topic) = next else { return Ok(Some(found)) };
        last = topic;
        if matched.name(topic).is_some() {
            found.push(topic);
        }
    }
    Ok(None)
}

/// The `max` oldest events of several topics: of each topic, no more than can still be among them.
fn oldest_of(connection: &Connection, topics: impl IntoIterator<Item = i64>, max: usize) -> Result<Vec<Place>, Fault> {
    let mut oldest = BTreeSet::new();
    for topic in topics {
        let bound = if oldest.len() < max { None } else { oldest.last().map(|&(place, _): &Place| place) };
        oldest.extend(places(connection, IN_TOPIC, topic, bound.unwrap_or(i64::MAX), max)?);
        while oldest.len() > max {
            oldest.pop_last();
        }
    }
    Ok(oldest.into_iter().collect())
}

/// An event's place in the line and its number.
type Place = (i64, i64);

fn places(connection: &Connection, sql: &str, of: i64, below: i64, max: usize) -> Result<Vec<Place>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((of, below, max as i64), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn numbers(places: Vec<Place>) -> Vec<i64> {
    places.into_iter().map(|(_, id)| id).collect()
}
