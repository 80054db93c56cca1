//! Publishing: events are added to a queue.

use std::collections::HashMap;

use rusqlite::Connection;

use super::error::Fault;
use super::event::{Millis, NewEvent, millis};
use super::{headers, names};

/// Adds `events` to `queue` in their order and returns their numbers.
pub fn insert(connection: &Connection, queue: i64, events: &[NewEvent], now: Millis) -> Result<Vec<i64>, Fault> {
    let mut topics = HashMap::new();
    let mut ids = Vec::with_capacity(events.len());
    for event in events {
        let topic = match topics.get(event.topic.as_str()) {
            Some(&id) => id,
            None => names::topic_id(connection, queue, &event.topic)?,
        };
        topics.insert(event.topic.as_str(), topic);
        ids.push(insert_one(connection, queue, topic, event, now)?);
    }
    Ok(ids)
}

fn insert_one(connection: &Connection, queue: i64, topic: i64, event: &NewEvent, now: Millis) -> Result<i64, Fault> {
    // The place is the number that the row is about to get: the next of its sequence.
    let state = "INSERT INTO state (queue, topic, due, since, place) VALUES (?1, ?2, ?3, ?4,
                 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'state'), 0))";
    let due = due_after(millis(event.delay), now);
    connection.prepare_cached(state)?.execute((queue, topic, due, now))?;
    let id = connection.last_insert_rowid();
    let content = "INSERT INTO content (id, published, key, message_id, headers, payload)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let headers = headers::encode(&event.headers);
    let payload: &[u8] = &event.payload;
    let values = (id, now, &event.key, &event.message_id, headers, payload);
    connection.prepare_cached(content)?.execute(values)?;
    Ok(id)
}

/// The value of `state.due` for a wait of `delay` from `now`.
pub fn due_after(delay: Millis, now: Millis) -> Millis {
    if delay == 0 { 0 } else { now.saturating_add(delay) }
}
