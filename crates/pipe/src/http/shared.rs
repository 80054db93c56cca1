//! Which connections that carry many calls at once (HTTP/2) may carry one more. A plain struct: it opens and closes
//! nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::idle::Peer;

/// How much one connection may carry, and how long it is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShareLimits {
    /// Calls at once over one connection.
    pub calls: usize,
    /// Time without use; `None`: for ever.
    pub idle: Option<Duration>,
    /// Time since it was opened.
    pub age: Duration,
}

/// A call under way; dropping it makes room for the next.
#[derive(Debug, Clone)]
pub(super) struct Place(#[expect(dead_code, reason = "it counts")] Arc<()>);

impl Place {
    /// The only one on its connection.
    pub fn alone() -> Self {
        Self(Arc::new(()))
    }
}

/// Connections by peer.
#[derive(Debug)]
pub(super) struct SharedSet<C> {
    limits: ShareLimits,
    hosts: HashMap<Peer, Vec<Slot<C>>>,
}

#[derive(Debug)]
struct Slot<C> {
    connection: C,
    opened: Instant,
    used: Instant,
    /// Counted by its clones.
    calls: Arc<()>,
}

impl<C> Slot<C> {
    fn calls(&self) -> usize {
        Arc::strong_count(&self.calls) - 1
    }
}

impl<C: Clone> SharedSet<C> {
    pub fn new(limits: ShareLimits) -> Self {
        Self { limits, hosts: HashMap::new() }
    }

    /// A connection to `peer` with room for one more call. Those that are too old or not `usable` get no new ones.
    pub fn take(&mut self, peer: &Peer, now: Instant, usable: impl Fn(&C) -> bool) -> Option<(C, Place)> {
        let limits = self.limits;
        let host = self.hosts.get_mut(peer)?;
        host.retain(|slot| usable(&slot.connection) && now.duration_since(slot.opened) < limits.age);
        let slot = host.iter_mut().find(|slot| slot.calls() < limits.calls)?;
        slot.used = now;
        Some((slot.connection.clone(), Place(Arc::clone(&slot.calls))))
    }

    /// Gives no new call to the connections to `peer`; those under way go on.
    pub fn forget(&mut self, peer: &Peer) {
        self.hosts.remove(peer);
    }

    /// Shares a new connection; its first place is the caller's.
    pub fn put(&mut self, peer: &Peer, connection: C, now: Instant) -> Place {
        let calls = Arc::new(());
        let place = Place(Arc::clone(&calls));
        let host = self.hosts.entry(peer.clone()).or_default();
        host.push(Slot { connection, opened: now, used: now, calls });
        place
    }

    /// Drops what nobody has used for too long. Returns when the next one may be; `None` when nothing can grow old.
    pub fn expire(&mut self, now: Instant) -> Option<Instant> {
        let idle = self.limits.idle?;
        self.hosts.retain(|_, host| {
            host.retain(|slot| slot.calls() > 0 || now.duration_since(slot.used) < idle);
            !host.is_empty()
        });
        let next = self.hosts.values().flatten().map(|slot| slot.used + idle).min()?;
        // One that carries a long call is looked at again later, not all the time.
        Some(next.max(now + idle / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::uri::Authority;

    const SECOND: Duration = Duration::from_secs(1);

    fn peer() -> Peer {
        Peer { tls: true, authority: Authority::from_static("h") }
    }

    fn set(calls: usize) -> SharedSet<u32> {
        SharedSet::new(ShareLimits { calls, idle: Some(10 * SECOND), age: 60 * SECOND })
    }

    #[test]
    fn a_connection_carries_so_many_calls_at_once_and_no_more() {
        let (mut set, now) = (set(2), Instant::now());
        let first = set.put(&peer(), 1, now);
        let second = set.take(&peer(), now, |_| true).expect("room");
        assert!(set.take(&peer(), now, |_| true).is_none());
        let third = set.put(&peer(), 2, now);
        drop(first);
        assert_eq!(set.take(&peer(), now, |_| true).map(|(id, _)| id), Some(1));
        drop((second, third));
    }

    #[test]
    fn closed_and_old_connections_get_no_new_call() {
        let (mut set, now) = (set(9), Instant::now());
        drop([set.put(&peer(), 1, now), set.put(&peer(), 2, now + 5 * SECOND)]);
        assert_eq!(set.take(&peer(), now, |id| *id != 1).map(|(id, _)| id), Some(2));
        assert!(set.take(&peer(), now + 70 * SECOND, |_| true).is_none());
    }

    #[test]
    fn only_what_nobody_uses_grows_old() {
        let (mut set, now) = (set(9), Instant::now());
        let place = set.put(&peer(), 1, now);
        assert_eq!(set.expire(now + 11 * SECOND), Some(now + 16 * SECOND));
        drop(place);
        assert_eq!(set.expire(now + 11 * SECOND), None);
        assert!(set.take(&peer(), now, |_| true).is_none());
    }
}
