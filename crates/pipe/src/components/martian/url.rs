//! Modifiers of a call's URL. The call goes where the new URL says; its `Host` stays that of the first URL.

use ::http::Uri;
use ::http::uri::{Authority, Scheme};
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::message::{Acts, Modify, Sent};
use super::read::{Reader, refuse, settings};
use super::scope::Sides;
use crate::components::Checked;
use crate::hosts::is_callable;
use crate::http::with_target;
use crate::percent;

/// `url.Modifier`. What is empty stays as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Parts {
    /// `http` or `https`.
    scheme: String,
    /// Host, with its port if it has one.
    host: String,
    /// The path, not escaped: `%` is a percent sign.
    path: String,
    /// The whole query, escaped as it is to be sent.
    query: String,
}

/// `querystring.Modifier`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Parameter {
    /// Name of the parameter.
    name: String,
    /// Its only value.
    value: String,
}

/// `port.Modifier`. Exactly one of the three.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Port {
    /// The port, not 0.
    port: Option<u16>,
    /// 80 for http, 443 for https.
    #[serde(rename = "defaultForScheme")]
    default_for_scheme: bool,
    /// No port.
    remove: bool,
}

#[derive(Default)]
struct Change {
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    path: Option<String>,
    query: Option<String>,
}

impl Change {
    fn of(&self, url: &Uri) -> Result<Uri, String> {
        let path = self.path.as_deref().unwrap_or(url.path());
        let mut parts = with_target(url, path, self.query.as_deref().or(url.query()))?.into_parts();
        parts.scheme = self.scheme.clone().or(parts.scheme);
        parts.authority = self.authority.clone().or(parts.authority);
        Uri::from_parts(parts).map_err(|error| format!("the modified URL is none: {error}"))
    }
}

impl Modify<Sent> for Change {
    fn modify(&self, call: &mut Sent) -> Result<(), String> {
        call.call.url = self.of(&call.call.url)?;
        Ok(())
    }
}

pub(super) fn modifier(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Parts { scheme, host, path, query } = settings(place)?;
    if [&scheme, &host, &path, &query].iter().all(|part| part.is_empty()) {
        return Err(refuse(place, "")("changes nothing; give scheme, host, path or query".to_owned()));
    }
    let fail = |(key, message): (&str, String)| refuse(place, key)(message);
    let change = Change {
        scheme: given(&scheme, new_scheme).map_err(|message| fail(("scheme", message)))?,
        authority: given(&host, new_host).map_err(|message| fail(("host", message)))?,
        path: given(&path, |path| Ok(escaped(path))).map_err(|message| fail(("path", message)))?,
        query: given(&query, new_query).map_err(|message| fail(("query", message)))?,
    };
    reader.needs_tls |= change.scheme == Some(Scheme::HTTPS);
    Ok(Acts::on_call(change))
}

fn given<T>(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

fn new_scheme(text: &str) -> Result<Scheme, String> {
    match text {
        "http" => Ok(Scheme::HTTP),
        "https" => Ok(Scheme::HTTPS),
        _ => Err(format!("unsupported protocol scheme {text:?}; http and https can be called")),
    }
}

/// A password of the URL that was there belongs to another host, and goes.
fn new_host(text: &str) -> Result<Authority, String> {
    let host = Authority::try_from(text).ok().filter(|host| is_callable(host) && !text.contains('@'));
    host.ok_or_else(|| "is no host; write one such as example.com or example.com:8080".to_owned())
}

fn new_query(text: &str) -> Result<String, String> {
    match percent::bad_escape(text) {
        Some(bad) => Err(format!("invalid URL escape {bad:?}; a percent sign is %25")),
        None => Ok(percent::query(text).into_owned()),
    }
}

/// A path of plain text, each segment escaped as far as it has to be.
fn escaped(path: &str) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{slash}{}", percent::path(&path.replace('%', "%25")))
}

struct SetParameter(Parameter);

impl Modify<Sent> for SetParameter {
    fn modify(&self, call: &mut Sent) -> Result<(), String> {
        let Parameter { name, value } = &self.0;
        let url = &call.call.url;
        let known = form_urlencoded::parse(url.query().unwrap_or_default().as_bytes());
        let mut pairs: Vec<_> = known.filter(|(known, _)| known != name).collect();
        pairs.push((name.into(), value.into()));
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", form(name), form(value))).collect();
        let query = Some(pairs.join("&"));
        call.call.url = Change { query, ..Change::default() }.of(url)?;
        Ok(())
    }
}

/// As forms are encoded: a blank is `+`.
fn form(text: &str) -> String {
    percent::value(text).replace("%20", "+")
}

pub(super) fn parameter(_: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let parameter: Parameter = settings(place)?;
    if parameter.name.is_empty() {
        return Err(refuse(place, "name")("is missing; name a parameter".to_owned()));
    }
    Ok(Acts::on_call(SetParameter(parameter)))
}

enum SetPort {
    Fixed(u16),
    Usual,
    None,
}

impl Modify<Sent> for SetPort {
    fn modify(&self, call: &mut Sent) -> Result<(), String> {
        let url = &call.call.url;
        let Some(authority) = url.authority() else { return Ok(()) };
        let port = match self {
            Self::Fixed(port) => Some(*port),
            Self::Usual if url.scheme() == Some(&Scheme::HTTPS) => Some(443),
            Self::Usual => Some(80),
            Self::None => None,
        };
        let change = Change { authority: Some(with_port(authority, port)?), ..Change::default() };
        call.call.url = change.of(url)?;
        Ok(())
    }
}

fn with_port(authority: &Authority, port: Option<u16>) -> Result<Authority, String> {
    let user = authority.as_str().rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let text = format!("{user}{}{port}", authority.host());
    Authority::try_from(text).map_err(|error| format!("the modified URL is none: {error}"))
}

pub(super) fn port(_: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Port { port, default_for_scheme, remove } = settings(place)?;
    let set = match (port, default_for_scheme, remove) {
        (Some(0), ..) => return Err(refuse(place, "port")("0 is no port that can be called".to_owned())),
        (Some(port), false, false) => SetPort::Fixed(port),
        (None, true, false) => SetPort::Usual,
        (None, false, true) => SetPort::None,
        _ => {
            let message = "Must specify only one of port, defaultForScheme or remove".to_owned();
            return Err(refuse(place, "")(message));
        }
    };
    Ok(Acts::on_call(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_plain_text() {
        for (path, expected) in [("/y z", "/y%20z"), ("a%20b", "/a%2520b"), ("/é?x", "/%C3%A9%3Fx")] {
            assert_eq!(escaped(path), expected);
        }
    }

    #[test]
    fn a_port_is_set_or_taken_away_and_the_rest_stays() {
        let check = |authority: &'static str, port, expected: &str| {
            let changed = with_port(&Authority::from_static(authority), port).expect(authority);
            assert_eq!(changed.as_str(), expected);
        };
        check("h", Some(8080), "h:8080");
        check("u:p@h:1", Some(2), "u:p@h:2");
        check("[::1]:80", None, "[::1]");
    }
}
