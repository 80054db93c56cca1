//! Does what the configuration says about a call, before the call does its work.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use siphon_sdk::Error;

use crate::config::{Call, Config};

/// Between two looks for the file that ends a block.
const LOOK: Duration = Duration::from_millis(2);

/// Counts the calls of one driver.
#[derive(Debug)]
pub struct Script {
    config: Config,
    calls: Mutex<BTreeMap<Call, u32>>,
}

impl Script {
    pub fn new(config: Config) -> Self {
        Self { config, calls: Mutex::default() }
    }

    /// Panics, stalls or fails when it is this call's turn to.
    pub async fn enter(&self, call: Call) -> Result<(), Error> {
        if self.count(call) <= self.config.after {
            return Ok(());
        }
        tracing::debug!(?call, "about to misbehave");
        assert!(!self.config.panic.contains(&call), "told to panic in {call:?}");
        if self.config.block.contains(&call) {
            self.block();
        }
        if self.config.stall.contains(&call) {
            std::future::pending::<()>().await;
        }
        match self.config.fail.contains(&call) {
            true => Err(Error::connection(format!("told to fail in {call:?}"))),
            false => Ok(()),
        }
    }

    /// Not one task but the thread: what a driver does that calls a blocking client.
    fn block(&self) {
        let is_released = || self.config.release.as_ref().is_some_and(|file| file.exists());
        while !is_released() {
            std::thread::sleep(LOOK);
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn floods(&self) -> bool {
        self.config.flood
    }

    fn count(&self, call: Call) -> u32 {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(call).or_insert(0);
        *count += 1;
        *count
    }
}
