//! The file: how it is opened, recognised and laid out.
//!
//! ```text
//! queue    id, name
//! topic    id, queue, name                 a topic belongs to one queue
//! content  id, published, key, …, payload  what never changes while an event lives
//! state    id, queue, topic, due, since, attempts, lease
//! ```
//!
//! `state.due` is 0 for an event that can be claimed. Else the event waits, and `due` is when that
//! ends: the end of a delay or of a lease; `since` is when the wait began. The small rows that change
//! with every claim are apart from the payloads, so that a lease on 50 MB writes one page.
//!
//! An event is in `ready_in_queue` and `ready_in_topic` (claimable, in the order of publishing: an
//! index ends with the row's id) or in `waiting`, never in both: whoever looks for events to claim
//! steps over none that are leased, delayed or of another topic.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::error::{Fault, LOCK_PATIENCE, StoreError};

/// "siph": what tells a queue from any other SQLite file.
const APPLICATION_ID: i64 = 0x7369_7068;

/// Version of the layout below.
const VERSION: i64 = 1;

/// The log's file is cut to this after a checkpoint, so that one big event does not leave it big.
const LOG_SIZE_LIMIT: i64 = 64 << 20;

/// Prepared statements kept per connection: a few more than there are.
const STATEMENTS: usize = 48;

const LAYOUT: &str = "
    CREATE TABLE queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE topic (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue INTEGER NOT NULL,
        name TEXT NOT NULL,
        UNIQUE (queue, name)
    ) STRICT;
    CREATE TABLE state (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue INTEGER NOT NULL,
        topic INTEGER NOT NULL,
        due INTEGER NOT NULL,
        since INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        lease INTEGER
    ) STRICT;
    CREATE TABLE content (
        id INTEGER PRIMARY KEY,
        published INTEGER NOT NULL,
        key BLOB,
        message_id TEXT,
        headers BLOB NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE INDEX ready_in_queue ON state (queue) WHERE due = 0;
    CREATE INDEX ready_in_topic ON state (topic) WHERE due = 0;
    CREATE INDEX waiting ON state (due) WHERE due > 0;
";

/// Opens the queue file at `path`, which is created when there is none.
///
/// Nothing is written to a file that is not a queue.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    check_place(path)?;
    let started = Instant::now();
    loop {
        match try_open(path) {
            // Turning the log on is refused at once, without the busy handler, while another process does it.
            Err(Fault::Locked) if started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result.map_err(|fault| fault.at(path)),
        }
    }
}

fn check_place(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(Fault::NoFolder.at(path));
    }
    if path.is_dir() {
        return Err(Fault::IsDirectory.at(path));
    }
    Ok(())
}

fn try_open(path: &Path) -> Result<Connection, Fault> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(LOCK_PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    // One snapshot: another process may be laying it out this very moment.
    let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let is_new = recognise(&snapshot)?;
    drop(snapshot);
    use_log(&connection)?;
    if is_new {
        lay_out(&mut connection)?;
    }
    Ok(connection)
}

/// Whether the file is empty; an error unless it is that or a queue.
fn recognise(connection: &Connection) -> Result<bool, Fault> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let id = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (id, version, tables) {
        (0, 0, 0) => Ok(true),
        (APPLICATION_ID, VERSION, _) => Ok(false),
        (APPLICATION_ID, found, _) => Err(Fault::Newer { found, known: VERSION }),
        _ => Err(Fault::NotAQueue),
    }
}

fn use_log(connection: &Connection) -> Result<(), Fault> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::NoWal);
    }
    let settings = format!("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = {LOG_SIZE_LIMIT};");
    Ok(connection.execute_batch(&settings)?)
}

/// Creates the tables, unless another process was quicker.
fn lay_out(connection: &mut Connection) -> Result<(), Fault> {
    let transaction = connection.transaction()?;
    if recognise(&transaction)? {
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
        transaction.execute_batch(LAYOUT)?;
        transaction.execute_batch(&marks)?;
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder for the test")
    }

    #[track_caller]
    fn check(path: PathBuf, expected: Fault) {
        assert_eq!(open(&path).err(), Some(expected.at(&path)));
    }

    fn run(path: &Path, sql: &str) {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }

    #[test]
    fn a_new_file_is_laid_out_and_opens_again() {
        let folder = folder();
        let path = folder.path().join("events.db");
        for _ in 0..2 {
            let connection = open(&path).unwrap();
            assert!(!recognise(&connection).unwrap());
        }
    }

    #[test]
    fn what_cannot_be_a_queue_is_refused() {
        let folder = folder();
        check(folder.path().to_owned(), Fault::IsDirectory);
        check(folder.path().join("missing/events.db"), Fault::NoFolder);
        check(PathBuf::from("/proc/siphon-events.db"), Fault::CannotOpen);
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "no database at all, ".repeat(100)).unwrap();
        check(text, Fault::NotADatabase);
    }

    #[test]
    fn a_database_of_another_program_is_refused_and_left_alone() {
        let folder = folder();
        let path = folder.path().join("other.db");
        run(&path, "CREATE TABLE customers (name TEXT)");
        let before = std::fs::read(&path).unwrap();
        check(path.clone(), Fault::NotAQueue);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_queue_of_a_newer_version_is_refused() {
        let folder = folder();
        let path = folder.path().join("events.db");
        drop(open(&path).unwrap());
        run(&path, "PRAGMA user_version = 9");
        check(path, Fault::Newer { found: 9, known: VERSION });
    }

    #[test]
    fn several_that_open_a_new_file_at_once_all_succeed() {
        let folder = folder();
        let path = folder.path().join("events.db");
        let open_it = || open(&path).map(drop);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open_it)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
}
