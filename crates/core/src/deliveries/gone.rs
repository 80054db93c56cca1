//! What a source has lost while it stays open.

use std::collections::HashMap;

use crate::plugin::Handle;

/// What a connection has lost: an event of it that fails later must not be kept.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    /// The newest generation whose connection is gone.
    lost: Option<u64>,
    /// The newest generation of each partition that was revoked.
    revoked: HashMap<i32, u64>,
}

impl Gone {
    pub(crate) fn lose(&mut self, generation: u64) {
        self.lost = self.lost.max(Some(generation));
    }

    pub(crate) fn revoke(&mut self, partition: i32, generation: u64) {
        let newest = self.revoked.entry(partition).or_insert(generation);
        *newest = generation.max(*newest);
    }

    pub(crate) fn has(&self, handle: Handle, partition: Option<i32>) -> bool {
        let revoked = partition.and_then(|partition| self.revoked.get(&partition)).copied();
        self.lost.max(revoked).is_some_and(|generation| handle.generation <= generation)
    }
}
