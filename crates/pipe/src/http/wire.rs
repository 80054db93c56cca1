//! The request as hyper sends it: origin-form target, our headers around the event's.

use ::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use ::http::uri::{Authority, Parts, PathAndQuery};
use ::http::{Method, Request, Uri};
use bytes::Bytes;
use http_body_util::Full;

use super::exchange::Outgoing;

static SIPHON: HeaderValue = HeaderValue::from_static(concat!("siphon/", env!("CARGO_PKG_VERSION")));
static GZIP: HeaderValue = HeaderValue::from_static("gzip");
static CLOSE: HeaderValue = HeaderValue::from_static("close");
static NOTHING: HeaderValue = HeaderValue::from_static("0");

/// Headers that say how one connection is used, or how long the body is: ours to write, whatever a message says.
static OURS: [HeaderName; 9] =
    [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, TE, TRAILER, UPGRADE, EXPECT, PROXY_AUTHORIZATION];

/// What is the same for all calls of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub ask_for_gzip: bool,
    pub keep_alive: bool,
}

/// Content-Length is written by hyper, which knows the body.
pub(super) fn request(call: &Outgoing, authority: &Authority, habits: Habits) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = origin_form(&call.url);
    *request.headers_mut() = headers(call, authority, habits);
    request
}

fn origin_form(url: &Uri) -> Uri {
    let mut parts = Parts::default();
    parts.path_and_query = Some(url.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}

fn headers(call: &Outgoing, authority: &Authority, habits: Habits) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(call.headers.len() + 4);
    headers.insert(HOST, host(authority));
    for (name, value) in call.headers.iter().filter(|(name, _)| !OURS.contains(name)) {
        headers.append(name, value.clone());
    }
    headers.entry(USER_AGENT).or_insert_with(|| SIPHON.clone());
    if habits.ask_for_gzip && call.method != Method::HEAD {
        headers.entry(ACCEPT_ENCODING).or_insert_with(|| GZIP.clone());
    }
    if !habits.keep_alive {
        headers.insert(CONNECTION, CLOSE.clone());
    }
    if call.body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&call.method) {
        headers.insert(CONTENT_LENGTH, NOTHING.clone());
    }
    headers
}

/// The value of `Host`: without user and password.
pub(crate) fn host(authority: &Authority) -> HeaderValue {
    let text = authority.as_str().rsplit('@').next().unwrap_or_default();
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const HABITS: Habits = Habits { ask_for_gzip: true, keep_alive: true };

    #[track_caller]
    fn check(method: Method, given: &[(&'static str, &'static str)], habits: Habits, expected: &[(&str, &str)]) {
        let headers =
            given.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers = Arc::new(HeaderMap::from_iter(headers));
        let call = Outgoing::new(method, Uri::from_static("http://u:p@h:81/a?b"), headers, Bytes::new());
        let request = request(&call, call.url.authority().expect("one"), habits);
        let mut sent: Vec<_> = request.headers().iter().map(|(k, v)| (k.as_str(), v.to_str().expect("text"))).collect();
        sent.sort_unstable();
        assert_eq!((sent.as_slice(), request.uri().to_string().as_str()), (expected, "/a?b"));
    }

    #[test]
    fn our_headers_stand_around_those_of_the_event() {
        let siphon = concat!("siphon/", env!("CARGO_PKG_VERSION"));
        let given = [("content-type", "text/x")];
        let get = [("accept-encoding", "gzip"), ("content-type", "text/x"), ("host", "h:81"), ("user-agent", siphon)];
        check(Method::GET, &given, HABITS, &get);
        check(Method::HEAD, &given, HABITS, &get[1..]);
        let closing = [("connection", "close"), ("content-length", "0"), ("host", "h:81"), ("user-agent", siphon)];
        check(Method::POST, &[], Habits { ask_for_gzip: false, keep_alive: false }, &closing);
    }

    #[test]
    fn an_event_may_name_its_agent_and_encoding_but_not_its_framing() {
        let given = [
            ("user-agent", "events/2"),
            ("accept-encoding", "br"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("host", "evil"),
            ("connection", "upgrade"),
        ];
        check(Method::GET, &given, HABITS, &[("accept-encoding", "br"), ("host", "h:81"), ("user-agent", "events/2")]);
    }
}
