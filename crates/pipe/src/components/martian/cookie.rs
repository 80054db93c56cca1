//! Cookies: one more for calls and answers, and which there are (RFC 6265).

use std::time::SystemTime;

use ::http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::message::{Acts, Modify, Received, Sent};
use super::read::{Reader, refuse, settings};
use super::scope::Sides;
use crate::components::Checked;

/// `cookie.Modifier`. Only name and value go with a call.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Settings {
    /// Name of the cookie.
    name: String,
    /// Its value. Default: empty.
    value: String,
    /// `Path`. Default: none.
    path: String,
    /// `Domain`. Default: none.
    domain: String,
    /// `Expires`. Example: `2030-01-01T00:00:00Z`. Default: none.
    expires: String,
    /// `Secure`. Default: false.
    secure: bool,
    /// `HttpOnly`. Default: false.
    #[serde(rename = "httpOnly")]
    http_only: bool,
    /// `Max-Age` in seconds; a negative one ends the cookie at once. Default: none.
    #[serde(rename = "maxAge")]
    max_age: i64,
}

#[derive(Clone)]
struct Add {
    /// `name=value`.
    pair: HeaderValue,
    /// With attributes.
    whole: HeaderValue,
}

impl Modify<Sent> for Add {
    fn modify(&self, call: &mut Sent) -> Result<(), String> {
        let headers = call.headers();
        let joined = match headers.get(COOKIE) {
            Some(known) if !known.is_empty() => {
                let joined = [known.as_bytes(), b"; ", self.pair.as_bytes()].concat();
                HeaderValue::from_bytes(&joined).map_err(|error| error.to_string())?
            }
            _ => self.pair.clone(),
        };
        headers.insert(COOKIE, joined);
        Ok(())
    }
}

impl Modify<Received> for Add {
    fn modify(&self, answer: &mut Received) -> Result<(), String> {
        answer.headers.append(SET_COOKIE, self.whole.clone());
        Ok(())
    }
}

pub(super) fn modifier(_: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let settings: Settings = settings(place)?;
    let fail = |(key, message): (&str, String)| refuse(place, key)(message);
    let pair = pair(&settings).map_err(fail)?;
    let whole = format!("{pair}{}", attributes(&settings).map_err(fail)?);
    let header = |text: String| {
        let value = HeaderValue::try_from(text).map(sensitive);
        value.map_err(|error| fail(("value", error.to_string())))
    };
    Ok(Acts::on_both(Add { pair: header(pair)?, whole: header(whole)? }))
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

type Wrong = (&'static str, String);

fn pair(settings: &Settings) -> Result<String, Wrong> {
    let Settings { name, value, .. } = settings;
    // A cookie's name is a token, as a header's is.
    if HeaderName::try_from(name.as_str()).is_err() {
        return Err(("name", format!("{name:?} is no name of a cookie")));
    }
    let may_stand = |byte: u8| (0x20..0x7f).contains(&byte) && !b"\";\\".contains(&byte);
    if !value.bytes().all(may_stand) {
        let message = "has a quote, semicolon, backslash or another character that no cookie can have";
        return Err(("value", message.to_owned()));
    }
    let quote = if value.contains([' ', ',']) { "\"" } else { "" };
    Ok(format!("{name}={quote}{value}{quote}"))
}

/// In the order of the reference.
fn attributes(settings: &Settings) -> Result<String, Wrong> {
    let Settings { path, domain, expires, max_age, .. } = settings;
    let may_stand = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b';';
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let mut out = String::new();
    if !path.is_empty() {
        let path = Some(path).filter(|path| path.bytes().all(may_stand));
        out += &format!("; Path={}", path.ok_or(("path", "has a character that no cookie can have".to_owned()))?);
    }
    if !domain.is_empty() {
        let host = domain.trim_start_matches('.');
        let host = Some(host).filter(|host| !host.is_empty() && host.bytes().all(is_host));
        out += &format!("; Domain={}", host.ok_or_else(|| ("domain", format!("{domain:?} is no name of a host")))?);
    }
    if !expires.is_empty() {
        out += &format!("; Expires={}", date(expires).map_err(|message| ("expires", message))?);
    }
    match max_age {
        0 => {}
        ..0 => out += "; Max-Age=0",
        seconds => out += &format!("; Max-Age={seconds}"),
    }
    let flags = [(settings.http_only, "; HttpOnly"), (settings.secure, "; Secure")];
    out.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, text)| text));
    Ok(out)
}

/// `2030-01-01T00:00:00Z` as HTTP writes it.
fn date(text: &str) -> Result<String, String> {
    let wrong = |_| format!("{text:?} is no time; write one such as 2030-01-01T00:00:00Z");
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(wrong)?;
    if time < OffsetDateTime::UNIX_EPOCH {
        return Err(format!("{text:?} is before 1970-01-01T00:00:00Z, which is as good"));
    }
    Ok(httpdate::fmt_http_date(SystemTime::from(time)))
}

/// Whether one of the cookies of a call is meant.
pub(super) fn any_sent(headers: &HeaderMap, is_meant: &dyn Fn(&str, &str) -> bool) -> bool {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(';')).any(|one| is_pair(one, is_meant))
}

/// Whether one of the cookies that an answer gives is meant.
pub(super) fn any_given(headers: &HeaderMap, is_meant: &dyn Fn(&str, &str) -> bool) -> bool {
    let texts = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| text.split(';').next()).any(|one| is_pair(one, is_meant))
}

fn is_pair(text: &str, is_meant: &dyn Fn(&str, &str) -> bool) -> bool {
    let Some((name, value)) = text.trim().split_once('=') else { return false };
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    is_meant(name.trim(), bare.unwrap_or(value))
}
