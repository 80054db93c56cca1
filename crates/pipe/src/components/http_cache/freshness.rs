//! How long an answer may be used again, and what a stale one is good for.
//!
//! Source: RFC 9111 as a private cache, without heuristics; stale-if-error is RFC 5861. `s-maxage`, `private` and
//! `must-revalidate` do not count, as in the reference.

use std::time::{Duration, SystemTime};

use ::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, DATE, ETAG, EXPIRES, HeaderMap, HeaderName,
    HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RANGE, TRANSFER_ENCODING, VARY,
};
use ::http::{Method, StatusCode};
use bytes::Bytes;

use crate::http::{Answer, Outgoing};

/// What a call asks of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wishes {
    /// GET or HEAD of a whole thing, without a condition of its own and without `no-store`.
    pub may_use_cache: bool,
    /// `no-cache`: the backend decides.
    pub must_ask: bool,
    /// `max-age`: an older answer will not do.
    pub oldest: Option<Duration>,
}

impl Wishes {
    pub fn of(call: &Outgoing) -> Self {
        let is_whole = ![RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE].iter().any(|name| call.headers.contains_key(name));
        let is_reading = call.method == Method::GET || call.method == Method::HEAD;
        Self {
            may_use_cache: is_reading && is_whole && directive(&call.headers, "no-store").is_none(),
            must_ask: directive(&call.headers, "no-cache").is_some(),
            oldest: seconds(&call.headers, "max-age"),
        }
    }
}

/// Whether an answer may be used again, or at least be asked about.
pub(super) fn may_be_kept(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_good = status.is_success() && status != StatusCode::PARTIAL_CONTENT;
    let has_use = !lifetime(headers).is_zero() || headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED);
    let varies_always = headers.get_all(VARY).iter().any(|value| value.as_bytes().trim_ascii() == b"*");
    is_good && has_use && !varies_always && directive(headers, "no-store").is_none()
}

/// An answer that was kept.
#[derive(Debug)]
pub(super) struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// The headers that `Vary` names, as the call had them.
    varied: Vec<(HeaderName, Vec<HeaderValue>)>,
    /// When the backend made it: `Date`, or when it came if that is earlier or there is none.
    born: SystemTime,
}

impl Kept {
    /// `body` is unpacked, and the headers are about it.
    pub fn new(call: &Outgoing, status: StatusCode, headers: HeaderMap, body: Bytes, now: SystemTime) -> Self {
        let varied = vary(&headers).map(|name| (name.clone(), values(&call.headers, &name))).collect();
        Self { status, varied, born: born(&headers, now), headers, body }
    }

    /// Whether a call with these headers would get the same answer.
    pub fn is_for(&self, headers: &HeaderMap) -> bool {
        self.varied.iter().all(|(name, value)| values(headers, name) == *value)
    }

    pub fn is_fresh(&self, wishes: Wishes, now: SystemTime) -> bool {
        let lifetime = lifetime(&self.headers);
        let lifetime = wishes.oldest.map_or(lifetime, |oldest| lifetime.min(oldest));
        !wishes.must_ask && directive(&self.headers, "no-cache").is_none() && lifetime > self.age(now)
    }

    /// Whether it may be used although the backend fails.
    pub fn may_stand_in(&self, now: SystemTime) -> bool {
        match directive(&self.headers, "stale-if-error") {
            None => false,
            Some("") => true,
            Some(_) => {
                let longest = lifetime(&self.headers) + seconds(&self.headers, "stale-if-error").unwrap_or_default();
                self.age(now) < longest
            }
        }
    }

    /// The call that asks whether this answer still holds, and whether 304 may be its answer.
    pub fn question(&self, call: &Outgoing) -> (Outgoing, bool) {
        let mut call = call.clone();
        let mut can_hold = false;
        for (validator, condition) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
            if let Some(value) = self.headers.get(validator) {
                std::sync::Arc::make_mut(&mut call.headers).insert(condition, value.clone());
                can_hold = true;
            }
        }
        (call, can_hold)
    }

    /// After a 304 with `headers`.
    pub fn renewed(&self, headers: &HeaderMap, now: SystemTime) -> Self {
        const ABOUT_ITSELF: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING];
        let mut merged = self.headers.clone();
        for name in headers.keys().filter(|name| !ABOUT_ITSELF.contains(name)) {
            merged.remove(name);
            headers.get_all(name).iter().for_each(|value| _ = merged.append(name, value.clone()));
        }
        if !headers.contains_key(DATE) {
            merged.remove(DATE); // that of the first answer says nothing about this one
        }
        let (status, body, varied) = (self.status, self.body.clone(), self.varied.clone());
        Self { status, born: born(&merged, now), headers: merged, body, varied }
    }

    pub fn answer(&self, call: &Outgoing) -> Answer {
        Answer::from_memory(call, self.status, self.headers.clone(), self.body.clone())
    }

    /// Bytes of body and headers.
    pub fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let varied = self.varied.iter().flat_map(|(_, values)| values).map(HeaderValue::len);
        self.body.len() + headers.sum::<usize>() + varied.sum::<usize>()
    }

    fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.born).unwrap_or_default()
    }
}

fn born(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    date(headers, DATE).map_or(now, |date| date.min(now))
}

/// `max-age`, else the time from `Date` to `Expires`, else none.
fn lifetime(headers: &HeaderMap) -> Duration {
    if let Some(lifetime) = seconds(headers, "max-age") {
        return lifetime;
    }
    let expires = date(headers, EXPIRES).zip(date(headers, DATE));
    expires.and_then(|(expires, date)| expires.duration_since(date).ok()).unwrap_or_default()
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

/// The value of a directive of `Cache-Control`: empty when it has none.
fn directive<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut parts = lines.flat_map(|line| line.split(',')).map(|part| part.split_once('=').unwrap_or((part, "")));
    let found = parts.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| value.trim().trim_matches('"'))
}

fn seconds(headers: &HeaderMap, wanted: &str) -> Option<Duration> {
    // Longer than any cache lives, and short enough to be added up.
    const LONGEST: u64 = 1 << 31;
    let seconds: u64 = directive(headers, wanted)?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST)))
}

fn vary(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let lines = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|name| HeaderName::try_from(name.trim()).ok())
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn now() -> SystemTime {
        httpdate::parse_http_date(NOW).expect("a date")
    }

    type Lines = &'static [(&'static str, &'static str)];

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn call(lines: &[(&'static str, &'static str)]) -> Outgoing {
        Outgoing::new(Method::GET, "http://h/".parse().expect("a URL"), Arc::new(headers(lines)), Bytes::new())
    }

    fn kept(lines: &[(&'static str, &'static str)]) -> Kept {
        Kept::new(&call(&[]), StatusCode::OK, headers(lines), Bytes::from_static(b"body"), now())
    }

    /// For how many seconds an answer with these headers is fresh for a call with those.
    #[track_caller]
    fn check(answer: &[(&'static str, &'static str)], asked: &[(&'static str, &'static str)], expected: u64) {
        let (kept, wishes) = (kept(answer), Wishes::of(&call(asked)));
        let is_fresh = |second| kept.is_fresh(wishes, now() + Duration::from_secs(second));
        let fresh = (0..1_000).find(|&second| !is_fresh(second)).expect("an end");
        assert_eq!(fresh, expected, "{answer:?} {asked:?}");
    }

    #[test]
    fn an_answer_is_fresh_as_long_as_its_backend_says() {
        check(&[("cache-control", "public, max-age=60")], &[], 60);
        check(&[("cache-control", "Max-Age=\"60\""), ("date", "Sun, 06 Nov 1994 08:49:07 GMT")], &[], 30);
        check(&[("cache-control", "max-age=60"), ("date", "Sun, 06 Nov 1994 09:49:37 GMT")], &[], 60);
        check(&[("expires", "Sun, 06 Nov 1994 08:50:07 GMT"), ("date", NOW)], &[], 30);
        check(&[("expires", "0"), ("date", NOW)], &[], 0);
        check(&[("cache-control", "s-maxage=60")], &[], 0);
        check(&[("cache-control", "max-age=60, no-cache")], &[], 0);
        check(&[("cache-control", "max-age=soon")], &[], 0);
        check(&[], &[], 0);
    }

    #[test]
    fn the_call_may_want_it_fresher() {
        check(&[("cache-control", "max-age=60")], &[("cache-control", "max-age=5")], 5);
        check(&[("cache-control", "max-age=60")], &[("cache-control", "max-age=500")], 60);
        check(&[("cache-control", "max-age=60")], &[("cache-control", "no-cache")], 0);
    }

    #[test]
    fn only_good_whole_answers_with_a_use_are_kept() {
        let max_age: Lines = &[("cache-control", "max-age=60")];
        let cases: [(u16, Lines, bool); 9] = [
            (200, max_age, true),
            (203, max_age, true),
            (206, max_age, false),
            (404, max_age, false),
            (200, &[], false),
            (200, &[("etag", "\"1\"")], true),
            (200, &[("cache-control", "max-age=60, no-store")], false),
            (200, &[("cache-control", "max-age=60"), ("vary", "*")], false),
            (200, &[("cache-control", "max-age=60"), ("vary", "Accept")], true),
        ];
        for (status, lines, expected) in cases {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(may_be_kept(status, &headers(lines)), expected, "{status} {lines:?}");
        }
    }

    #[test]
    fn a_call_with_a_condition_of_its_own_goes_by_the_cache() {
        let may = |call: Outgoing| Wishes::of(&call).may_use_cache;
        assert!(may(call(&[])) && may(Outgoing { method: Method::HEAD, ..call(&[]) }));
        assert!(!may(Outgoing { method: Method::POST, ..call(&[]) }));
        for line in [("range", "bytes=0-1"), ("if-none-match", "\"1\""), ("cache-control", "no-store")] {
            assert!(!may(call(&[line])), "{line:?}");
        }
    }

    #[test]
    fn an_answer_that_varies_is_for_the_same_headers_only() {
        let lines = headers(&[("vary", "X-Tenant, accept"), ("cache-control", "max-age=60")]);
        let kept = Kept::new(&call(&[("x-tenant", "a")]), StatusCode::OK, lines, Bytes::new(), now());
        assert!(kept.is_for(&headers(&[("x-tenant", "a"), ("other", "1")])));
        assert!(!kept.is_for(&headers(&[("x-tenant", "b")])) && !kept.is_for(&headers(&[])));
    }

    #[test]
    fn a_stale_answer_stands_in_for_a_failure_where_that_is_allowed() {
        let cases =
            [("max-age=5", None), ("max-age=5, stale-if-error", Some(999)), ("max-age=5, stale-if-error=10", Some(14))];
        for (control, last) in cases {
            let kept = kept(&[("cache-control", control)]);
            let good = (0..1_000).rev().find(|&second| kept.may_stand_in(now() + Duration::from_secs(second)));
            assert_eq!(good, last, "{control}");
        }
    }

    #[test]
    fn after_a_304_the_answer_is_as_new_as_that_says() {
        let old = kept(&[("etag", "\"1\""), ("cache-control", "max-age=5"), ("content-length", "4"), ("date", NOW)]);
        let (question, can_hold) = old.question(&call(&[]));
        assert_eq!((question.headers.get(IF_NONE_MATCH), can_hold), (Some(&HeaderValue::from_static("\"1\"")), true));
        let later = now() + Duration::from_secs(100);
        let renewed = old.renewed(&headers(&[("cache-control", "max-age=7"), ("content-length", "0")]), later);
        let wishes = Wishes::of(&call(&[]));
        assert!(renewed.is_fresh(wishes, later + Duration::from_secs(6)));
        assert!(!renewed.is_fresh(wishes, later + Duration::from_secs(7)));
        assert_eq!(
            (renewed.headers[CONTENT_LENGTH].as_bytes(), &renewed.body[..]),
            (b"4".as_slice(), b"body".as_slice())
        );
        assert!(!kept(&[]).question(&call(&[])).1);
    }
}
