//! The headers of a call: gRPC's own, and the event's as metadata.

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// Names that begin so are the protocol's; those of an event go under another name, as in the reference.
const RESERVED: &str = "grpc-";

/// The longest time that gRPC can say: eight digits, here of milliseconds.
const LONGEST: u128 = 99_999_999;

/// What becomes of an event's headers.
pub(super) struct Metadata {
    /// From name, to name.
    mapping: Vec<(HeaderName, HeaderName)>,
}

impl Metadata {
    /// # Errors
    ///
    /// A key of the component and what is wrong with it: names that no header can have.
    pub fn new(mapping: &BTreeMap<String, String>) -> Result<Self, (String, String)> {
        let name = |from: &str, name: &str| {
            let parsed = HeaderName::try_from(name);
            parsed.map_err(|_| (format!("header_mapping.{from}"), format!("{name:?} is no name of a header")))
        };
        let pairs = mapping.iter().map(|(from, to)| Ok((name(from, from)?, name(from, to)?)));
        pairs.collect::<Result<_, _>>().map(|mapping| Self { mapping })
    }

    /// The headers of a call that has to be done by `deadline`.
    pub fn of(&self, event: &HeaderMap, deadline: Instant, now: Instant) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(event.len() + 2);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-timeout", timeout(deadline.saturating_duration_since(now)));
        let about_the_body = [CONTENT_TYPE, CONTENT_ENCODING, ACCEPT_ENCODING];
        for (name, value) in event.iter().filter(|(name, _)| !about_the_body.contains(name)) {
            headers.append(self.renamed(name), value.clone());
        }
        headers
    }

    fn renamed(&self, name: &HeaderName) -> HeaderName {
        let mapped = self.mapping.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to);
        if !mapped.as_str().starts_with(RESERVED) {
            return mapped.clone();
        }
        HeaderName::try_from(format!("in-{mapped}")).unwrap_or_else(|_| mapped.clone())
    }
}

fn timeout(left: Duration) -> HeaderValue {
    let milliseconds = left.as_millis().clamp(1, LONGEST);
    HeaderValue::try_from(format!("{milliseconds}m")).unwrap_or_else(|_| HeaderValue::from_static("1m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_headers_go_along_and_none_is_taken_for_the_protocols() {
        let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let event = HeaderMap::from_iter([
            pair("content-type", "application/json"),
            pair("x-tenant", "7"),
            pair("grpc-status", "0"),
            pair("traceparent", "00-1-2-01"),
        ]);
        let metadata = Metadata::new(&BTreeMap::from([("X-Tenant".into(), "customer".into())])).expect("names");
        let now = Instant::now();
        let headers = metadata.of(&event, now + Duration::from_millis(1_500), now);
        let mut found: Vec<_> = headers.iter().map(|(k, v)| (k.as_str(), v.to_str().expect("text"))).collect();
        found.sort_unstable();
        let expected = [
            ("content-type", "application/grpc"),
            ("customer", "7"),
            ("grpc-timeout", "1500m"),
            ("in-grpc-status", "0"),
            ("traceparent", "00-1-2-01"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_time_that_is_left_is_said_in_eight_digits_at_most() {
        let cases = [(Duration::ZERO, "1m"), (Duration::from_secs(2), "2000m"), (Duration::MAX, "99999999m")];
        for (left, expected) in cases {
            assert_eq!(timeout(left), expected);
        }
    }

    #[test]
    fn a_name_that_no_header_has_is_refused() {
        let wrong = Metadata::new(&BTreeMap::from([("X-A".into(), "a b".into())])).err();
        assert_eq!(wrong, Some(("header_mapping.X-A".into(), "\"a b\" is no name of a header".into())));
    }
}
