//! A request and a reply in the hands of a plugin: views into siphon's memory, and what is new about them.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Refusal;
use crate::export::Loan;

/// A request on its way. What is not changed costs nothing.
#[derive(Debug)]
pub struct Request {
    pub(crate) loan: Loan,
    pub(crate) changed: Changed,
}

/// Names and values, in their order; names may repeat.
pub(crate) type List = Vec<(Bytes, Bytes)>;

/// What is new about a request or a reply.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    pub method: Option<String>,
    pub url: Option<String>,
    pub query: Option<List>,
    pub headers: Option<List>,
    pub params: Option<List>,
    pub body: Option<Bytes>,
    pub status: Option<u16>,
    pub data: Option<Bytes>,
    pub complete: Option<bool>,
}

impl Request {
    /// Empty at an agent, before a backend has set its own.
    pub fn method(&self) -> &str {
        self.changed.method.as_deref().unwrap_or_else(|| self.loan.method())
    }

    /// At a backend only: an agent's backends each set their own.
    pub fn set_method(&mut self, method: impl Into<String>) {
        self.changed.method = Some(method.into());
    }

    /// The whole URL; empty at an agent, before a backend has chosen its host.
    pub fn url(&self) -> &str {
        self.changed.url.as_deref().unwrap_or_else(|| self.loan.url())
    }

    /// The URL from its path on, without the query; empty where there is no URL.
    pub fn path(&self) -> &str {
        let url = self.url();
        let behind = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |slash| &rest[slash..]));
        behind.split('?').next().unwrap_or_default()
    }

    /// At a backend only: an agent's backends each make their own.
    pub fn set_url(&mut self, url: impl Into<String>) {
        self.changed.url = Some(url.into());
    }

    /// What is added to the query of a backend's `url_pattern`. Empty at a backend, whose URL has it.
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.changed.query, || self.loan.query()).map(|(name, value)| (text(name), text(value)))
    }

    /// At an agent only: a backend's URL is made already.
    pub fn add_query(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into().into(), value.into().into());
        owned(&mut self.changed.query, || self.loan.query()).push((name, value));
    }

    /// All headers, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        pairs(&self.changed.headers, || self.loan.headers()).map(|(name, value)| (text(name), value))
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Sets a header, in the place of all of that name.
    pub fn set_header(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        set(owned(&mut self.changed.headers, || self.loan.headers()), name.into(), Some(value.into()));
    }

    /// Takes all headers of that name away.
    pub fn remove_header(&mut self, name: &str) {
        let name = Bytes::copy_from_slice(name.as_bytes());
        set(owned(&mut self.changed.headers, || self.loan.headers()), name, None);
    }

    /// Values of `{placeholders}`; their names begin with a capital letter.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.changed.params, || self.loan.params()).map(|(name, value)| (text(name), text(value)))
    }

    /// The param of that name, whatever the case of its first letter.
    pub fn param(&self, name: &str) -> Option<&str> {
        let name = capitalised(name);
        self.params().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Sets a param; at an agent, the `url_pattern` of its backends can use it.
    pub fn set_param(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into().into();
        set(owned(&mut self.changed.params, || self.loan.params()), capitalised(name).into(), Some(value));
    }

    /// The payload.
    pub fn body(&self) -> &[u8] {
        self.changed.body.as_deref().unwrap_or_else(|| self.loan.body())
    }

    /// `Bytes` are handed on as they are, without a copy.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.changed.body = Some(body.into());
    }

    /// How much of the event's time was left when the call came.
    pub fn time_left(&self) -> Duration {
        self.loan.time_left()
    }
}

/// What a backend, or a merge of backends, answered: data, and with `encoding: no-op` the reply as it came.
#[derive(Debug)]
pub struct Reply {
    pub(crate) request: Request,
    pub(crate) changed: Changed,
}

impl Reply {
    /// What was asked, as it left the modifiers of this place.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Most replies have none: only those of `no-op` backends, and refusals that became data.
    pub fn status(&self) -> Option<u16> {
        self.changed.status.or_else(|| self.loan().status())
    }

    pub fn set_status(&mut self, status: u16) {
        self.changed.status = Some(status);
    }

    /// Only those of `no-op` backends.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        pairs(&self.changed.headers, || self.loan().reply_headers()).map(|(name, value)| (text(name), value))
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Sets a header, in the place of all of that name.
    pub fn set_header(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        set(owned(&mut self.changed.headers, || self.request.loan.reply_headers()), name.into(), Some(value.into()));
    }

    /// The data as JSON text, an object or null, its numbers as the backend wrote them.
    pub fn data_text(&self) -> &str {
        self.changed.data.as_deref().map_or_else(|| self.loan().data(), text)
    }

    /// The data in a type of yours.
    ///
    /// # Errors
    ///
    /// It is not of that type.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_str(self.data_text())
            .map_err(|error| Refusal::new(format!("cannot read the reply's data: {error}")))
    }

    /// Replaces the data.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON.
    pub fn set_data<T: Serialize>(&mut self, data: &T) -> Result<(), Refusal> {
        let data = serde_json::to_vec(data);
        let data = data.map_err(|error| Refusal::new(format!("cannot write the reply's data: {error}")))?;
        self.changed.data = Some(data.into());
        Ok(())
    }

    /// Replaces the data by JSON text: an object or null.
    pub fn set_data_text(&mut self, data: impl Into<Bytes>) {
        self.changed.data = Some(data.into());
    }

    /// The body as it came; only of `no-op` backends.
    pub fn raw(&self) -> Option<&[u8]> {
        self.changed.body.as_deref().or_else(|| self.loan().raw())
    }

    pub fn set_raw(&mut self, raw: impl Into<Bytes>) {
        self.changed.body = Some(raw.into());
    }

    /// Whether every part arrived.
    pub fn is_complete(&self) -> bool {
        self.changed.complete.unwrap_or_else(|| self.loan().is_complete())
    }

    pub fn set_complete(&mut self, complete: bool) {
        self.changed.complete = Some(complete);
    }

    fn loan(&self) -> &Loan {
        &self.request.loan
    }
}

/// What is new, else what was lent.
fn pairs<'a, L>(changed: &'a Option<List>, lent: impl FnOnce() -> L) -> impl Iterator<Item = (&'a [u8], &'a [u8])>
where
    L: Iterator<Item = (&'a [u8], &'a [u8])>,
{
    let lent = changed.is_none().then(lent);
    let own = changed.iter().flatten().map(|(name, value)| (&name[..], &value[..]));
    own.chain(lent.into_iter().flatten())
}

/// The list to change: a copy of what was lent, the first time.
fn owned<'a, 'l, L>(changed: &'a mut Option<List>, lent: impl FnOnce() -> L) -> &'a mut List
where
    L: Iterator<Item = (&'l [u8], &'l [u8])>,
{
    let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    changed.get_or_insert_with(|| lent().map(|(name, value)| (copy(name), copy(value))).collect())
}

/// Puts `value` in the place of all of that name, whatever its case; `None` takes them away.
fn set(list: &mut List, name: Bytes, value: Option<Bytes>) {
    list.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
    list.extend(value.map(|value| (name, value)));
}

/// The host lends names and texts as UTF-8.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn capitalised(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}
