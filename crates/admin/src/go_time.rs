//! Times as Go prints them: what readers of the reference's health know.
//!
//! `2026-11-23 15:23:21.103326775 +0000 UTC m=+5.046984101`: date, time, fraction without trailing zeros, offset, zone,
//! and seconds since the process started.
//!
//! Source: `Time.String` of Go's package `time`; `shared/reference/operations.md` §8.1.

use std::time::SystemTime;

use siphon_telemetry::clock::Utc;

/// `time` in UTC, with the distance from `started`, the start of the process.
pub fn go_time(time: SystemTime, started: SystemTime) -> String {
    let Utc { year, month, day, hour, minute, second, nanosecond } = Utc::from(time);
    let fraction = format!(".{nanosecond:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let since_start = since_start(time, started);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC m={since_start}")
}

/// Seconds with nine decimals and a sign. Negative when the clock was set back since the start.
fn since_start(time: SystemTime, started: SystemTime) -> String {
    let (sign, distance) = match time.duration_since(started) {
        Ok(distance) => ('+', distance),
        Err(error) => ('-', error.duration()),
    };
    format!("{sign}{}.{:09}", distance.as_secs(), distance.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 2026-11-23 15:23:16.056342674, when the process of the reference's example started.
    const STARTED: Duration = Duration::new(1_795_447_396, 56_342_674);

    #[track_caller]
    fn check(time: Duration, expected: &str) {
        assert_eq!(go_time(UNIX_EPOCH + time, UNIX_EPOCH + STARTED), expected);
    }

    #[test]
    fn the_references_example_comes_out_as_it_was_seen() {
        let time = Duration::new(1_795_447_401, 103_326_775);
        check(time, "2026-11-23 15:23:21.103326775 +0000 UTC m=+5.046984101");
    }

    #[test]
    fn trailing_zeros_of_the_fraction_are_cut() {
        check(Duration::new(1_795_447_401, 100_000_000), "2026-11-23 15:23:21.1 +0000 UTC m=+5.043657326");
        check(Duration::new(1_795_447_401, 0), "2026-11-23 15:23:21 +0000 UTC m=+4.943657326");
        check(Duration::new(1_795_447_401, 5), "2026-11-23 15:23:21.000000005 +0000 UTC m=+4.943657331");
    }

    #[test]
    fn a_clock_that_was_set_back_shows_a_minus() {
        check(Duration::new(1_795_447_395, 0), "2026-11-23 15:23:15 +0000 UTC m=-1.056342674");
    }
}
