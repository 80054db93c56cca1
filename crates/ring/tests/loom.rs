//! Every interleaving of a driver that pushes and a host that sleeps. Run by `cargo xtask test`, in a target folder of its own:
//! `RUSTFLAGS="--cfg siphon_loom" cargo test --release -p siphon-ring --test loom`.
#![cfg(siphon_loom)]

use loom::sync::{Arc, Condvar, Mutex};
use siphon_ring::{Limits, Ring, Taken};

/// A doorbell that keeps one ring, as the host's does.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

type Shared = (Arc<Ring<u32, &'static str>>, Arc<Bell>);

fn shared() -> Shared {
    (Arc::new(Ring::new(Limits { messages: 4, bytes: 100 })), Arc::new(Bell::default()))
}

/// Takes until the end, sleeping whenever there is nothing. loom reports a deadlock if a wake-up is lost.
fn drain((ring, bell): &Shared) -> Vec<u32> {
    let mut out = Vec::new();
    loop {
        match ring.take(9, 2, |item| out.push(item)) {
            Taken::Ended(_) => return out,
            Taken::Items(0) => bell.wait(),
            Taken::Items(_) => {}
        }
    }
}

#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let shared = shared();
        let (ring, bell) = shared.clone();
        let driver = loom::thread::spawn(move || {
            for n in 0..2 {
                if ring.push([(n, 1)]) {
                    bell.ring();
                }
            }
            ring.end("done");
            bell.ring();
        });
        assert_eq!(drain(&shared), [0, 1]);
        driver.join().unwrap();
    });
}

#[test]
fn two_drivers_threads_may_push_at_once() {
    loom::model(|| {
        let shared = shared();
        let push = |n: u32, (ring, bell): Shared| {
            loom::thread::spawn(move || {
                if ring.push([(n, 1)]) {
                    bell.ring();
                }
            })
        };
        let (first, second) = (push(1, shared.clone()), push(2, shared.clone()));
        let mut got = Vec::new();
        while got.len() < 2 {
            if shared.0.take(9, 2, |item| got.push(item)) == Taken::Items(0) {
                shared.1.wait();
            }
        }
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// A host whose places are all taken waits for notices alone, while messages come and stay.
#[test]
fn a_busy_host_hears_a_notice_and_then_finds_the_messages() {
    loom::model(|| {
        let (ring, bell) = shared();
        let (driver_ring, driver_bell) = (Arc::clone(&ring), Arc::clone(&bell));
        let driver = loom::thread::spawn(move || {
            if driver_ring.push([(1, 1)]) {
                driver_bell.ring();
            }
            driver_ring.push_notice(70);
            driver_bell.ring();
        });
        let mut got = Vec::new();
        while ring.take(9, 0, |item| got.push(item)) == Taken::Items(0) {
            bell.wait();
        }
        while ring.take(9, 2, |item| got.push(item)) == Taken::Items(0) {
            bell.wait();
        }
        assert_eq!(got, [70, 1]);
        driver.join().unwrap();
    });
}

/// The model bites: a driver that forgets to ring leaves the host asleep.
#[test]
#[should_panic]
fn a_driver_that_does_not_ring_is_caught() {
    loom::model(|| {
        let shared = shared();
        let ring = shared.0.clone();
        let driver = loom::thread::spawn(move || {
            let _ = ring.push([(1, 1)]);
            ring.end("done");
        });
        drain(&shared);
        driver.join().unwrap();
    });
}
