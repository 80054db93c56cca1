//! Which of many equal lines are written.
//!
//! A backend that is down fails every event with the same words, thousands a second. Per text, the first few lines of a
//! window are written and the rest is counted; when the window is over one line tells how many there were. Time comes
//! in as an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How much of the same is written.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Lines of one text that are written in a window.
    pub at_once: u32,
    /// Length of a window, from the first line of its text.
    pub window: Duration,
    /// Texts that are told apart at a time. Texts beyond share one entry, so that errors which name each event
    /// separately cannot grow the table.
    pub texts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 5, window: Duration::from_secs(10), texts: 64 }
    }
}

/// What was not written of one text while its window was open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The text, or `None` for those that found no room in the table.
    pub text: Option<String>,
    /// Lines that were counted and not written. Never 0.
    pub hidden: u64,
    /// From the first line of the window to its end.
    pub over: Duration,
}

/// The limiter. One per agent, so that one agent's trouble never hides another's.
#[derive(Debug, Default)]
pub struct Repeats {
    limits: Limits,
    windows: HashMap<String, Window>,
    overflow: Option<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    written: u32,
    hidden: u64,
}

impl Repeats {
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Notes one line with `text` and says whether to write it. Call [`ended`](Self::ended) before, so that the
    /// summary of a window stands before the lines of the next.
    pub fn is_written(&mut self, text: &str, now: Instant) -> bool {
        let limits = self.limits;
        self.window(text, now).note(limits.at_once)
    }

    /// Takes out the windows that are over at `now` and tells what they hid, in the order in which they began.
    pub fn ended(&mut self, now: Instant) -> Vec<Summary> {
        let length = self.limits.window;
        self.take(now, |window| now.saturating_duration_since(window.since) >= length)
    }

    /// Takes out every window, over or not: the agent ends.
    pub fn finish(&mut self, now: Instant) -> Vec<Summary> {
        self.take(now, |_| true)
    }

    fn window(&mut self, text: &str, now: Instant) -> &mut Window {
        let known = self.windows.contains_key(text);
        if !known && self.windows.len() >= self.limits.texts {
            return self.overflow.get_or_insert_with(|| Window::starting(now));
        }
        if !known {
            self.windows.insert(text.to_owned(), Window::starting(now));
        }
        self.windows.get_mut(text).expect("inserted above")
    }

    fn take(&mut self, now: Instant, is_over: impl Fn(&Window) -> bool) -> Vec<Summary> {
        let ended = self.windows.extract_if(|_, window| is_over(window));
        let named = ended.map(|(text, window)| (Some(text), window));
        let nameless = self.overflow.take_if(|window| is_over(window)).map(|window| (None, window));
        let mut ended: Vec<_> = named.chain(nameless).filter(|(_, window)| window.hidden > 0).collect();
        ended.sort_by(|one, other| (one.1.since, &one.0).cmp(&(other.1.since, &other.0)));
        ended.into_iter().map(|(text, window)| window.summary(text, now)).collect()
    }
}

impl Window {
    fn starting(since: Instant) -> Self {
        Self { since, written: 0, hidden: 0 }
    }

    fn note(&mut self, at_once: u32) -> bool {
        let is_written = self.written < at_once;
        if is_written {
            self.written += 1;
        } else {
            self.hidden += 1;
        }
        is_written
    }

    fn summary(self, text: Option<String>, now: Instant) -> Summary {
        Summary { text, hidden: self.hidden, over: now.saturating_duration_since(self.since) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { at_once: 2, window: Duration::from_secs(10), texts: 2 };

    /// Notes `(second, text)` in turn and expects the log of `+text` (written), `-text` (hidden) and `text*hidden`
    /// (a summary; `?` where texts share an entry), with what is left at the end.
    #[track_caller]
    fn check(lines: &[(u64, &str)], expected: &[&str]) {
        let start = Instant::now();
        let mut repeats = Repeats::new(LIMITS);
        let mut log = Vec::new();
        for (second, text) in lines {
            let now = start + Duration::from_secs(*second);
            log.extend(repeats.ended(now).into_iter().map(shown));
            let sign = if repeats.is_written(text, now) { '+' } else { '-' };
            log.push(format!("{sign}{text}"));
        }
        log.extend(repeats.finish(start + Duration::from_secs(1_000)).into_iter().map(shown));
        assert_eq!(log, expected);
    }

    fn shown(summary: Summary) -> String {
        format!("{}*{}", summary.text.as_deref().unwrap_or("?"), summary.hidden)
    }

    #[test]
    fn the_first_lines_of_a_text_are_written_and_the_rest_is_counted() {
        check(&[(0, "a"), (0, "a"), (1, "a"), (2, "a")], &["+a", "+a", "-a", "-a", "a*2"]);
    }

    #[test]
    fn after_a_window_the_summary_comes_first_and_lines_are_written_again() {
        check(&[(0, "a"), (0, "a"), (9, "a"), (10, "a")], &["+a", "+a", "-a", "a*1", "+a"]);
    }

    #[test]
    fn a_window_that_hid_nothing_has_no_summary() {
        check(&[(0, "a"), (10, "a"), (20, "a")], &["+a", "+a", "+a"]);
    }

    #[test]
    fn each_text_has_its_own_window() {
        check(&[(0, "a"), (0, "a"), (0, "b"), (0, "a"), (0, "b")], &["+a", "+a", "+b", "-a", "+b", "a*1"]);
    }

    #[test]
    fn texts_beyond_the_table_share_one_window() {
        let lines = [(0, "a"), (0, "b"), (0, "c"), (0, "d"), (0, "e"), (0, "f")];
        check(&lines, &["+a", "+b", "+c", "+d", "-e", "-f", "?*2"]);
    }

    #[test]
    fn a_summary_tells_over_which_time() {
        let start = Instant::now();
        let mut repeats = Repeats::new(LIMITS);
        let written = (0..5).filter(|_| repeats.is_written("a", start)).count();
        assert_eq!(written, 2);
        let over = Duration::from_secs(12);
        let expected = Summary { text: Some("a".into()), hidden: 3, over };
        assert_eq!(repeats.ended(start + over), [expected]);
    }

    proptest! {
        #[test]
        fn every_line_is_written_or_counted(lines in prop::collection::vec((0u64..5, 0u8..6), 0..200)) {
            let (mut repeats, start) = (Repeats::new(LIMITS), Instant::now());
            let (mut now, mut written, mut hidden) = (start, 0, 0);
            for (wait, text) in &lines {
                now += Duration::from_secs(*wait);
                hidden += repeats.ended(now).iter().map(|summary| summary.hidden).sum::<u64>();
                written += u64::from(repeats.is_written(&text.to_string(), now));
                prop_assert!(repeats.windows.len() <= LIMITS.texts);
            }
            hidden += repeats.finish(now).iter().map(|summary| summary.hidden).sum::<u64>();
            prop_assert_eq!(written + hidden, lines.len() as u64);
        }
    }
}
