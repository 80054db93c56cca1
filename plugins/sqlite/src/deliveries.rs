//! Events that were handed over and wait for their verdict.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::Ticket;

/// The deliveries of one connection, by the number that the host knows each under: 1, 2, 3, …
///
/// An event's own number would not do: after a lease was lost, the same event may be delivered again while its first
/// delivery is still at work, and a late verdict on the first must not settle the second.
#[derive(Debug, Default)]
pub struct Deliveries {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    tickets: HashMap<u64, Ticket>,
}

impl Deliveries {
    /// Numbers the delivery of `ticket`.
    pub fn add(&self, ticket: Ticket) -> u64 {
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        open.tickets.insert(id, ticket);
        id
    }

    /// The ticket of delivery `id`, once.
    pub fn take(&self, id: u64) -> Option<Ticket> {
        self.lock().tickets.remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_deliveries_of_one_event_are_apart_and_each_ends_once() {
        let deliveries = Deliveries::default();
        let (first, second) = (Ticket { id: 7, lease: -5 }, Ticket { id: 7, lease: 9 });
        assert_eq!((deliveries.add(first), deliveries.add(second)), (1, 2));
        assert_eq!((deliveries.take(1), deliveries.take(1)), (Some(first), None));
        assert_eq!(deliveries.take(2), Some(second));
    }
}
