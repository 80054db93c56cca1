//! Which kept-alive connections may be used again. A plain struct: it opens and closes nothing.

use std::collections::HashMap;
use std::time::Duration;

use ::http::Uri;
use ::http::uri::{Authority, Scheme};
use tokio::time::Instant;

use super::proxy::bare;
use super::user;

/// Whom a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub tls: bool,
    /// Without user and password.
    pub authority: Authority,
}

impl Peer {
    /// `None`: a URL without a host.
    pub fn of(url: &Uri) -> Option<Self> {
        let authority = url.authority()?;
        let has_user = authority.as_str().contains('@');
        let authority = if has_user { user::without(authority) } else { authority.clone() };
        Some(Self { tls: url.scheme() == Some(&Scheme::HTTPS), authority })
    }

    /// Name or address, and the port.
    pub fn host_and_port(&self) -> (&str, u16) {
        (bare(self.authority.host()), self.authority.port_u16().unwrap_or(if self.tls { 443 } else { 80 }))
    }
}

/// How much may lie idle, and for how long.
#[derive(Debug, Clone)]
pub(super) struct IdleLimits {
    pub per_host: usize,
    /// Over all hosts.
    pub total: usize,
    /// Time without use; `None`: for ever.
    pub timeout: Option<Duration>,
    /// Time since it was opened.
    pub age: Duration,
}

/// A connection and its age.
#[derive(Debug)]
pub(super) struct Kept<C> {
    pub connection: C,
    pub opened: Instant,
}

/// Idle connections by peer; the one used last is used next, so that the others can grow old.
#[derive(Debug)]
pub(super) struct IdleSet<C> {
    limits: IdleLimits,
    hosts: HashMap<Peer, Vec<(Kept<C>, Instant)>>,
    total: usize,
}

impl<C> IdleSet<C> {
    pub fn new(limits: IdleLimits) -> Self {
        Self { limits, hosts: HashMap::new(), total: 0 }
    }

    /// The connection to `peer` that was used last. Those that are too old or not `usable` any more are dropped.
    pub fn take(&mut self, peer: &Peer, now: Instant, usable: impl Fn(&C) -> bool) -> Option<Kept<C>> {
        let IdleLimits { timeout, age, .. } = self.limits;
        let host = self.hosts.get_mut(peer)?;
        while let Some((kept, since)) = host.pop() {
            self.total -= 1;
            let is_fresh = !is_old(since, now, timeout) && !is_old(kept.opened, now, Some(age));
            if is_fresh && usable(&kept.connection) {
                return Some(kept);
            }
        }
        self.hosts.remove(peer);
        None
    }

    /// Keeps a connection; gives it back when there is no room, or when it is so old that its name should be looked up
    /// again.
    pub fn give(&mut self, peer: &Peer, kept: Kept<C>, now: Instant) -> Option<Kept<C>> {
        let is_full = self.total >= self.limits.total || self.limits.per_host == 0;
        if is_full || is_old(kept.opened, now, Some(self.limits.age)) {
            return Some(kept);
        }
        // The key is cloned only for a peer that has nothing idle.
        let host = match self.hosts.get_mut(peer) {
            Some(host) => host,
            None => self.hosts.entry(peer.clone()).or_default(),
        };
        if host.len() >= self.limits.per_host {
            return Some(kept);
        }
        host.push((kept, now));
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
        IdleSet::new(IdleLimits { per_host, total, timeout: Some(10 * SECOND), age: 60 * SECOND })
    }

    /// Gives a connection that was opened at `opened`; whether it was kept.
    fn give(set: &mut IdleSet<u32>, name: &'static str, connection: u32, opened: Instant, now: Instant) -> bool {
        set.give(&peer(name), Kept { connection, opened }, now).is_none()
    }

    fn take(set: &mut IdleSet<u32>, name: &'static str, now: Instant) -> Option<u32> {
        set.take(&peer(name), now, |id| *id != 3).map(|kept| kept.connection)
    }

    #[test]
    fn a_peer_has_the_port_of_its_scheme_and_no_user() {
        let cases = [
            ("http://h/a", false, ("h", 80)),
            ("https://u:p@h", true, ("h", 443)),
            ("https://[::1]:81", true, ("::1", 81)),
        ];
        for (url, tls, expected) in cases {
            let peer = Peer::of(&Uri::from_static(url)).expect(url);
            assert_eq!((peer.tls, peer.host_and_port()), (tls, expected), "{url}");
            assert!(!peer.authority.as_str().contains('@'));
        }
    }

    #[test]
    fn the_connection_used_last_is_used_next() {
        let (mut set, now) = (set(9, 9), Instant::now());
        assert!(give(&mut set, "a", 1, now, now) && give(&mut set, "a", 2, now, now));
        let taken = ["b", "a", "a", "a"].map(|name| take(&mut set, name, now));
        assert_eq!((taken, set.len()), ([None, Some(2), Some(1), None], 0));
    }

    #[test]
    fn what_finds_no_room_comes_back() {
        let (mut set, now) = (set(2, 3), Instant::now());
        let given = [("a", 1), ("a", 2), ("a", 4), ("b", 5), ("b", 6)];
        let kept = given.map(|(name, id)| give(&mut set, name, id, now, now));
        assert_eq!(kept, [true, true, false, true, false]);
    }

    #[test]
    fn closed_and_unused_connections_are_not_used_again() {
        let (mut set, now) = (set(9, 9), Instant::now());
        give(&mut set, "a", 1, now, now);
        give(&mut set, "a", 2, now, now + 5 * SECOND);
        give(&mut set, "a", 3, now, now + 5 * SECOND);
        let later = now + 11 * SECOND;
        assert_eq!((take(&mut set, "a", later), take(&mut set, "a", later)), (Some(2), None));
    }

    #[test]
    fn a_connection_is_not_kept_for_ever() {
        let (mut set, now) = (set(9, 9), Instant::now());
        assert!(give(&mut set, "a", 1, now, now + 59 * SECOND));
        assert!(!give(&mut set, "a", 1, now, now + 60 * SECOND));
    }

    #[test]
    fn expiring_tells_when_to_look_again() {
        let (mut set, now) = (set(9, 9), Instant::now());
        give(&mut set, "a", 1, now, now);
        give(&mut set, "b", 2, now, now + 4 * SECOND);
        assert_eq!(set.expire(now + 10 * SECOND), Some(now + 14 * SECOND));
        assert_eq!(set.len(), 1);
        assert_eq!((set.expire(now + 14 * SECOND), set.len()), (None, 0));
    }
}
