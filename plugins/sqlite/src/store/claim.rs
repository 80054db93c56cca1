//! Claiming: the oldest events that a consumer may have are leased to it.

use rusqlite::{Connection, OptionalExtension as _};

use super::clock::TOLERANCE_MS;
use super::error::Fault;
use super::event::{Event, MAX_DELAY_MS, Millis, Ticket};
use super::headers;
use super::lease::LeaseNumbers;
use super::names::Matched;
use super::search::oldest;

/// Payload bytes of one claim at most, its last event not counted: claims of big events stay small.
pub const CLAIM_BYTES: usize = 8 << 20;

/// Waiting events made claimable by one transaction at most, so that none takes long.
const PROMOTED_AT_ONCE: i64 = 1_000;

// Both read the index `waiting`, and no entry that they do not use.
pub const PROMOTE: &str = "UPDATE state SET due = 0 WHERE id IN
    (SELECT id FROM state WHERE due > 0 AND due <= ?1 ORDER BY due LIMIT ?2) RETURNING queue, id";
pub const NEXT_DUE: &str = "SELECT due FROM state WHERE due > 0 ORDER BY due LIMIT 1";

/// Makes the events claimable whose delay or lease has ended, up to a limit. Their queues and numbers.
///
/// The lease's number stays with the event: its consumer may still settle it, late, as long as nobody
/// else claimed it.
pub fn promote(connection: &Connection, now: Millis) -> Result<Vec<(i64, i64)>, Fault> {
    let mut statement = connection.prepare_cached(PROMOTE)?;
    let rows = statement.query_map((now, PROMOTED_AT_ONCE), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
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

/// How one claim leases its events.
#[derive(Debug)]
pub struct Terms<'a> {
    pub leases: &'a mut LeaseNumbers,
    pub now: Millis,
    pub until: Millis,
}

/// Leases up to `max` events of `queue` that `matched` lets through, the oldest first. Damaged ones are set aside.
/// Empty only when there are none that can be read.
pub fn claim(
    connection: &Connection,
    queue: i64,
    matched: &mut Matched,
    max: usize,
    mut terms: Terms<'_>,
) -> Result<Vec<Event>, Fault> {
    loop {
        let found = oldest(connection, queue, matched, max)?;
        let events = lease_all(connection, &found, matched, &mut terms)?;
        if found.is_empty() || !events.is_empty() {
            return Ok(events);
        }
    }
}

fn lease_all(
    connection: &Connection,
    ids: &[i64],
    matched: &Matched,
    terms: &mut Terms<'_>,
) -> Result<Vec<Event>, Fault> {
    let mut events = Vec::new();
    let mut bytes = 0;
    for &id in ids {
        if bytes >= CLAIM_BYTES {
            break;
        }
        if let Some(event) = lease(connection, id, matched, terms)? {
            bytes += event.payload.len();
            events.push(event);
        }
    }
    Ok(events)
}

/// Leases one event; none when it is damaged.
fn lease(connection: &Connection, id: i64, matched: &Matched, terms: &mut Terms<'_>) -> Result<Option<Event>, Fault> {
    let mark = "UPDATE state SET due = ?1, since = ?2, lease = ?3, attempts = attempts + 1
                WHERE id = ?4 RETURNING attempts, topic";
    let ticket = Ticket { id, lease: terms.leases.take() };
    let values = (terms.until, terms.now, ticket.lease, id);
    let (attempts, topic): (i64, i64) =
        connection.prepare_cached(mark)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let attempt = u32::try_from(attempts).unwrap_or(u32::MAX);
    let topic = matched.name(topic).unwrap_or_default().to_owned();
    match read(connection, ticket, topic, attempt) {
        Ok(event) => Ok(Some(event)),
        Err(error) if error.sqlite_error().is_some() => Err(error.into()),
        Err(error) => {
            set_aside(connection, id, terms.now)?;
            let path = connection.path().unwrap_or_default();
            tracing::error!(path, event = id, %error, "a damaged event was set aside: its content is missing or cannot be read");
            Ok(None)
        }
    }
}

/// The event with its content. An error that is not of SQLite's own means that the content is missing or damaged.
fn read(connection: &Connection, ticket: Ticket, topic: String, attempt: u32) -> rusqlite::Result<Event> {
    let read = "SELECT published, key, message_id, headers, payload FROM content WHERE id = ?1";
    connection.prepare_cached(read)?.query_row([ticket.id], |row| {
        let column = row.get_ref(3)?;
        let damaged = || rusqlite::Error::InvalidColumnType(3, "headers".to_owned(), column.data_type());
        let headers = headers::decode(column.as_bytes()?).ok_or_else(damaged)?;
        Ok(Event {
            ticket,
            topic,
            key: row.get(1)?,
            message_id: row.get(2)?,
            headers,
            payload: row.get(4)?,
            published: row.get(0)?,
            attempt,
        })
    })
}

/// Keeps the event where it is, for whoever can repair it, and away from every claim.
fn set_aside(connection: &Connection, id: i64, now: Millis) -> Result<(), Fault> {
    let set_aside = "UPDATE state SET due = ?1, since = ?2, lease = NULL, attempts = attempts - 1 WHERE id = ?3";
    connection.prepare_cached(set_aside)?.execute((now.saturating_add(MAX_DELAY_MS), now, id))?;
    Ok(())
}

/// Extends the lease of `ticket` to `until`. False when it was lost.
pub fn renew(connection: &Connection, ticket: Ticket, now: Millis, until: Millis) -> Result<bool, Fault> {
    let renew = "UPDATE state SET due = ?1, since = ?2 WHERE id = ?3 AND lease = ?4";
    let values = (until, now, ticket.id, ticket.lease);
    Ok(connection.prepare_cached(renew)?.execute(values)? == 1)
}
