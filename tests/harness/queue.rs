//! The queue file, seen by another program.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// Events in all queues of the file, whatever their state.
///
/// # Panics
///
/// When the file cannot be read.
#[track_caller]
pub fn rows(file: &Path) -> i64 {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the queue file opens");
    connection.query_row("SELECT count(*) FROM state", [], |row| row.get(0)).expect("the queue file can be read")
}

/// Keeps everybody else from writing to the file, until the connection is dropped.
///
/// # Panics
///
/// When somebody else has the lock for more than a minute.
#[track_caller]
pub fn take_write_lock(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("the queue file opens");
    connection.busy_timeout(std::time::Duration::from_secs(60)).expect("a patient connection");
    connection.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
    connection
}
