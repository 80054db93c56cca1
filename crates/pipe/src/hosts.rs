//! The hosts of a backend, taken in turn.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ::http::Uri;
use ::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use siphon_telemetry::redact;
use tokio::time::Instant;

use crate::error::{PipeError, shortened};

/// A host that stands several times gets as many calls.
#[derive(Debug)]
pub(crate) struct Hosts {
    list: Vec<Host>,
    have_choice: bool,
    next: AtomicUsize,
    /// The zero of [`Host::rests_until`].
    started: Instant,
}

#[derive(Debug)]
pub(crate) struct Host {
    scheme: Scheme,
    authority: Authority,
    /// What stands before every path; empty for most.
    base: String,
    /// The whole URL, where the pattern has no placeholder.
    fixed: Option<Uri>,
    /// Milliseconds; 0: never could not be connected to.
    rests_until: AtomicU64,
}

impl Hosts {
    /// `path`: that of all calls, where it is the same for all. `first`: which host is asked first.
    ///
    /// # Errors
    ///
    /// A sentence when no URL can be made of the path.
    pub fn new(list: Vec<Host>, path: Option<&str>, first: usize) -> Result<Self, String> {
        let mut list = list;
        if let Some(path) = path {
            for host in &mut list {
                host.fixed = Some(host.url(path).map_err(|error| error.to_string())?);
            }
        }
        let have_choice = list.iter().any(|host| !host.is_at(&list[0]));
        Ok(Self { list, have_choice, next: AtomicUsize::new(first), started: Instant::now() })
    }

    pub fn have_tls(&self) -> bool {
        self.list.iter().any(|host| host.scheme == Scheme::HTTPS)
    }

    pub fn have_choice(&self) -> bool {
        self.have_choice
    }

    pub fn shown(&self) -> Vec<String> {
        self.list.iter().map(|host| format!("{}://{}{}", host.scheme, host.authority, host.base)).collect()
    }

    /// The next host, passing over those that rest unless all do.
    pub fn pick(&self) -> Option<&Host> {
        match self.list.as_slice() {
            [] => None,
            [one] => Some(one),
            several => {
                let next = self.next.fetch_add(1, Ordering::Relaxed) % several.len();
                let now = self.milliseconds(Instant::now());
                let in_turn = several[next..].iter().chain(&several[..next]);
                let awake = in_turn.clone().find(|host| host.rests_until.load(Ordering::Relaxed) <= now);
                awake.or_else(|| in_turn.into_iter().next())
            }
        }
    }

    /// `url` at each other host, those after its own first.
    pub fn others(&self, url: &Uri) -> Vec<Uri> {
        let Some(at) = self.position(url) else { return Vec::new() };
        let own = &self.list[at];
        let path = url.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = path.strip_prefix(own.base.as_str()).unwrap_or(path);
        let mut others: Vec<&Host> = Vec::new();
        for host in self.list[at..].iter().chain(&self.list[..at]) {
            if !host.is_at(own) && !others.iter().any(|other| other.is_at(host)) {
                others.push(host);
            }
        }
        others.iter().filter_map(|host| host.url(path).ok()).collect()
    }

    /// Passes over the host of `url` until `then`.
    pub fn rest(&self, url: &Uri, then: Instant) {
        let Some(own) = self.position(url).map(|at| &self.list[at]) else { return };
        for host in self.list.iter().filter(|host| host.is_at(own)) {
            host.rests_until.store(self.milliseconds(then), Ordering::Relaxed);
        }
    }

    /// The host that `url` is at; none where several could be meant, which differ in their base path alone.
    fn position(&self, url: &Uri) -> Option<usize> {
        let at = self.list.iter().position(|host| host.has(url))?;
        let is_clear = self.list[at..].iter().all(|host| !host.has(url) || host.is_at(&self.list[at]));
        is_clear.then_some(at)
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Host {
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = redact::written(text);
        let parts = text.parse::<Uri>().map_err(|error| format!("host {shown} is no URL: {error}"))?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(format!("host {shown} lacks its scheme; write http://{shown}"));
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(format!("a {scheme} host is not in this build of siphon; http and https are"));
        }
        if !is_callable(&authority) {
            return Err(format!("host {shown} has no name or a port that is none; ports go up to 65535"));
        }
        let base = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, base, fixed: None, rests_until: AtomicU64::new(0) })
    }

    /// A host without a base path.
    ///
    /// # Errors
    ///
    /// The address, when it is none.
    pub fn at(tls: bool, address: &str) -> Result<Self, String> {
        let authority = Authority::try_from(address).ok().filter(is_callable).ok_or_else(|| address.to_owned())?;
        let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
        Ok(Self { scheme, authority, base: String::new(), fixed: None, rests_until: AtomicU64::new(0) })
    }

    /// The URL of every call, where all have the same.
    pub fn fixed(&self) -> Option<&Uri> {
        self.fixed.as_ref()
    }

    fn has(&self, url: &Uri) -> bool {
        let below = url.path().strip_prefix(self.base.as_str());
        let is_ours = below.is_some_and(|below| below.is_empty() || below.starts_with('/'));
        is_ours && url.scheme() == Some(&self.scheme) && url.authority() == Some(&self.authority)
    }

    fn is_at(&self, other: &Self) -> bool {
        self.authority == other.authority && self.scheme == other.scheme && self.base == other.base
    }

    pub fn url(&self, path: &str) -> Result<Uri, PipeError> {
        let path = format!("{}{path}", self.base);
        let invalid = |error: &dyn std::fmt::Display| PipeError::Invalid {
            reason: format!(
                "parse \"{}\": {error}",
                shortened(redact::url(&format!("{}://{}{path}", self.scheme, self.authority)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn hosts(texts: &[&str]) -> Hosts {
        let list = texts.iter().map(|text| Host::parse(text).expect("a host")).collect();
        Hosts::new(list, Some("/p?q"), 0).expect("hosts")
    }

    #[track_caller]
    fn check_others(texts: &[&str], url: &'static str, expected: &[&str]) {
        let others: Vec<_> = hosts(texts).others(&Uri::from_static(url)).iter().map(ToString::to_string).collect();
        assert_eq!(others, expected, "{url}");
    }

    #[test]
    fn the_others_come_each_once_in_turn_with_their_own_base() {
        let texts = ["http://a", "http://b/base", "http://b/base", "https://c"];
        check_others(&texts, "http://a/x?y", &["http://b/base/x?y", "https://c/x?y"]);
        check_others(&texts, "http://b/base/x", &["https://c/x", "http://a/x"]);
        check_others(&texts, "http://elsewhere/x", &[]);
        check_others(&["http://a", "http://a"], "http://a/x", &[]);
        let alike = ["http://a", "http://a/v1", "http://b"];
        check_others(&alike, "http://a/x", &["http://a/v1/x", "http://b/x"]);
        check_others(&alike, "http://a/v10/x", &["http://a/v1/v10/x", "http://b/v10/x"]);
        check_others(&alike, "http://a/v1/x", &[]); // of which of the two, nobody can say
    }

    #[test]
    fn a_host_that_rests_is_passed_over_unless_all_do() {
        let hosts = hosts(&["http://a", "http://b"]);
        let picked = |hosts: &Hosts| hosts.pick().and_then(|host| host.fixed()).map(ToString::to_string);
        let soon = Instant::now() + Duration::from_secs(60);
        hosts.rest(&Uri::from_static("http://a/x"), soon);
        assert_eq!(
            [picked(&hosts), picked(&hosts)],
            [Some("http://b/p?q".to_owned()), Some("http://b/p?q".to_owned())]
        );
        hosts.rest(&Uri::from_static("http://b/x"), soon);
        let mut both = [picked(&hosts), picked(&hosts)];
        both.sort();
        assert_eq!(both, [Some("http://a/p?q".to_owned()), Some("http://b/p?q".to_owned())]);
    }

    #[test]
    fn one_host_is_no_choice_however_often_it_is_written() {
        assert!(!hosts(&["http://a", "http://a"]).have_choice());
        assert!(hosts(&["http://a", "https://a"]).have_choice());
        assert!(!hosts(&[]).have_choice());
    }
}
