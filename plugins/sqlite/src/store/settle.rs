//! Settling: what becomes of an event that was claimed.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

use super::error::Fault;
use super::event::{Millis, Settled, Settlement, Ticket, Verdict, millis};
use super::headers::{self, Header};
use super::insert::due_after;
use super::names;

/// Headers that an event brings into the dead-letter queue: the queue it comes from, the attempts it
/// had there, and when it was given up (milliseconds since 1970).
pub const DEAD_QUEUE: &str = "siphon-dead-letter-queue";
pub const DEAD_ATTEMPTS: &str = "siphon-dead-letter-attempts";
pub const DEAD_TIME: &str = "siphon-dead-letter-time";

/// The queues of a consumer, by name.
#[derive(Debug, Clone)]
pub struct Route {
    pub queue: String,
    pub dead_letter_queue: String,
}

/// Carries out one settlement, if the lease still counts.
pub fn settle(connection: &Connection, settlement: &Settlement, route: &Route, now: Millis) -> Result<Settled, Fault> {
    let ticket = settlement.ticket;
    let is_done = match settlement.verdict {
        Verdict::Ack => delete(connection, ticket)?,
        Verdict::Requeue => give_back(connection, ticket, now)?,
        Verdict::Retry(delay) => delay_it(connection, ticket, delay, now)?,
        Verdict::Reject => bury(connection, ticket, route, now)?,
    };
    Ok(if is_done { Settled::Done } else { Settled::Stale })
}

fn delete(connection: &Connection, ticket: Ticket) -> Result<bool, Fault> {
    let state = "DELETE FROM state WHERE id = ?1 AND lease = ?2";
    let deleted = connection.prepare_cached(state)?.execute((ticket.id, ticket.lease))? == 1;
    if deleted {
        connection.prepare_cached("DELETE FROM content WHERE id = ?1")?.execute([ticket.id])?;
    }
    Ok(deleted)
}

fn give_back(connection: &Connection, ticket: Ticket, now: Millis) -> Result<bool, Fault> {
    let give_back = "UPDATE state SET due = 0, since = ?1, lease = NULL, attempts = max(attempts - 1, 0)
                     WHERE id = ?2 AND lease = ?3";
    let values = (now, ticket.id, ticket.lease);
    Ok(connection.prepare_cached(give_back)?.execute(values)? == 1)
}

/// Frees an event that was in work when its consumer ended: it keeps its place, and its attempt counts.
pub fn release(connection: &Connection, ticket: Ticket, now: Millis) -> Result<(), Fault> {
    let release = "UPDATE state SET due = 0, since = ?1, lease = NULL WHERE id = ?2 AND lease = ?3";
    connection.prepare_cached(release)?.execute((now, ticket.id, ticket.lease))?;
    Ok(())
}

/// Sends the event to the end of the line, where it waits for its time besides.
fn delay_it(connection: &Connection, ticket: Ticket, delay: Duration, now: Millis) -> Result<bool, Fault> {
    let delay_it = "UPDATE state SET due = ?1, since = ?2, lease = NULL,
                    place = 1 + (SELECT seq FROM sqlite_sequence WHERE name = 'state')
                    WHERE id = ?3 AND lease = ?4";
    let values = (due_after(millis(delay), now), now, ticket.id, ticket.lease);
    let is_delayed = connection.prepare_cached(delay_it)?.execute(values)? == 1;
    if is_delayed {
        connection.prepare_cached("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'state'")?.execute([])?;
    }
    Ok(is_delayed)
}

/// Moves the event to the dead-letter queue, under its own topic and number.
fn bury(connection: &Connection, ticket: Ticket, route: &Route, now: Millis) -> Result<bool, Fault> {
    let find = "SELECT topic.name, state.attempts FROM state JOIN topic ON topic.id = state.topic
                WHERE state.id = ?1 AND state.lease = ?2";
    let found: Option<(String, u32)> = connection
        .prepare_cached(find)?
        .query_row((ticket.id, ticket.lease), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((topic, attempts)) = found else { return Ok(false) };
    let queue = names::queue_id(connection, &route.dead_letter_queue)?;
    let topic = names::topic_id(connection, queue, &topic)?;
    let bury = "UPDATE state SET queue = ?1, topic = ?2, due = 0, since = ?3, attempts = 0, lease = NULL
                WHERE id = ?4";
    connection.prepare_cached(bury)?.execute((queue, topic, now, ticket.id))?;
    add_headers(connection, ticket.id, &epitaph(&route.queue, attempts, now))?;
    Ok(true)
}

fn epitaph(queue: &str, attempts: u32, now: Millis) -> [Header; 3] {
    [
        (DEAD_QUEUE.into(), queue.into()),
        (DEAD_ATTEMPTS.into(), attempts.to_string().into()),
        (DEAD_TIME.into(), now.to_string().into()),
    ]
}

fn add_headers(connection: &Connection, id: i64, headers: &[Header]) -> Result<(), Fault> {
    let find = "SELECT headers FROM content WHERE id = ?1";
    let mut column: Vec<u8> =
        connection.prepare_cached(find)?.query_row([id], |row| row.get(0)).optional()?.unwrap_or_default();
    column.extend(headers::encode(headers));
    connection.prepare_cached("UPDATE content SET headers = ?1 WHERE id = ?2")?.execute((column, id))?;
    Ok(())
}
