//! How many bytes the scripts of an event may take outside of their state, whose own limit does not see them.

use super::data::Item;
use crate::json::Text;

/// Bytes that scripts may add to the data of one event, by what they set. The Lua state's own limit does not see them.
const DATA_LIMIT: usize = 64 * 1024 * 1024;

/// Bytes that scripts may decode, look into and fetch for one event.
const TAKEN_LIMIT: usize = 256 * 1024 * 1024;

/// What is left of a limit.
#[derive(Debug)]
pub(super) struct Allowance {
    left: usize,
    /// What the script does that has too much of it, in words.
    excess: fn() -> String,
}

/// Of [`DATA_LIMIT`].
impl Default for Allowance {
    fn default() -> Self {
        Self { left: DATA_LIMIT, excess: || format!("the script adds more than {DATA_LIMIT} bytes to the data") }
    }
}

impl Allowance {
    /// Of [`TAKEN_LIMIT`].
    pub fn taken() -> Self {
        let excess = || {
            format!("the script decodes and fetches more than {TAKEN_LIMIT} bytes; close each http_response after use")
        };
        Self { left: TAKEN_LIMIT, excess }
    }

    /// # Errors
    ///
    /// A sentence when `bytes` more are too many.
    pub fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or_else(self.excess)?;
        Ok(())
    }

    /// What was spent is free again.
    pub fn give_back(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(bytes);
    }

    /// Bytes that one value takes beside its text, with its place in the table of keys.
    pub const VALUE: usize = size_of::<(Text, Item)>() + size_of::<(Text, usize)>();
}
