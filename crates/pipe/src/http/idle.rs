//! Which kept-alive connections may be used again. A plain struct: it opens and closes nothing.

use std::collections::HashMap;
use std::time::Duration;

use ::http::uri::Authority;
use tokio::time::Instant;

/// Whom a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub tls: bool,
    pub authority: Authority,
}

/// How much may lie idle.
#[derive(Debug, Clone)]
pub(super) struct IdleLimits {
    pub per_host: usize,
    /// Over all hosts.
    pub total: usize,
    /// `None`: for ever.
    pub timeout: Option<Duration>,
}

/// Idle connections by peer; the one used last is used next, so that the others can grow old.
#[derive(Debug)]
pub(super) struct IdleSet<C> {
    limits: IdleLimits,
    hosts: HashMap<Peer, Vec<(C, Instant)>>,
    total: usize,
}

impl<C> IdleSet<C> {
    pub fn new(limits: IdleLimits) -> Self {
        Self { limits, hosts: HashMap::new(), total: 0 }
    }

    /// The connection to `peer` that was used last. Those that are too old or not `usable` any more are dropped.
    pub fn take(&mut self, peer: &Peer, now: Instant, usable: impl Fn(&C) -> bool) -> Option<C> {
        let timeout = self.limits.timeout;
        let host = self.hosts.get_mut(peer)?;
        while let Some((connection, since)) = host.pop() {
            self.total -= 1;
            if usable(&connection) && !is_old(since, now, timeout) {
                return Some(connection);
            }
        }
        self.hosts.remove(peer);
        None
    }

    /// Keeps a connection; gives it back when there is no room.
    pub fn give(&mut self, peer: &Peer, connection: C, now: Instant) -> Option<C> {
        if self.total >= self.limits.total || self.limits.per_host == 0 {
            return Some(connection);
        }
        // The key is cloned only for a peer that has nothing idle.
        let host = match self.hosts.get_mut(peer) {
            Some(host) => host,
            None => self.hosts.entry(peer.clone()).or_default(),
        };
        if host.len() >= self.limits.per_host {
            return Some(connection);
        }
        host.push((connection, now));
        self.total += 1;
        None
    }

    /// Drops what is too old. Returns when the next one will be; `None` when nothing can grow old.
    pub fn expire(&mut self, now: Instant) -> Option<Instant> {
        let timeout = self.limits.timeout?;
        self.hosts.retain(|_, host| {
            host.retain(|(_, since)| !is_old(*since, now, Some(timeout)));
            !host.is_empty()
        });
        self.total = self.hosts.values().map(Vec::len).sum();
        self.hosts.values().flatten().map(|(_, since)| *since + timeout).min()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.total
    }
}

fn is_old(since: Instant, now: Instant, timeout: Option<Duration>) -> bool {
    timeout.is_some_and(|timeout| now.duration_since(since) >= timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn peer(name: &'static str) -> Peer {
        Peer { tls: false, authority: Authority::from_static(name) }
    }

    fn set(per_host: usize, total: usize) -> IdleSet<u32> {
        IdleSet::new(IdleLimits { per_host, total, timeout: Some(10 * SECOND) })
    }

    #[test]
    fn the_connection_used_last_is_used_next() {
        let (mut set, now) = (set(9, 9), Instant::now());
        set.give(&peer("a"), 1, now);
        set.give(&peer("a"), 2, now);
        assert_eq!(set.take(&peer("b"), now, |_| true), None);
        assert_eq!(set.take(&peer("a"), now, |_| true), Some(2));
        assert_eq!(set.take(&peer("a"), now, |_| true), Some(1));
        assert_eq!((set.take(&peer("a"), now, |_| true), set.len()), (None, 0));
    }

    #[test]
    fn what_finds_no_room_comes_back() {
        let (mut set, now) = (set(2, 3), Instant::now());
        let given = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5)];
        let refused: Vec<_> = given.iter().filter_map(|(name, id)| set.give(&peer(name), *id, now)).collect();
        assert_eq!(refused, [3, 5]);
    }

    #[test]
    fn closed_and_old_connections_are_not_used_again() {
        let (mut set, now) = (set(9, 9), Instant::now());
        set.give(&peer("a"), 1, now);
        set.give(&peer("a"), 2, now + 5 * SECOND);
        set.give(&peer("a"), 3, now + 5 * SECOND);
        assert_eq!(set.take(&peer("a"), now + 11 * SECOND, |id| *id != 3), Some(2));
        assert_eq!(set.take(&peer("a"), now + 11 * SECOND, |_| true), None);
    }

    #[test]
    fn expiring_tells_when_to_look_again() {
        let (mut set, now) = (set(9, 9), Instant::now());
        set.give(&peer("a"), 1, now);
        set.give(&peer("b"), 2, now + 4 * SECOND);
        assert_eq!(set.expire(now + 10 * SECOND), Some(now + 14 * SECOND));
        assert_eq!(set.len(), 1);
        assert_eq!((set.expire(now + 14 * SECOND), set.len()), (None, 0));
    }
}
