//! The queue behind the driver: in memory, by name, for the life of the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

static QUEUES: OnceLock<Mutex<HashMap<String, Arc<Queue>>>> = OnceLock::new();

/// Events that wait and events that are out.
#[derive(Debug, Default)]
pub struct Queue {
    events: Mutex<Events>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Events {
    next: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    out: BTreeMap<u64, Vec<u8>>,
}

impl Queue {
    /// The queue of that name; a new one begins with `events` events.
    pub fn named(name: &str, events: u64) -> Arc<Self> {
        let queues = QUEUES.get_or_init(Mutex::default);
        let mut queues = queues.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let queue = Self::default();
            (0..events).for_each(|number| queue.add(format!(r#"{{"number":{number}}}"#).into_bytes()));
            Arc::new(queue)
        };
        Arc::clone(queues.entry(name.to_owned()).or_insert_with(new))
    }

    pub fn add(&self, payload: Vec<u8>) {
        let mut events = self.lock();
        events.next += 1;
        let id = events.next;
        events.waiting.insert(id, payload);
        drop(events);
        self.changed.notify_one();
    }

    /// Waits until there are events, and takes up to `max`. Cancel-safe.
    pub async fn take(&self, max: usize) -> Vec<(u64, Vec<u8>)> {
        loop {
            let taken = self.take_now(max);
            if !taken.is_empty() {
                return taken;
            }
            self.changed.notified().await;
        }
    }

    fn take_now(&self, max: usize) -> Vec<(u64, Vec<u8>)> {
        let mut events = self.lock();
        let mut taken = Vec::new();
        while taken.len() < max {
            let Some((id, payload)) = events.waiting.pop_first() else { break };
            events.out.insert(id, payload.clone());
            taken.push((id, payload));
        }
        taken
    }

    /// The event is done.
    pub fn forget(&self, id: u64) {
        self.lock().out.remove(&id);
    }

    /// The event is to be delivered again.
    pub fn give_back(&self, id: u64) {
        let mut events = self.lock();
        if let Some(payload) = events.out.remove(&id) {
            events.waiting.insert(id, payload);
        }
        drop(events);
        self.changed.notify_one();
    }

    /// The connection is gone: everything that is out is to be delivered again.
    pub fn give_back_all(&self) {
        let mut events = self.lock();
        let out = std::mem::take(&mut events.out);
        events.waiting.extend(out);
        drop(events);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
