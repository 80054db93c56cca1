//! Where a backend's calls go: its hosts, taken in turn, and its `url_pattern` with `{Placeholders}`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::Uri;
use ::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use siphon_telemetry::redact;

use crate::error::PipeError;
use crate::message::Params;
use crate::percent;
use crate::reference::Reference;

/// Host and path of every call of one backend.
#[derive(Debug)]
pub(crate) struct Target {
    hosts: Vec<Host>,
    pattern: Pattern,
    next: AtomicUsize,
    /// Whether a path alone will do where there is no host.
    is_local: bool,
}

#[derive(Debug)]
struct Host {
    scheme: Scheme,
    authority: Authority,
    /// What stands before every path; empty for most.
    base: String,
    /// The whole URL, where the pattern has no placeholder.
    fixed: Option<Uri>,
}

impl Target {
    /// `first`: which host is asked first; they are taken in turn from there.
    ///
    /// # Errors
    ///
    /// A sentence for each host and for a pattern that no URL can be made of.
    pub fn new(hosts: &[String], pattern: &str, first: usize) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut keep = |problem: String| problems.push(problem);
        let pattern = Pattern::parse(pattern).map_err(&mut keep).ok();
        let hosts: Vec<_> = hosts.iter().filter_map(|host| Host::parse(host).map_err(&mut keep).ok()).collect();
        let Some(pattern) = pattern.filter(|_| problems.is_empty()) else { return Err(problems) };
        let mut target = Self { hosts, pattern, next: AtomicUsize::new(first), is_local: false };
        target.prepare().map_err(|problem| vec![problem])?;
        Ok(target)
    }

    fn prepare(&mut self) -> Result<(), String> {
        let Some(path) = self.pattern.fixed() else { return Ok(()) };
        for host in &mut self.hosts {
            host.fixed = Some(host.url(path).map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    /// Whether some call goes over TLS.
    pub fn has_tls(&self) -> bool {
        self.hosts.iter().any(|host| host.scheme == Scheme::HTTPS)
    }

    /// The hosts, as `http://h:80`.
    pub fn hosts(&self) -> Vec<String> {
        self.hosts.iter().map(|host| format!("{}://{}{}", host.scheme, host.authority, host.base)).collect()
    }

    /// The URL of the next call. `query` is put behind the pattern's own, sorted by key.
    ///
    /// # Errors
    ///
    /// [`PipeError::NoHosts`]; [`PipeError::Invalid`] when a param would walk out of its path segment.
    pub fn url(&self, params: &Params, query: &[(String, String)]) -> Result<Uri, PipeError> {
        let Some(host) = self.pick() else { return self.path(params, query) };
        match &host.fixed {
            Some(url) if query.is_empty() => Ok(url.clone()),
            _ => host.url(&self.pattern.fill(params, query)?),
        }
    }

    /// For a backend that is not called over HTTP: without a host, the URL is the path.
    pub fn local(self) -> Self {
        Self { is_local: true, ..self }
    }

    fn path(&self, params: &Params, query: &[(String, String)]) -> Result<Uri, PipeError> {
        if !self.is_local {
            return Err(PipeError::NoHosts);
        }
        let path = self.pattern.fill(params, query)?;
        path.parse()
            .map_err(|error| PipeError::Invalid { reason: format!("parse \"{}\": {error}", redact::url(&path)) })
    }

    fn pick(&self) -> Option<&Host> {
        match self.hosts.as_slice() {
            [] => None,
            [one] => Some(one),
            several => several.get(self.next.fetch_add(1, Ordering::Relaxed) % several.len()),
        }
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, String> {
        let shown = redact::written(text);
        let parts = text.parse::<Uri>().map_err(|error| format!("host {shown} is no URL: {error}"))?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(format!("host {shown} lacks its scheme; write http://{shown}"));
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(format!("a {scheme} host is not in this build of siphon; http and https are"));
        }
        if authority.as_str().contains('@') {
            return Err("user and password in a host are not in this build of siphon; take them out of the host".into());
        }
        if !is_callable(&authority) {
            return Err(format!("host {shown} has no name or a port that is none; ports go up to 65535"));
        }
        let base = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, base, fixed: None })
    }

    fn url(&self, path: &str) -> Result<Uri, PipeError> {
        let path = format!("{}{path}", self.base);
        let invalid = |error: &dyn std::fmt::Display| PipeError::Invalid {
            reason: format!(
                "parse \"{}\": {error}",
                redact::url(&format!("{}://{}{path}", self.scheme, self.authority))
            ),
        };
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(path.as_str()).map_err(|error| invalid(&error))?);
        Uri::from_parts(parts).map_err(|error| invalid(&error))
    }
}

/// Whether there is a name, and a port that is one if there is any: the type lets more through.
pub(crate) fn is_callable(authority: &Authority) -> bool {
    let text = authority.as_str().rsplit('@').next().unwrap_or_default();
    let port = text.strip_prefix(authority.host()).unwrap_or(text);
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    !authority.host().is_empty() && (port.is_empty() || is_port(port))
}

/// A `url_pattern`, its text ready to be sent.
#[derive(Debug)]
struct Pattern {
    pieces: Vec<Piece>,
    has_query: bool,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Param {
        name: String,
        place: Place,
    },
    /// A value of an earlier reply: it may be more than one segment.
    Reply {
        name: String,
        place: Place,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
}

impl Pattern {
    fn parse(pattern: &str) -> Result<Self, String> {
        let pattern = pattern.split('#').next().unwrap_or_default();
        let (path, query) = pattern.split_once('?').map_or((pattern, None), |(path, query)| (path, Some(query)));
        if let Some(escape) = percent::bad_escape(path) {
            let shown = redact::url(pattern);
            return Err(format!("parse \"{shown}\": invalid URL escape \"{escape}\"; write % itself as %25"));
        }
        let mut pieces = Vec::new();
        split(path, Place::Path, &mut pieces);
        if let Some(query) = query {
            pieces.push(Piece::Text("?".into()));
            split(query, Place::Query, &mut pieces);
        }
        Ok(Self { pieces: joined(pieces), has_query: query.is_some() })
    }

    /// The whole pattern, when nothing has to be filled in.
    fn fixed(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some("/"),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    fn fill(&self, params: &Params, query: &[(String, String)]) -> Result<String, PipeError> {
        let mut out = String::with_capacity(128);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Param { name, place } => match params.get(name) {
                    Some(value) => out.push_str(&percent::value(inside_segment(name, value, *place)?)),
                    None => _ = write!(out, "%7B{name}%7D"),
                },
                Piece::Reply { name, place } => match params.get(name) {
                    Some(value) => out.push_str(&raw(name, value, *place)?),
                    None => _ = write!(out, "%7B{name}%7D"),
                },
            }
        }
        self.append_query(query, &mut out);
        Ok(out)
    }

    fn append_query(&self, query: &[(String, String)], out: &mut String) {
        let mut sorted: Vec<_> = query.iter().collect();
        sorted.sort_by_key(|(key, _)| key);
        for (index, (key, value)) in sorted.into_iter().enumerate() {
            let has_query = self.has_query || out.contains('?');
            out.push(if index == 0 && !has_query { '?' } else { '&' });
            _ = write!(out, "{}={}", percent::value(key), percent::value(value));
        }
    }
}

/// Dots alone would be a way up the path, escaped or not.
fn inside_segment<'v>(name: &str, value: &'v str, place: Place) -> Result<&'v str, PipeError> {
    if place == Place::Path && matches!(value, "." | "..") {
        let reason = format!("the value \"{value}\" of {{{name}}} cannot stand in a path");
        return Err(PipeError::Invalid { reason });
    }
    Ok(value)
}

/// A value of a reply as it is, so far as a URL can have it: it may bring segments and a query, and no way up the path.
fn raw<'v>(name: &str, value: &'v str, place: Place) -> Result<Cow<'v, str>, PipeError> {
    if place == Place::Query {
        return Ok(percent::query_value(value));
    }
    let path = value.split('?').next().unwrap_or_default();
    let is_up = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(is_up) {
        let reason = format!("the value of {{{name}}} has . or .. as a segment, which cannot stand in a path");
        return Err(PipeError::Invalid { reason });
    }
    Ok(percent::path_value(value))
}

/// Cuts a path or a query at its `{Placeholders}`.
fn split(text: &str, place: Place, pieces: &mut Vec<Piece>) {
    let encode = if place == Place::Path { percent::path } else { percent::query };
    let mut rest = text;
    while let Some((before, name, after)) = placeholder(rest) {
        pieces.push(Piece::Text(encode(before).into_owned()));
        let is_reply = Reference::parse(name).is_some();
        let name = name.to_owned();
        pieces.push(if is_reply { Piece::Reply { name, place } } else { Piece::Param { name, place } });
        rest = after;
    }
    pieces.push(Piece::Text(encode(rest).into_owned()));
}

/// The names of all placeholders of a pattern.
pub(crate) fn placeholders(pattern: &str) -> impl Iterator<Item = &str> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        let (_, name, after) = placeholder(rest)?;
        rest = after;
        Some(name)
    })
}

/// The first `{name}`: what stands before it, its name, what stands after it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
    text.match_indices('{').find_map(|(open, _)| {
        let (name, after) = text[open + 1..].split_once('}')?;
        is_name(name).then_some((&text[..open], name, after))
    })
}

fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (out.last_mut(), piece) {
            (_, Piece::Text(text)) if text.is_empty() => {}
            (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&text),
            (_, piece) => out.push(piece),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(hosts: &[&str], pattern: &str) -> Result<Target, Vec<String>> {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Target::new(&hosts, pattern, 0)
    }

    #[track_caller]
    fn check(pattern: &str, params: &[(&'static str, &str)], expected: &str) {
        let target = target(&["http://h:81"], pattern).expect(pattern);
        let mut values = Params::default();
        params.iter().for_each(|(name, value)| values.insert(*name, *value));
        assert_eq!(target.url(&values, &[]).expect(pattern).to_string(), format!("http://h:81{expected}"));
    }

    #[test]
    fn a_pattern_without_placeholders_is_sent_as_written() {
        check("/a?q=1", &[], "/a?q=1");
        check("/x//y/", &[], "/x//y/");
        check("/straße/ü", &[], "/stra%C3%9Fe/%C3%BC");
        check("/f?filter[a]=1;2&list=x,y&t=a:b@c", &[], "/f?filter[a]=1;2&list=x,y&t=a:b@c");
        check("/a b?c d#fragment", &[], "/a%20b?c%20d");
        check("", &[], "/");
    }

    #[test]
    fn placeholders_take_params_encoded_for_their_place() {
        check("/o/{Topic}/x?k={Key}", &[("topic", "a/b"), ("key", "1&2=3")], "/o/a%2Fb/x?k=1%262%3D3");
        check("/{A}{B}", &[("A", "1"), ("B", "ü")], "/1%C3%BC");
    }

    #[test]
    fn a_value_of_a_reply_is_sent_as_it_is_so_far_as_a_url_can_have_it() {
        check("/f/{Resp0_p}", &[("Resp0_p", "dir/sub/ü x.txt")], "/f/dir/sub/%C3%BC%20x.txt");
        check("/f/{Resp0_p}?a=1", &[("Resp0_p", "c99@x.org,%41,%,#")], "/f/c99@x.org,%41,%25,%23?a=1");
        check("/f?v={Resp0_v}", &[("Resp0_v", "a&b=<nil>#%zz%20")], "/f?v=a&b=%3Cnil%3E%23%25zz%20");
        check("/f/{Resp0_v}", &[], "/f/%7BResp0_v%7D");
    }

    #[test]
    fn a_value_of_a_reply_can_bring_a_query_and_no_way_up_the_path() {
        let target = target(&["http://h"], "/{Resp0_v}").expect("a target");
        let url = |value: &str| {
            let mut params = Params::default();
            params.insert("Resp0_v", value);
            target
                .url(&params, &[("a".into(), "1".into())])
                .map(|url| url.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(url("b?c=../d"), Ok("http://h/b?c=../d&a=1".into()));
        for value in ["..", "a/../b", "a/.", "%2e%2E/b", ".%2e"] {
            let said = "the value of {Resp0_v} has . or .. as a segment, which cannot stand in a path";
            assert_eq!(url(value), Err(said.into()), "{value}");
        }
    }

    #[test]
    fn an_unknown_placeholder_stays_literal_and_encoded() {
        check("/a/{Id}?v={Id}", &[], "/a/%7BId%7D?v=%7BId%7D");
        check("/a/{}/{not one}", &[], "/a/%7B%7D/%7Bnot%20one%7D");
    }

    #[test]
    fn a_param_cannot_walk_up_the_path() {
        let target = target(&["http://h"], "/a/{X}?{X}").expect("a target");
        let mut params = Params::default();
        params.insert("X", "..");
        let error = target.url(&params, &[]).expect_err("must fail").to_string();
        assert_eq!(error, "the value \"..\" of {X} cannot stand in a path");
    }

    #[test]
    fn added_query_entries_follow_sorted_and_encoded() {
        let query = [("b".to_owned(), "2 3".to_owned()), ("a".to_owned(), "1".to_owned())];
        for (pattern, expected) in [("/p", "http://h/p?a=1&b=2%203"), ("/p?z=9", "http://h/p?z=9&a=1&b=2%203")] {
            let url = target(&["http://h"], pattern).expect(pattern).url(&Params::default(), &query);
            assert_eq!(url.expect(pattern).to_string(), expected);
        }
    }

    #[test]
    fn hosts_are_taken_in_turn() {
        let target = target(&["http://a", "https://b/base/", "http://[::1]:8080"], "/p").expect("a target");
        let urls: Vec<_> = (0..4).map(|_| target.url(&Params::default(), &[]).expect("a url").to_string()).collect();
        assert_eq!(urls, ["http://a/p", "https://b/base/p", "http://[::1]:8080/p", "http://a/p"]);
        assert!(target.has_tls());
    }

    #[test]
    fn what_no_url_can_be_made_of_is_refused() {
        let cases: [(&[&str], &str, &[&str]); 9] = [
            (&["http://h:123456", "http://:80"], "/", &["ports go up to 65535", ""]),
            (&["h"], "/", &["lacks its scheme"]),
            (&["amqp://h", "http://u:p@h"], "/", &["amqp host is not in this build", "user and password"]),
            (&["http://h"], "/a%zz", &["invalid URL escape \"%zz\""]),
            (&["http://a b"], "/", &["is no URL"]),
            (&["http://u:p w@h"], "/", &["host http://u:***@h is no URL"]),
            (&["/x?token=u:p"], "/", &["host /x?token=*** lacks its scheme; write http:///x?token=***"]),
            (&["http://h:123456?token=u:p"], "/", &["host http://h:123456?token=*** has no name"]),
            (&["http://h"], "/a%zz?api_key=u:p&q=1", &["parse \"/a%zz?api_key=***&q=1\""]),
        ];
        for (hosts, pattern, expected) in cases {
            let problems = target(hosts, pattern).expect_err(pattern);
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            for (problem, part) in problems.iter().zip(expected) {
                assert!(problem.contains(part) && !problem.contains("u:p"), "{problem}");
            }
        }
    }
}
