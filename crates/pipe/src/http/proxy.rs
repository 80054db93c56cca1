//! Through which proxy a backend is called: `proxy_address`, or the environment as Go's HTTP client reads it.
//!
//! Source: Go, `golang.org/x/net/http/httpproxy`. `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, or their lower-case twins;
//! loopback is never asked of a proxy of the environment.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::uri::{Authority, Uri};
use ::http::{HeaderValue, uri::Scheme};
use ipnet::IpNet;
use siphon_telemetry::redact;

use super::user;

/// A forward proxy that speaks plain HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub host: String,
    pub port: u16,
    /// `Proxy-Authorization`.
    pub authorization: Option<HeaderValue>,
}

/// Which proxy for whom.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Arc<Proxy>>,
    https: Option<Arc<Proxy>>,
    direct: Vec<Direct>,
    /// Of a configuration: for everybody, loopback too.
    always: bool,
}

/// An entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq)]
enum Direct {
    Everybody,
    Network(IpNet),
    Address(IpAddr, Option<u16>),
    /// With a leading dot: names below it.
    Below(String, Option<u16>),
    /// The name, and those below it.
    Name(String, Option<u16>),
}

impl Proxy {
    /// `http://name:port`; without a scheme it is http, without a port 80.
    ///
    /// # Errors
    ///
    /// Why it cannot be used, without its password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = redact::written(text);
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url: Uri = whole.parse().map_err(|error| format!("the proxy {shown} is no URL: {error}"))?;
        if url.scheme() != Some(&Scheme::HTTP) {
            let scheme = url.scheme_str().unwrap_or_default();
            return Err(format!("a {scheme} proxy is not in this build of siphon; http ones are"));
        }
        let authority = url.authority().filter(|authority| crate::hosts::is_callable(authority));
        let authority = authority.ok_or_else(|| format!("the proxy {shown} has no name, or a port that is none"))?;
        let host = bare(authority.host()).to_owned();
        Ok(Self { host, port: authority.port_u16().unwrap_or(80), authorization: user::basic(authority) })
    }
}

impl Proxies {
    /// One for all.
    pub(crate) fn always(proxy: Proxy) -> Self {
        let proxy = Some(Arc::new(proxy));
        Self { http: proxy.clone(), https: proxy, direct: Vec::new(), always: true }
    }

    /// What the environment says; `variable` gives its values.
    ///
    /// # Errors
    ///
    /// Which variable cannot be used, and why.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |upper: &str| {
            let given = |name: &str| variable(name).filter(|value| !value.is_empty());
            given(upper).or_else(|| given(&upper.to_ascii_lowercase()))
        };
        let proxy = |name: &str| {
            let parsed = get(name).map(|text| Proxy::parse(&text).map_err(|why| format!("{name}: {why}")));
            parsed.transpose().map(|proxy| proxy.map(Arc::new))
        };
        let direct = get("NO_PROXY").unwrap_or_default().split(',').filter_map(Direct::parse).collect();
        Ok(Self { http: proxy("HTTP_PROXY")?, https: proxy("HTTPS_PROXY")?, direct, always: false })
    }

    /// The proxy for calls to `authority`.
    pub(crate) fn of(&self, tls: bool, authority: &Authority) -> Option<&Arc<Proxy>> {
        let proxy = if tls { self.https.as_ref() } else { self.http.as_ref() }?;
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        (self.always || self.is_meant(bare(authority.host()), port)).then_some(proxy)
    }

    fn is_meant(&self, host: &str, port: u16) -> bool {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let address = name.parse::<IpAddr>().ok();
        let is_loopback = name == "localhost" || address.is_some_and(|address| address.is_loopback());
        !is_loopback && !self.direct.iter().any(|direct| direct.is(&name, address, port))
    }
}

impl Direct {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::Everybody);
        }
        if let Ok(network) = entry.parse() {
            return Some(Self::Network(network));
        }
        let (name, port) = with_port(&entry);
        let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
        match bare(name).parse() {
            Ok(address) => Some(Self::Address(address, port)),
            Err(_) if name.is_empty() => None,
            Err(_) if name.starts_with('.') => Some(Self::Below(name.to_owned(), port)),
            Err(_) => Some(Self::Name(name.to_owned(), port)),
        }
    }

    fn is(&self, name: &str, address: Option<IpAddr>, port: u16) -> bool {
        let fits = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::Everybody => true,
            Self::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Self::Address(wanted, wanted_port) => address == Some(*wanted) && fits(wanted_port),
            Self::Below(tail, wanted_port) => name.ends_with(tail.as_str()) && fits(wanted_port),
            Self::Name(wanted, wanted_port) => {
                let below = name.strip_suffix(wanted.as_str());
                below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) && fits(wanted_port)
            }
        }
    }
}

/// A name and its port; an IPv6 address without brackets has none.
fn with_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// An IPv6 address without its brackets.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(no_proxy: &str) -> Proxies {
        let variable = |name: &str| match name {
            "HTTP_PROXY" => Some("proxy:3128".to_owned()),
            "https_proxy" => Some("http://u:p@secure".to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        };
        Proxies::from_environment(variable).expect("proxies")
    }

    #[track_caller]
    fn check(no_proxy: &str, authority: &'static str, is_direct: bool) {
        let found = proxies(no_proxy);
        let proxy = found.of(false, &Authority::from_static(authority));
        assert_eq!(proxy.is_none(), is_direct, "{authority} with {no_proxy:?}");
    }

    #[test]
    fn each_scheme_has_its_variable_in_either_case() {
        let found = proxies("");
        let of = |tls| found.of(tls, &Authority::from_static("h")).expect("one").as_ref().clone();
        assert_eq!((of(false).host.as_str(), of(false).port, of(false).authorization), ("proxy", 3128, None));
        let secure = of(true);
        assert_eq!((secure.host.as_str(), secure.port), ("secure", 80));
        assert_eq!(secure.authorization, Some(HeaderValue::from_static("Basic dTpw")));
    }

    #[test]
    fn loopback_is_called_directly() {
        for authority in ["localhost:80", "127.0.0.7", "[::1]:80", "LOCALHOST"] {
            check("", authority, true);
        }
        check("", "localhost.example", false);
    }

    #[test]
    fn no_proxy_names_networks_addresses_names_and_what_is_below_them() {
        check("*", "h", true);
        check("10.0.0.0/8", "10.1.2.3", true);
        check("10.0.0.0/8", "11.1.2.3", false);
        check("10.1.2.3:81", "10.1.2.3:81", true);
        check("10.1.2.3:81", "10.1.2.3", false);
        check("fd00::1", "[fd00::1]:9", true);
        check("a.example, b.example", "b.example", true);
        check("b.example", "x.B.example:9", true);
        check("b.example", "xb.example", false);
        check("b.example:81", "b.example", false);
        check(".b.example", "x.b.example", true);
        check(".b.example", "b.example", false);
        check("*.b.example", "x.b.example", true);
        check(" , ,", "h", false);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_its_password() {
        let cases = [
            ("socks5://u:SEKRET@h", "a socks5 proxy is not in this build"),
            ("https://u:SEKRET@h", "a https proxy is not in this build"),
            ("http://u:SEKRET@h:99999", "has no name, or a port that is none"),
            ("http://u:SEKRET @h", "is no URL"),
        ];
        for (text, part) in cases {
            let why = Proxy::parse(text).expect_err(text);
            assert!(why.contains(part) && !why.contains("SEKRET"), "{why}");
        }
        let named = Proxies::from_environment(|name| (name == "HTTP_PROXY").then(|| "ftp://h".to_owned()));
        assert!(named.is_err_and(|why| why.starts_with("HTTP_PROXY: a ftp proxy")));
    }
}
