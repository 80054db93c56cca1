//! Where a backend's calls go: its hosts, taken in turn, and its `url_pattern` with `{Placeholders}`.

use std::sync::Arc;
use std::time::Duration;

use ::http::Uri;
use siphon_telemetry::redact;
use tokio::time::Instant;

use crate::discovery::Discovery;
use crate::error::{PipeError, shortened};
use crate::hosts::{Host, Hosts};
use crate::message::Params;
use crate::pattern::Pattern;

/// How long a host that could not be connected to is passed over while there are others.
const REST: Duration = Duration::from_secs(5);

/// Host and path of every call of one backend.
#[derive(Debug)]
pub(crate) struct Target {
    source: Source,
    pattern: Pattern,
    /// Whether a path alone will do where there is no host.
    is_local: bool,
}

#[derive(Debug)]
enum Source {
    Listed(Arc<Hosts>),
    Found(Arc<Discovery>),
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
        let hosts = Hosts::new(hosts, pattern.fixed(), first).map_err(|problem| vec![problem])?;
        Ok(Self { source: Source::Listed(Arc::new(hosts)), pattern, is_local: false })
    }

    /// With hosts that DNS names; `discover` makes the discovery of the pattern, where that is the same for all calls.
    ///
    /// # Errors
    ///
    /// A sentence for a pattern that no URL can be made of, and for what `discover` refuses.
    pub fn discovered(
        pattern: &str,
        discover: impl FnOnce(Option<&str>) -> Result<Discovery, String>,
    ) -> Result<Self, Vec<String>> {
        let pattern = Pattern::parse(pattern).map_err(|problem| vec![problem])?;
        let discovery = discover(pattern.fixed()).map_err(|problem| vec![problem])?;
        Ok(Self { source: Source::Found(Arc::new(discovery)), pattern, is_local: false })
    }

    /// Whether some call goes over TLS.
    pub fn has_tls(&self) -> bool {
        match &self.source {
            Source::Listed(hosts) => hosts.have_tls(),
            Source::Found(discovery) => discovery.has_tls(),
        }
    }

    /// The hosts, as `http://h:80`, for people.
    pub fn hosts(&self) -> Vec<String> {
        match &self.source {
            Source::Listed(hosts) => hosts.shown(),
            Source::Found(discovery) => vec![discovery.shown()],
        }
    }

    /// Whether the hosts are known and fresh; else [`discover`](Self::discover) looks for them.
    pub fn is_known(&self) -> bool {
        match &self.source {
            Source::Listed(_) => true,
            Source::Found(discovery) => discovery.is_fresh(),
        }
    }

    /// Looks for the hosts. Waits only where there are none yet; older ones stay while newer ones are looked for.
    ///
    /// # Errors
    ///
    /// `Discovery` when there are none.
    pub async fn discover(&self) -> Result<(), PipeError> {
        match &self.source {
            Source::Listed(_) => Ok(()),
            Source::Found(discovery) => Discovery::refresh(discovery).await,
        }
    }

    fn current(&self) -> Option<Arc<Hosts>> {
        match &self.source {
            Source::Listed(hosts) => Some(Arc::clone(hosts)),
            Source::Found(discovery) => discovery.hosts(),
        }
    }

    /// The URL of the next call. `query` is put behind the pattern's own, sorted by key.
    ///
    /// # Errors
    ///
    /// [`PipeError::NoHosts`]; [`PipeError::Invalid`] when a param would walk out of its path segment.
    pub fn url(&self, params: &Params, query: &[(String, String)]) -> Result<Uri, PipeError> {
        let hosts = self.current();
        let Some(host) = hosts.as_ref().and_then(|hosts| hosts.pick()) else { return self.path(params, query) };
        match host.fixed() {
            Some(url) if query.is_empty() => Ok(url.clone()),
            _ => host.url(&self.pattern.fill(params, query)?),
        }
    }

    /// Whether there is more than one host.
    pub fn has_choice(&self) -> bool {
        match &self.source {
            Source::Listed(hosts) => hosts.have_choice(),
            Source::Found(discovery) => discovery.hosts().is_some_and(|hosts| hosts.have_choice()),
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
        path.parse().map_err(|error| PipeError::Invalid {
            reason: format!("parse \"{}\": {error}", shortened(redact::url(&path))),
        })
    }

    /// `url` at the other hosts, in the order in which they are to be asked. Empty when it is at none of ours: a
    /// component has sent the call elsewhere.
    pub fn others(&self, url: &Uri) -> Vec<Uri> {
        self.current().map(|hosts| hosts.others(url)).unwrap_or_default()
    }

    /// The host of `url` could not be connected to: it is passed over for a while.
    pub fn pass_over(&self, url: &Uri) {
        if let Some(hosts) = self.current() {
            hosts.rest(url, Instant::now() + REST);
        }
    }
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
            (&["amqp://h", "unix:///run/h.sock"], "/", &["amqp host is not in this build", ""]),
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
