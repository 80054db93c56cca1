//! Whether a path still names the file that was opened.
//!
//! SQLite goes on with a file that was deleted or replaced, and everything written then is lost when
//! the last process closes it. So we look before we confirm.

use std::path::Path;

use super::error::Fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    file: u64,
}

impl Identity {
    #[cfg(unix)]
    pub fn of(path: &Path) -> Result<Self, Fault> {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::metadata(path).map_err(|_| Fault::Replaced)?;
        Ok(Self { device: found.dev(), file: found.ino() })
    }

    /// Elsewhere an open file cannot be removed.
    #[cfg(not(unix))]
    pub fn of(_: &Path) -> Result<Self, Fault> {
        Ok(Self { device: 0, file: 0 })
    }

    /// # Errors
    ///
    /// [`Fault::Replaced`] when `path` names another file or none.
    pub fn check(self, path: &Path) -> Result<(), Fault> {
        if Self::of(path)? == self { Ok(()) } else { Err(Fault::Replaced) }
    }
}
