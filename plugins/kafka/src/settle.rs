//! Verdicts on their way to the group's committed positions.

use std::sync::Arc;

use siphon_sdk::{Error, Settlement, Settler};

use crate::session::{Session, waiting};

/// The settling half: notes verdicts, which the receiving half commits.
pub struct Verdicts {
    session: Arc<Session>,
}

impl Verdicts {
    pub fn new(session: Arc<Session>) -> Self {
        Self { session }
    }
}

impl Settler for Verdicts {
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        self.session.settle(settlements);
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Error> {
        waiting(&self.session, Session::ask).await
    }

    async fn close(&mut self) -> Result<(), Error> {
        waiting(&self.session, Session::close).await
    }
}
