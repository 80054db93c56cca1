//! What can go wrong with the file, each in one sentence that names it and says what to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{ErrorCode, ffi};

use super::event::MAX_EVENT_BYTES;

/// How long a lock of another process is waited for before the operation is given up.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// What SQLite reports as an I/O error although only room is missing, for the shared memory beside the file.
const NO_ROOM: i32 = ffi::SQLITE_IOERR_SHMSIZE;

/// A failure, and the file that it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct StoreError {
    pub path: PathBuf,
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the folder does not exist: create it, or correct `path`")]
    NoFolder,
    #[error("this is a directory: `path` must name a file inside it")]
    IsDirectory,
    #[error("not an SQLite database: `path` must name a queue file or one that does not exist yet")]
    NotADatabase,
    #[error("an SQLite database of another program: give the queue a file of its own")]
    NotAQueue,
    #[error("a queue of version {found}, this siphon knows versions up to {known}: use a newer siphon")]
    Newer { found: i64, known: i64 },
    #[error("the file or its folder cannot be written: give this user write permission on both")]
    ReadOnly,
    #[error("cannot be opened: check the permissions of the file and its folder, and `ulimit -n`")]
    CannotOpen,
    #[error("the folder is on a file system without shared memory: use a local disk")]
    NoWal,
    #[error("the disk is full: free some space; events wait where they are and nothing was changed")]
    Full,
    #[error("locked by another process for {LOCK_PATIENCE:?}: close what holds it (a database browser?)")]
    Locked,
    #[error("the file is damaged ({0}): move it away and recover its events with `sqlite3 .recover`")]
    Corrupt(String),
    #[error("the file was removed or replaced while it was in use: what was in it is gone from here")]
    Replaced,
    #[error("an event of {size} bytes is over the limit of {MAX_EVENT_BYTES} bytes")]
    TooLarge { size: usize },
    #[error("{0}")]
    Other(String),
    #[error("the queue was closed")]
    Closed,
}

impl Fault {
    /// Whether only a changed configuration, file or permission helps, so that trying again is vain.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NoFolder | Self::IsDirectory | Self::NotADatabase | Self::NotAQueue => true,
            Self::Newer { .. } | Self::ReadOnly | Self::NoWal => true,
            Self::Corrupt(_) | Self::TooLarge { .. } => true,
            Self::Full | Self::Locked | Self::Replaced | Self::CannotOpen | Self::Other(_) | Self::Closed => false,
        }
    }

    /// Whether the same command alone, without those it shared a transaction with, may succeed.
    pub fn may_pass_alone(&self) -> bool {
        !matches!(self, Self::Locked | Self::Replaced | Self::Closed)
    }

    pub fn at(self, path: &Path) -> StoreError {
        StoreError { path: path.to_owned(), fault: self }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error().is_some_and(|error| error.extended_code == NO_ROOM) {
            return Self::Full;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::NotADatabase) => Self::NotADatabase,
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt(error.to_string()),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::CannotOpen) => Self::CannotOpen,
            _ => Self::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: i32, expected: Fault) {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        assert_eq!(Fault::from(error), expected);
    }

    #[test]
    fn each_failure_of_sqlite_has_its_sentence() {
        check(ffi::SQLITE_FULL, Fault::Full);
        check(ffi::SQLITE_IOERR_SHMSIZE, Fault::Full);
        check(ffi::SQLITE_BUSY, Fault::Locked);
        check(ffi::SQLITE_BUSY_RECOVERY, Fault::Locked);
        check(ffi::SQLITE_NOTADB, Fault::NotADatabase);
        check(ffi::SQLITE_READONLY, Fault::ReadOnly);
        check(ffi::SQLITE_READONLY_DIRECTORY, Fault::ReadOnly);
        check(ffi::SQLITE_CANTOPEN, Fault::CannotOpen);
    }

    #[test]
    fn a_message_names_the_file_and_what_to_do() {
        let error = Fault::Newer { found: 7, known: 1 }.at(Path::new("events.db"));
        let text = "events.db: a queue of version 7, this siphon knows versions up to 1: use a newer siphon";
        assert_eq!(error.to_string(), text);
        let error = Fault::Locked.at(Path::new("events.db"));
        assert!(error.to_string().starts_with("events.db: locked by another process for 10s: "));
    }
}
