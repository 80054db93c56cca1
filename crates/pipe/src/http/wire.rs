//! The request as hyper sends it: the target in the connection's form, our headers around the event's.

use ::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use ::http::uri::{Authority, Parts, PathAndQuery};
use ::http::{Method, Request, Uri};
use bytes::Bytes;
use http_body_util::Full;

use super::exchange::Outgoing;
use super::idle::Peer;
use super::user;

static SIPHON: HeaderValue = HeaderValue::from_static(concat!("siphon/", env!("CARGO_PKG_VERSION")));
static GZIP: HeaderValue = HeaderValue::from_static("gzip");
static CLOSE: HeaderValue = HeaderValue::from_static("close");
static NOTHING: HeaderValue = HeaderValue::from_static("0");
static TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// Headers that say how one connection is used, or how long the body is: ours to write, whatever a message says.
static OURS: [HeaderName; 9] =
    [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, TE, TRAILER, UPGRADE, EXPECT, PROXY_AUTHORIZATION];

/// Whether a header is ours to write: set on an event it would be left behind.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    OURS.contains(name)
}

/// What is the same for all calls of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub ask_for_gzip: bool,
    pub keep_alive: bool,
}

/// How a connection wants its requests.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// HTTP/1.1 to the backend itself.
    Origin,
    /// HTTP/1.1 to a proxy that forwards, with what it asks for.
    Forwarded {
        authorization: Option<HeaderValue>,
    },
    Http2,
}

/// The request for `call`. Content-Length is written by hyper, which knows the body.
pub(super) fn request(call: &Outgoing, peer: &Peer, habits: Habits, form: &Form) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = match form {
        Form::Origin => origin_form(&call.url),
        Form::Forwarded { .. } => absolute_form(&call.url, peer.authority.clone()),
        Form::Http2 => absolute_form(&call.url, named(call).unwrap_or_else(|| peer.authority.clone())),
    };
    *request.headers_mut() = headers(call, peer, habits, form);
    request
}

fn origin_form(url: &Uri) -> Uri {
    let mut parts = Parts::default();
    parts.path_and_query = Some(path(url));
    Uri::from_parts(parts).unwrap_or_default()
}

/// Without user and password.
fn absolute_form(url: &Uri, authority: Authority) -> Uri {
    let mut parts = Parts::default();
    parts.scheme = url.scheme().cloned();
    parts.authority = Some(authority);
    parts.path_and_query = Some(path(url));
    Uri::from_parts(parts).unwrap_or_default()
}

/// The host that a component has put in the place of the URL's.
fn named(call: &Outgoing) -> Option<Authority> {
    Authority::try_from(call.host.as_ref()?.as_bytes()).ok().filter(|host| !host.as_str().contains('@'))
}

fn path(url: &Uri) -> PathAndQuery {
    url.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

fn headers(call: &Outgoing, peer: &Peer, habits: Habits, form: &Form) -> HeaderMap {
    let mut headers = HeaderMap::try_with_capacity(call.headers.keys_len() + 5).unwrap_or_default();
    if !matches!(form, Form::Http2) {
        headers.insert(HOST, call.host.clone().unwrap_or_else(|| host(&peer.authority)));
        if !habits.keep_alive {
            headers.insert(CONNECTION, CLOSE.clone());
        }
    }
    if matches!(form, Form::Http2) && is_grpc(&call.headers) {
        headers.insert(TE, TRAILERS.clone());
    }
    if let Form::Forwarded { authorization: Some(authorization) } = form {
        headers.insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    for (name, value) in call.headers.iter().filter(|(name, _)| !OURS.contains(name)) {
        headers.append(name, value.clone());
    }
    headers.entry(USER_AGENT).or_insert_with(|| SIPHON.clone());
    if habits.ask_for_gzip && call.method != Method::HEAD {
        headers.entry(ACCEPT_ENCODING).or_insert_with(|| GZIP.clone());
    }
    if let Some(basic) = call.url.authority().and_then(user::basic) {
        headers.entry(AUTHORIZATION).or_insert(basic);
    }
    if call.body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&call.method) {
        headers.insert(CONTENT_LENGTH, NOTHING.clone());
    }
    headers
}

/// gRPC has its status in the trailers, and wants to hear that we read them; of `TE`, HTTP/2 allows this value alone
/// (RFC 9113 §8.2.2).
fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The value of `Host` in calls to `url`: without user and password.
pub(crate) fn host_of(url: &Uri) -> Option<HeaderValue> {
    Peer::of(url).map(|peer| host(&peer.authority))
}

fn host(authority: &Authority) -> HeaderValue {
    HeaderValue::from_str(authority.as_str()).unwrap_or_else(|_| HeaderValue::from_static(""))
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
        let request = request(&call, &Peer::of(&call.url).expect("one"), habits, &Form::Origin);
        let mut sent: Vec<_> = request.headers().iter().map(|(k, v)| (k.as_str(), v.to_str().expect("text"))).collect();
        sent.sort_unstable();
        assert_eq!((sent.as_slice(), request.uri().to_string().as_str()), (expected, "/a?b"));
    }

    #[test]
    fn our_headers_stand_around_those_of_the_event() {
        let siphon = concat!("siphon/", env!("CARGO_PKG_VERSION"));
        let given = [("content-type", "text/x")];
        let get = [
            ("accept-encoding", "gzip"),
            ("authorization", "Basic dTpw"),
            ("content-type", "text/x"),
            ("host", "h:81"),
            ("user-agent", siphon),
        ];
        check(Method::GET, &given, HABITS, &get);
        check(Method::HEAD, &given, HABITS, &get[1..]);
        let closing = [
            ("authorization", "Basic dTpw"),
            ("connection", "close"),
            ("content-length", "0"),
            ("host", "h:81"),
            ("user-agent", siphon),
        ];
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
            ("authorization", "Bearer t"),
            ("proxy-authorization", "Basic x"),
        ];
        check(
            Method::GET,
            &given,
            HABITS,
            &[("accept-encoding", "br"), ("authorization", "Bearer t"), ("host", "h:81"), ("user-agent", "events/2")],
        );
    }

    /// Target and headers of `GET http://u:p@h:81/a?b` with `x: y`, in the form of a connection.
    fn formed(form: &Form) -> (String, Vec<String>) {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x"), HeaderValue::from_static("y"))]);
        let url = Uri::from_static("http://u:p@h:81/a?b");
        let call = Outgoing::new(Method::GET, url, Arc::new(headers), Bytes::new());
        let habits = Habits { ask_for_gzip: false, keep_alive: false };
        let request = request(&call, &Peer::of(&call.url).expect("one"), habits, form);
        let mut names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
        names.sort_unstable();
        (request.uri().to_string(), names)
    }

    #[test]
    fn a_proxy_gets_the_whole_url_and_what_it_asks_for() {
        let authorization = Some(HeaderValue::from_static("Basic x"));
        let (url, names) = formed(&Form::Forwarded { authorization });
        assert_eq!(url, "http://h:81/a?b");
        assert_eq!(names, ["authorization", "connection", "host", "proxy-authorization", "user-agent", "x"]);
    }

    #[test]
    fn a_header_may_have_more_values_than_a_map_has_names() {
        let values = (0..40_001).map(|_| (HeaderName::from_static("x"), HeaderValue::from_static("v")));
        let headers = HeaderMap::from_iter(values);
        let call = Outgoing::new(Method::GET, Uri::from_static("http://h/a"), Arc::new(headers), Bytes::new());
        let request = request(&call, &Peer::of(&call.url).expect("one"), HABITS, &Form::Origin);
        assert_eq!(request.headers().get_all("x").iter().count(), 40_001);
    }

    #[test]
    fn a_named_host_stands_in_the_place_of_the_url_s() {
        let named = HeaderValue::from_static("internal.example");
        let url = Uri::from_static("http://u:p@h:81/a?b");
        let call = Outgoing { host: Some(named), ..Outgoing::new(Method::GET, url, Arc::default(), Bytes::new()) };
        let peer = Peer::of(&call.url).expect("one");
        let proxied = Form::Forwarded { authorization: None };
        for (form, target, host) in [
            (Form::Origin, "/a?b", Some("internal.example")),
            (proxied, "http://h:81/a?b", Some("internal.example")),
            (Form::Http2, "http://internal.example/a?b", None),
        ] {
            let request = request(&call, &peer, HABITS, &form);
            assert_eq!(request.uri().to_string(), target);
            assert_eq!(request.headers().get(HOST).map(|value| value.to_str().expect("text")), host);
        }
    }

    #[test]
    fn http_2_has_its_host_in_the_url_and_no_headers_of_a_connection() {
        let (url, names) = formed(&Form::Http2);
        assert_eq!(url, "http://h:81/a?b");
        assert_eq!(names, ["authorization", "user-agent", "x"]);
    }
}
