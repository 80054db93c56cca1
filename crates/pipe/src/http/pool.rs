//! The connections that are kept, and the task that closes the old ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::connect::{Connection, Shared};
use super::idle::{IdleLimits, IdleSet, Kept, Peer};
use super::shared::{Place, ShareLimits, SharedSet};

pub(super) struct Pool(Mutex<Shelf>);

struct Shelf {
    idle: IdleSet<Connection>,
    shared: SharedSet<Shared>,
    /// Who may speak HTTP/2: one opens, the others wait. `None`: speaks HTTP/1.1.
    gates: HashMap<Peer, Option<Arc<Semaphore>>>,
    is_watched: bool,
}

impl Pool {
    pub fn new(limits: IdleLimits, share: ShareLimits) -> Self {
        let (idle, shared) = (IdleSet::new(limits), SharedSet::new(share));
        Self(Mutex::new(Shelf { idle, shared, gates: HashMap::new(), is_watched: false }))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn take(&self, peer: &Peer) -> Option<Kept<Connection>> {
        self.shelf().idle.take(peer, Instant::now(), |connection| !connection.sender.is_closed())
    }

    pub fn give(self: &Arc<Self>, peer: &Peer, kept: Kept<Connection>) {
        if kept.connection.sender.is_closed() {
            return;
        }
        let now = Instant::now();
        let mut shelf = self.shelf();
        let _no_room = shelf.idle.give(peer, kept, now);
        self.watch(&mut shelf, now);
    }

    pub fn take_shared(&self, peer: &Peer) -> Option<(Shared, Place)> {
        self.shelf().shared.take(peer, Instant::now(), |sender| !sender.is_closed())
    }

    /// The peer takes no more calls over the connections that are shared.
    pub fn forget_shared(&self, peer: &Peer) {
        self.shelf().shared.forget(peer);
    }

    /// Lets others call over a new connection, unless it is for one call only (`keep` is false).
    pub fn share(self: &Arc<Self>, peer: &Peer, sender: Shared, keep: bool) -> Place {
        let now = Instant::now();
        let mut shelf = self.shelf();
        if !keep {
            return Place::alone();
        }
        let place = shelf.shared.put(peer, sender, now);
        self.watch(&mut shelf, now);
        place
    }

    /// Whose turn it is to open a connection that can be shared; `None`: the peer has none.
    pub fn gate(&self, peer: &Peer) -> Option<Arc<Semaphore>> {
        let mut shelf = self.shelf();
        if let Some(gate) = shelf.gates.get(peer) {
            return gate.clone();
        }
        shelf.gates.entry(peer.clone()).or_insert_with(|| Some(Arc::new(Semaphore::new(1)))).clone()
    }

    /// The peer has chosen HTTP/1.1.
    pub fn shares_nothing(&self, peer: &Peer) {
        self.shelf().gates.insert(peer.clone(), None);
    }

    fn watch(self: &Arc<Self>, shelf: &mut Shelf, now: Instant) {
        if shelf.is_watched {
            return;
        }
        if let Some(next) = shelf.expire(now) {
            shelf.is_watched = true;
            tokio::spawn(watch(Arc::downgrade(self), next));
        }
    }

    fn expire(&self) -> Option<Instant> {
        let mut shelf = self.shelf();
        let next = shelf.expire(Instant::now());
        shelf.is_watched = next.is_some();
        next
    }
}

impl Shelf {
    fn expire(&mut self, now: Instant) -> Option<Instant> {
        [self.idle.expire(now), self.shared.expire(now)].into_iter().flatten().min()
    }
}

/// Runs while there are connections that can grow old; ends with the pool.
async fn watch(pool: Weak<Pool>, first: Instant) {
    let mut next = first;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(later) = pool.upgrade().and_then(|pool| pool.expire()) else { return };
        next = later;
    }
}
