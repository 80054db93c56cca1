//! Claiming: the oldest events that a consumer may have are leased to it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _};

use super::clock::TOLERANCE_MS;
use super::error::Fault;
use super::event::{Event, Millis, Ticket};
use super::headers;
use super::lease::LeaseNumbers;
use super::names::Matched;

/// Payload bytes of one claim at most, its last event not counted: claims of big events stay small.
pub const CLAIM_BYTES: usize = 8 << 20;

/// Waiting events made claimable by one transaction at most, so that none takes long.
const PROMOTED_AT_ONCE: i64 = 1_000;

// Each of these reads one of the three indexes of `state`, and no entry that it does not use.
pub const PROMOTE: &str = "UPDATE state SET due = 0 WHERE id IN
    (SELECT id FROM state WHERE due > 0 AND due <= ?1 ORDER BY due LIMIT ?2)";
pub const NEXT_DUE: &str = "SELECT due FROM state WHERE due > 0 ORDER BY due LIMIT 1";
pub const IN_QUEUE: &str = "SELECT id FROM state WHERE queue = ?1 AND due = 0 AND id < ?2 ORDER BY id LIMIT ?3";
pub const IN_TOPIC: &str = "SELECT id FROM state WHERE topic = ?1 AND due = 0 AND id < ?2 ORDER BY id LIMIT ?3";

/// Makes the events claimable whose delay or lease has ended, up to a limit.
///
/// The lease's number stays with the event: its consumer may still settle it, late, as long as nobody
/// else claimed it.
pub fn promote(connection: &Connection, now: Millis) -> Result<(), Fault> {
    connection.prepare_cached(PROMOTE)?.execute((now, PROMOTED_AT_ONCE))?;
    Ok(())
}

/// When the next waiting event becomes claimable.
pub fn next_due(connection: &Connection) -> Result<Option<Millis>, Fault> {
    Ok(connection.prepare_cached(NEXT_DUE)?.query_row([], |row| row.get(0)).optional()?)
}

/// Moves what waits along with a wall clock that was set back: a wait that began in what is now the
/// future begins again, so that none takes longer than its own length from now on.
pub fn rebase(connection: &Connection, now: Millis) -> Result<usize, Fault> {
    let rebase = "UPDATE state SET due = ?1 + (due - since), since = ?1
                  WHERE due > 0 AND since > ?1 + ?2";
    Ok(connection.execute(rebase, (now, TOLERANCE_MS))?)
}

/// Leases up to `max` events of `queue` that `matched` lets through until `until`, the oldest first.
pub fn claim(
    connection: &Connection,
    queue: i64,
    matched: &Matched,
    max: usize,
    leases: &mut LeaseNumbers,
    now: Millis,
    until: Millis,
) -> Result<Vec<Event>, Fault> {
    let mut events = Vec::new();
    let mut bytes = 0;
    for id in candidates(connection, queue, matched, max)? {
        if bytes >= CLAIM_BYTES {
            break;
        }
        let ticket = Ticket { id, lease: leases.take() };
        let event = lease(connection, ticket, matched, now, until)?;
        bytes += event.payload.len();
        events.push(event);
    }
    Ok(events)
}

fn candidates(connection: &Connection, queue: i64, matched: &Matched, max: usize) -> Result<Vec<i64>, Fault> {
    if matched.is_everything() {
        ids(connection, IN_QUEUE, queue, i64::MAX, max)
    } else {
        oldest_of_topics(connection, matched, max)
    }
}

/// The `max` oldest events of several topics: of each topic, no more than can still be among them.
fn oldest_of_topics(connection: &Connection, matched: &Matched, max: usize) -> Result<Vec<i64>, Fault> {
    let mut oldest = BTreeSet::new();
    for topic in matched.topics() {
        let bound = if oldest.len() < max { None } else { oldest.last().copied() };
        oldest.extend(ids(connection, IN_TOPIC, topic, bound.unwrap_or(i64::MAX), max)?);
        while oldest.len() > max {
            oldest.pop_last();
        }
    }
    Ok(oldest.into_iter().collect())
}

fn ids(connection: &Connection, sql: &str, of: i64, below: i64, max: usize) -> Result<Vec<i64>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((of, below, max as i64), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn lease(
    connection: &Connection,
    ticket: Ticket,
    matched: &Matched,
    now: Millis,
    until: Millis,
) -> Result<Event, Fault> {
    let mark = "UPDATE state SET due = ?1, since = ?2, lease = ?3, attempts = attempts + 1
                WHERE id = ?4 RETURNING attempts, topic";
    let values = (until, now, ticket.lease, ticket.id);
    let (attempt, topic): (u32, i64) =
        connection.prepare_cached(mark)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let topic = matched.name(topic).unwrap_or_default().to_owned();
    read(connection, ticket, topic, attempt)?
        .ok_or_else(|| Fault::Corrupt(format!("event {} has no readable content", ticket.id)))
}

/// The event with its content; none when that is missing or damaged.
fn read(connection: &Connection, ticket: Ticket, topic: String, attempt: u32) -> Result<Option<Event>, Fault> {
    let read = "SELECT published, key, message_id, headers, payload FROM content WHERE id = ?1";
    let mut statement = connection.prepare_cached(read)?;
    let mut rows = statement.query([ticket.id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let column = row.get_ref(3)?.as_bytes_or_null().unwrap_or_default();
    let Some(headers) = headers::decode(column.unwrap_or_default()) else { return Ok(None) };
    Ok(Some(Event {
        ticket,
        topic,
        key: row.get(1)?,
        message_id: row.get(2)?,
        headers,
        payload: row.get(4)?,
        published: row.get(0)?,
        attempt,
    }))
}

/// Extends the lease of `ticket` to `until`. False when it was lost.
pub fn renew(connection: &Connection, ticket: Ticket, now: Millis, until: Millis) -> Result<bool, Fault> {
    let renew = "UPDATE state SET due = ?1, since = ?2 WHERE id = ?3 AND lease = ?4";
    let values = (until, now, ticket.id, ticket.lease);
    Ok(connection.prepare_cached(renew)?.execute(values)? == 1)
}
