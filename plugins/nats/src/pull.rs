//! How many events were asked of the server and have not come yet.

use std::time::{Duration, Instant};

/// How long the server keeps a request. One that is lost on the way, with a leader or a connection, is missed for so long
/// at most.
pub const EXPIRES: Duration = Duration::from_secs(10);

/// How much later the server's word about the end of a request may come.
const GRACE: Duration = Duration::from_secs(2);

/// The books about requests.
#[derive(Debug)]
pub struct Pull {
    largest: usize,
    outstanding: usize,
    expires: Duration,
    /// When the newest request has expired for certain.
    over: Option<Instant>,
}

impl Pull {
    /// `largest`: what a request may ask for; `expires`: how long the server keeps one.
    pub fn new(largest: usize, expires: Duration) -> Self {
        Self { largest, outstanding: 0, expires, over: None }
    }

    /// How many to ask for, when there is room for so many: what is missing, if that is at least half. They count as asked
    /// for. 0: nothing.
    pub fn ask(&mut self, room: usize, now: Instant) -> usize {
        let missing = room.min(self.largest).saturating_sub(self.outstanding);
        if missing == 0 || missing < room.min(self.largest).div_ceil(2) {
            return 0;
        }
        self.outstanding += missing;
        self.over = Some(now + self.expires + GRACE);
        missing
    }

    /// One came.
    pub fn arrived(&mut self) {
        self.ended(1);
    }

    /// A request ended with so many of it left.
    pub fn ended(&mut self, count: usize) {
        self.outstanding = self.outstanding.saturating_sub(count);
        if self.outstanding == 0 {
            self.over = None;
        }
    }

    /// The server knows of no request any more.
    pub fn forgotten(&mut self) {
        self.ended(self.outstanding);
    }

    /// When what is outstanding will not come any more, although nobody said so.
    pub fn over(&self) -> Option<Instant> {
        self.over
    }

    pub fn expires(&self) -> Duration {
        self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_asked_for_once_and_again_when_half_of_it_is_missing() {
        let (mut pull, now) = (Pull::new(1_000, EXPIRES), Instant::now());
        assert_eq!([pull.ask(8, now), pull.ask(8, now)], [8, 0]);
        (0..3).for_each(|_| pull.arrived());
        assert_eq!(pull.ask(8, now), 0, "five are on their way");
        pull.arrived();
        assert_eq!([pull.ask(8, now), pull.ask(8, now), pull.ask(0, now)], [4, 0, 0]);
    }

    #[test]
    fn a_single_place_is_asked_for() {
        let (mut pull, now) = (Pull::new(1_000, EXPIRES), Instant::now());
        assert_eq!(pull.ask(1, now), 1);
        pull.arrived();
        assert_eq!(pull.ask(1, now), 1);
    }

    #[test]
    fn the_servers_limit_holds() {
        let (mut pull, now) = (Pull::new(5, EXPIRES), Instant::now());
        assert_eq!([pull.ask(64, now), pull.ask(64, now)], [5, 0]);
    }

    #[test]
    fn what_ended_or_was_forgotten_is_asked_for_anew() {
        let (mut pull, now) = (Pull::new(1_000, EXPIRES), Instant::now());
        pull.ask(8, now);
        pull.arrived();
        pull.ended(7);
        assert_eq!((pull.over(), pull.ask(8, now)), (None, 8));
        assert_eq!(pull.over(), Some(now + EXPIRES + GRACE));
        pull.forgotten();
        assert_eq!((pull.over(), pull.ask(4, now)), (None, 4));
        pull.ended(100);
        assert_eq!(pull.ask(4, now), 4);
    }
}
