//! Whether a reply sends the call elsewhere (pipeline.md §10.3). A redirect that would lose a payload is not followed.

use std::sync::Arc;

use ::http::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, REFERER, WWW_AUTHENTICATE,
};
use ::http::uri::{Authority, Scheme};
use ::http::{Method, StatusCode, Uri};
use siphon_telemetry::redact;

use super::exchange::Outgoing;
use crate::hosts::is_callable;
use crate::percent;

/// Hops before a call is given up.
pub(super) const REDIRECT_LIMIT: usize = 10;

/// Characters of a wrong Location in an error.
const SHOWN_LIMIT: usize = 200;

/// What a backend's configuration says about redirects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RedirectPolicy {
    /// 307 and 308 are followed with the payload.
    pub send_body: bool,
    /// Nothing is followed.
    pub never: bool,
}

/// The call to make next; `None`: the reply is the answer.
///
/// # Errors
///
/// The reason when the reply leads to a place that cannot be called.
pub(super) fn next(
    call: &Outgoing,
    status: StatusCode,
    headers: &HeaderMap,
    policy: RedirectPolicy,
) -> Result<Option<Outgoing>, String> {
    let Some(method) = next_method(call, status, policy) else { return Ok(None) };
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let location = String::from_utf8_lossy(location.as_bytes());
    let url = resolve(&call.url, &location).ok_or_else(|| unreadable(&location))?;
    if !is_http(&url) {
        let scheme = url.scheme_str().unwrap_or_default();
        return Err(format!("unsupported protocol scheme \"{scheme}\""));
    }
    let headers = next_headers(call, &url, method == call.method);
    let is_abroad = call.is_abroad || call.url.host() != url.host();
    // Another server has names of its own.
    let host = call.host.clone().filter(|_| call.url.authority() == url.authority());
    Ok(Some(Outgoing { host, is_abroad, ..Outgoing::new(method, url, Arc::new(headers), call.body.clone()) }))
}

/// Long ones are cut.
fn unreadable(location: &str) -> String {
    let shown: String = redact::written(location).chars().take(SHOWN_LIMIT).collect();
    format!("failed to parse Location header \"{shown}\"")
}

/// The method of the next call, when the status asks for one and nothing gets lost on the way.
fn next_method(call: &Outgoing, status: StatusCode, policy: RedirectPolicy) -> Option<Method> {
    let is_safe = call.body.is_empty();
    match status.as_u16() {
        _ if policy.never => None,
        301..=303 if is_safe && call.method == Method::HEAD => Some(Method::HEAD),
        301..=303 if is_safe => Some(Method::GET),
        307 | 308 if is_safe || policy.send_body => Some(call.method.clone()),
        _ => None,
    }
}

fn is_http(url: &Uri) -> bool {
    let known = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    url.scheme().is_some_and(known)
}

fn next_headers(call: &Outgoing, url: &Uri, same_method: bool) -> HeaderMap {
    let mut headers = HeaderMap::clone(&call.headers);
    if !same_method {
        headers.remove(CONTENT_TYPE);
    }
    if call.url.host() != url.host() {
        for secret in [AUTHORIZATION, COOKIE, WWW_AUTHENTICATE] {
            headers.remove(secret);
        }
    }
    headers.remove(REFERER);
    let is_downgrade = call.url.scheme() == Some(&Scheme::HTTPS) && url.scheme() == Some(&Scheme::HTTP);
    if let Ok(referer) = HeaderValue::try_from(without_userinfo(&call.url))
        && !is_downgrade
    {
        headers.insert(REFERER, referer);
    }
    headers
}

/// A URL as it may be sent to somebody, in a Referer for example: only user and password are left out (RFC 9110
/// §10.1.3).
pub(crate) fn without_userinfo(url: &Uri) -> String {
    let text = url.to_string();
    let Some(authority) = url.authority().filter(|authority| authority.as_str().contains('@')) else { return text };
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    text.replacen(authority.as_str(), host, 1)
}

/// `location` as seen from `base` (RFC 3986 §5.2); what cannot stand in a URL is encoded.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    if has_scheme(location) {
        let (scheme, rest) = location.split_once("://")?;
        let start = rest.find(['/', '?']).unwrap_or(rest.len());
        return build(scheme, &rest[..start], &rest[start..]);
    }
    let (scheme, authority) = (base.scheme_str()?, base.authority().map(Authority::as_str)?);
    if let Some(rest) = location.strip_prefix("//") {
        let start = rest.find(['/', '?']).unwrap_or(rest.len());
        return build(scheme, &rest[..start], &rest[start..]);
    }
    build(scheme, authority, &relative(base, location))
}

fn has_scheme(location: &str) -> bool {
    location.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?']))
}

/// Path and query of a reference without host.
fn relative(base: &Uri, location: &str) -> String {
    if location.starts_with('/') {
        return location.to_owned();
    }
    if location.is_empty() || location.starts_with('?') {
        return format!("{}{location}", base.path());
    }
    let folder = base.path().rfind('/').map_or("/", |slash| &base.path()[..=slash]);
    format!("{folder}{location}")
}

fn build(scheme: &str, authority: &str, path_and_query: &str) -> Option<Uri> {
    let (path, query) =
        path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
    let path = without_dots(&percent::path(path));
    let target = match query {
        Some(query) => format!("{path}?{}", percent::query(query)),
        None => path,
    };
    // The scheme of a stranger stays recognisable, so that the error can name it.
    let url = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build().ok()?;
    url.authority().is_some_and(is_callable).then_some(url)
}

/// A path with its `.` and `..` segments worked out.
fn without_dots(path: &str) -> String {
    if !path.contains("/.") {
        return if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => _ = kept.pop(),
            other => kept.push(other),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn call(method: Method, url: &'static str, body: &'static str) -> Outgoing {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("secret"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/x"));
        Outgoing::new(method, Uri::from_static(url), Arc::new(headers), Bytes::from(body))
    }

    fn follow(
        call: &Outgoing,
        status: u16,
        location: &str,
        policy: RedirectPolicy,
    ) -> Result<Option<Outgoing>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_str(location).expect(location));
        next(call, StatusCode::from_u16(status).expect("a status"), &headers, policy)
    }

    #[test]
    fn a_redirect_is_followed_when_nothing_gets_lost() {
        let replay = RedirectPolicy { send_body: true, never: false };
        let never = RedirectPolicy { send_body: true, never: true };
        let plain = RedirectPolicy::default();
        let cases = [
            (Method::POST, "x", 301, plain, None),
            (Method::GET, "x", 302, plain, None),
            (Method::POST, "x", 303, replay, None),
            (Method::POST, "", 301, plain, Some(Method::GET)),
            (Method::HEAD, "", 302, plain, Some(Method::HEAD)),
            (Method::GET, "", 303, never, None),
            (Method::POST, "x", 307, plain, None),
            (Method::POST, "x", 307, replay, Some(Method::POST)),
            (Method::PUT, "x", 308, replay, Some(Method::PUT)),
            (Method::GET, "", 307, plain, Some(Method::GET)),
            (Method::GET, "", 304, plain, None),
            (Method::GET, "", 300, plain, None),
        ];
        for (method, body, status, policy, expected) in cases {
            let call = call(method, "http://h/a", body);
            let next = follow(&call, status, "/r", policy).expect("followable");
            assert_eq!(next.map(|next| next.method), expected, "{status} {body:?}");
        }
    }

    #[test]
    fn a_location_is_seen_from_where_the_call_went() {
        let cases = [
            ("/r", "http://h:81/r"),
            ("r?x=1", "http://h:81/a/r?x=1"),
            ("../r", "http://h:81/r"),
            ("?q", "http://h:81/a/b?q"),
            ("//other/r", "http://other/r"),
            ("https://other:4/r#f", "https://other:4/r"),
            ("http://other", "http://other/"),
            ("http://other?q=1", "http://other/?q=1"),
            ("/ü b", "http://h:81/%C3%BC%20b"),
            ("/x?u=http://y/", "http://h:81/x?u=http://y/"),
        ];
        for (location, expected) in cases {
            let url = resolve(&Uri::from_static("http://h:81/a/b?z"), location).expect(location);
            assert_eq!(url.to_string(), expected, "{location}");
        }
    }

    #[test]
    fn secrets_stay_with_their_host() {
        let cases = [("/r", true), ("http://h:99/r", true), ("http://other/r", false)];
        for (location, kept) in cases {
            let next = follow(&call(Method::GET, "http://h/a", ""), 302, location, RedirectPolicy::default());
            let next = next.expect("followable").expect("followed");
            let seen = (next.headers.contains_key(AUTHORIZATION), next.is_abroad);
            assert_eq!(seen, (kept, !kept), "{location}");
        }
    }

    #[test]
    fn a_named_host_stays_with_the_server_that_was_asked() {
        let named = Some(HeaderValue::from_static("internal"));
        for (location, stays) in [("/r", true), ("http://h/r", true), ("http://h:99/r", false), ("//other/r", false)] {
            let call = Outgoing { host: named.clone(), ..call(Method::GET, "http://h/a", "") };
            let next = follow(&call, 302, location, RedirectPolicy::default()).expect("followable").expect("followed");
            assert_eq!(next.host, named.clone().filter(|_| stays), "{location}");
        }
    }

    #[test]
    fn the_referer_names_the_last_url_but_not_from_https_to_http() {
        let cases = [
            ("http://h/a?q", "http://x/", Some("http://h/a?q")),
            ("http://u:p@h/a?token=t", "http://x/", Some("http://h/a?token=t")),
            ("https://h/a", "http://x/", None),
        ];
        for (from, to, expected) in cases {
            let next = follow(&call(Method::GET, from, ""), 302, to, RedirectPolicy::default());
            let headers = next.expect("followable").expect("followed").headers;
            assert_eq!(headers.get(REFERER).map(|value| value.to_str().expect("text")), expected);
        }
    }

    #[test]
    fn a_place_that_cannot_be_called_is_named() {
        for (location, expected) in [
            ("ftp://x/", "unsupported protocol scheme \"ftp\""),
            ("http://", "failed to parse Location header \"http://\""),
            ("http://u:pw@:x/?token=pw", "failed to parse Location header \"http://u:***@:x/?token=***\""),
        ] {
            let error = follow(&call(Method::GET, "http://h/", ""), 302, location, RedirectPolicy::default());
            assert!(error.as_ref().is_err_and(|reason| reason.starts_with(expected)), "{error:?}");
        }
    }
}
