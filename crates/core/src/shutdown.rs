//! How agents learn that the process ends.

use tokio::sync::watch;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Running,
    /// Stop asking for events, finish what is in the pipe within the grace period.
    Draining,
    /// Stop now.
    Ending,
}

/// The side that decides.
#[derive(Debug)]
pub struct ShutdownHandle(watch::Sender<Phase>);

/// The side that listens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

impl Default for ShutdownHandle {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }
}

impl ShutdownHandle {
    /// Moves on; never back.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| phase > std::mem::replace(now, phase.max(*now)));
    }

    pub fn listen(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

impl Shutdown {
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until `phase` or a later one. A handle that was dropped counts as [`Phase::Ending`].
    pub async fn reached(&mut self, phase: Phase) {
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_never_go_back() {
        let handle = ShutdownHandle::default();
        let shutdown = handle.listen();
        handle.advance(Phase::Ending);
        handle.advance(Phase::Draining);
        assert_eq!(shutdown.phase(), Phase::Ending);
    }

    #[tokio::test]
    async fn a_listener_wakes_at_its_phase_or_later() {
        let handle = ShutdownHandle::default();
        let mut shutdown = handle.listen();
        handle.advance(Phase::Ending);
        shutdown.reached(Phase::Draining).await;
        assert_eq!(shutdown.phase(), Phase::Ending);
    }
}
