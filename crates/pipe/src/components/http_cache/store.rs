//! Kept answers within a limit; the one that was not used for longest makes room.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ::http::header::{AUTHORIZATION, COOKIE};
use ::http::{Method, Uri};
use sha2::{Digest, Sha256};

use super::freshness::Kept;
use crate::http::Outgoing;

/// Bytes that an entry takes besides its text: keys, maps, allocations; measured roughly, so that many small answers
/// do not take a multiple of the limit.
const ENTRY_COST: usize = 500;

/// Most of what a store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Limits {
    pub bytes: u64,
    pub items: u64,
}

/// What an answer is the answer to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    scope: u64,
    method: Method,
    url: Uri,
    /// Of the payload, and of who asks.
    digest: [u8; 32],
}

impl Key {
    pub fn of(scope: u64, call: &Outgoing) -> Self {
        let mut digest = Sha256::new();
        for name in [AUTHORIZATION, COOKIE] {
            for value in call.headers.get_all(&name) {
                digest.update(value.len().to_be_bytes());
                digest.update(value.as_bytes());
            }
            digest.update(usize::MAX.to_be_bytes()); // ends the list: no length is this long
        }
        let host = call.host.as_ref().map_or(&b""[..], |host| host.as_bytes());
        digest.update(host.len().to_be_bytes());
        digest.update(host);
        digest.update(&call.body);
        Self { scope, method: call.method.clone(), url: call.url.clone(), digest: digest.finalize().into() }
    }
}

#[derive(Debug)]
pub(super) struct Store {
    limits: Limits,
    bytes: u64,
    entries: HashMap<Key, Slot>,
    /// Grows with each use.
    clock: u64,
    by_use: BTreeMap<u64, Key>,
}

#[derive(Debug)]
struct Slot {
    kept: Arc<Kept>,
    bytes: u64,
    used: u64,
}

impl Store {
    pub fn new(limits: Limits) -> Self {
        Self { limits, bytes: 0, entries: HashMap::new(), clock: 0, by_use: BTreeMap::new() }
    }

    pub fn get(&mut self, key: &Key) -> Option<Arc<Kept>> {
        let slot = self.entries.get_mut(key)?;
        self.clock += 1;
        if let Some(key) = self.by_use.remove(&slot.used) {
            self.by_use.insert(self.clock, key);
        }
        slot.used = self.clock;
        Some(Arc::clone(&slot.kept))
    }

    /// What is larger than the whole store is not kept.
    pub fn put(&mut self, key: Key, kept: Arc<Kept>) {
        self.remove(&key);
        let bytes = (kept.size() + key.url.path().len() + ENTRY_COST) as u64;
        if bytes > self.limits.bytes {
            return;
        }
        self.clock += 1;
        self.bytes += bytes;
        self.by_use.insert(self.clock, key.clone());
        self.entries.insert(key, Slot { kept, bytes, used: self.clock });
        while self.bytes > self.limits.bytes || self.entries.len() as u64 > self.limits.items {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    pub fn remove(&mut self, key: &Key) {
        if let Some(slot) = self.entries.remove(key) {
            self.by_use.remove(&slot.used);
            self.bytes -= slot.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{HeaderMap, HeaderValue, StatusCode};
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::time::SystemTime;

    fn call(body: &'static str, headers: HeaderMap) -> Outgoing {
        Outgoing::new(
            Method::GET,
            Uri::from_static("http://h/"),
            Arc::new(headers),
            Bytes::from_static(body.as_bytes()),
        )
    }

    fn key(number: u8) -> Key {
        Key { scope: u64::from(number), ..Key::of(0, &call("", HeaderMap::new())) }
    }

    fn kept(size: usize) -> Arc<Kept> {
        let body = Bytes::from(vec![b'x'; size]);
        Arc::new(Kept::new(&call("", HeaderMap::new()), StatusCode::OK, HeaderMap::new(), body, SystemTime::UNIX_EPOCH))
    }

    fn held(store: &Store) -> Vec<u64> {
        let mut held: Vec<_> = store.entries.keys().map(|key| key.scope).collect();
        held.sort_unstable();
        held
    }

    #[test]
    fn the_payload_and_who_asks_belong_to_the_key() {
        let of = |body, name, value| {
            Key::of(0, &call(body, HeaderMap::from_iter([(name, HeaderValue::from_static(value))])))
        };
        let one = of("a", AUTHORIZATION, "x");
        assert_eq!(one, of("a", AUTHORIZATION, "x"));
        for other in [of("b", AUTHORIZATION, "x"), of("a", AUTHORIZATION, "y"), of("a", COOKIE, "x")] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let mut store = Store::new(Limits { bytes: 1_000_000, items: 2 });
        store.put(key(1), kept(1));
        store.put(key(2), kept(1));
        assert!(store.get(&key(1)).is_some());
        store.put(key(3), kept(1));
        assert_eq!(held(&store), [1, 3]);
        assert!(store.get(&key(2)).is_none());
    }

    #[test]
    fn what_is_larger_than_the_store_is_not_kept_and_throws_nothing_out() {
        let mut store = Store::new(Limits { bytes: 2_000, items: 9 });
        store.put(key(1), kept(10));
        store.put(key(2), kept(2_000));
        assert_eq!(held(&store), [1]);
        store.put(key(2), kept(1_400));
        assert_eq!(held(&store), [2]);
    }

    proptest! {
        #[test]
        fn no_limit_is_passed_and_no_byte_is_lost(
            steps in prop::collection::vec((0u8..12, 0usize..2_500, 0u8..3), 0..200),
        ) {
            let limits = Limits { bytes: 5_000, items: 4 };
            let mut store = Store::new(limits);
            for (number, size, step) in steps {
                match step {
                    0 => store.remove(&key(number)),
                    1 => _ = store.get(&key(number)),
                    _ => store.put(key(number), kept(size)),
                }
                let sum: u64 = store.entries.values().map(|slot| slot.bytes).sum();
                prop_assert!(store.bytes == sum && sum <= limits.bytes && store.entries.len() as u64 <= limits.items);
                prop_assert_eq!(store.by_use.len(), store.entries.len());
            }
        }
    }
}
