//! A request and a reply of the pipe, as they are lent to plugins and come back from them.

use std::sync::{Arc, OnceLock};

use http::header::HOST;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use siphon_core::plugin::{Changes, Each, LendReply, LendRequest};
use siphon_pipe::http::Outgoing;
use siphon_pipe::{Json, Params, Request, Response};
use siphon_telemetry::redact;

/// A request in the hands of plugins.
pub(super) struct LentRequest {
    request: Request,
    /// As text: a URL has none of its own.
    url: String,
    /// Neither method nor URL are made yet.
    is_agent: bool,
}

impl LentRequest {
    /// At an agent, before its backends.
    pub fn of_agent(request: Request) -> Self {
        Self { request, url: String::new(), is_agent: true }
    }

    /// In a backend, as it will be called.
    pub fn of_backend(request: Request) -> Self {
        Self { url: request.url.to_string(), request, is_agent: false }
    }

    /// The call of an HTTP backend. Where it is to name another host than that of its URL, the header `Host` says so.
    pub fn of_call(call: &Outgoing) -> Self {
        let Outgoing { method, url, mut headers, body, host, .. } = call.clone();
        if let Some(host) = host {
            Arc::make_mut(&mut headers).insert(HOST, host);
        }
        Self::of_backend(Request { method, url, headers, body, ..Request::default() })
    }

    /// The request; copied only where a plugin still holds it.
    pub fn take(lent: Arc<Self>) -> Request {
        Arc::try_unwrap(lent).map_or_else(|shared| shared.request.clone(), |lent| lent.request)
    }

    /// What a modifier made of it.
    ///
    /// # Errors
    ///
    /// What cannot be sent, or would have no effect here; about the plugin: `returned …`.
    pub fn changed(&self, changes: Changes) -> Result<Self, String> {
        self.check_effect(&changes)?;
        let mut request = self.request.clone();
        if let Some(name) = changes.method {
            let method = Method::from_bytes(name.as_bytes());
            request.method = method.map_err(|_| format!("returned the method {name:?}, which is none"))?;
        }
        if let Some(url) = changes.url {
            request.url = self.moved(&url)?;
        }
        if let Some(headers) = changes.headers {
            request.headers = Arc::new(header_map(headers)?);
        }
        if let Some(params) = changes.params {
            let mut own = Params::default();
            params.into_iter().for_each(|(name, value)| own.insert(name, value));
            request.params = Arc::new(own);
        }
        request.query = changes.query.unwrap_or(request.query);
        request.body = changes.body.unwrap_or(request.body);
        Ok(if self.is_agent { Self::of_agent(request) } else { Self::of_backend(request) })
    }

    fn check_effect(&self, changes: &Changes) -> Result<(), String> {
        if self.is_agent && (changes.method.is_some() || changes.url.is_some()) {
            return Err("set the method or the URL of an agent's request, which each backend makes for itself; \
                        set params, the query, headers or the body, or name the modifier in a backend"
                .to_owned());
        }
        if !self.is_agent && changes.query.is_some() {
            return Err("added to the query of a backend's request, whose URL is made already; set the URL".to_owned());
        }
        Ok(())
    }

    /// Where HTTP is called, a whole URL must stay one.
    fn moved(&self, text: &str) -> Result<Uri, String> {
        let shown = || redact::url(text);
        let url: Uri = text.parse().map_err(|error| format!("returned the URL {:?}: {error}", shown()))?;
        let is_whole = |url: &Uri| {
            url.authority().is_some() && (url.scheme() == Some(&Scheme::HTTP) || url.scheme() == Some(&Scheme::HTTPS))
        };
        if is_whole(&self.request.url) && !is_whole(&url) {
            return Err(format!("returned the URL {:?}, which lacks http:// and a host", shown()));
        }
        Ok(url)
    }
}

impl LendRequest for LentRequest {
    fn method(&self) -> &str {
        if self.is_agent { "" } else { self.request.method.as_str() }
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn query<'a>(&'a self, each: Each<'_, 'a>) {
        self.request.query.iter().for_each(|(name, value)| each(name.as_bytes(), value.as_bytes()));
    }

    fn headers<'a>(&'a self, each: Each<'_, 'a>) {
        lend_headers(&self.request.headers, each);
    }

    fn params<'a>(&'a self, each: Each<'_, 'a>) {
        self.request.params.iter().for_each(|(name, value)| each(name.as_bytes(), value.as_bytes()));
    }

    fn body(&self) -> &[u8] {
        &self.request.body
    }
}

/// A reply in the hands of plugins.
pub(super) struct LentReply {
    response: Response,
    /// Written when a plugin first asks for it.
    data: OnceLock<Vec<u8>>,
}

impl LentReply {
    pub fn new(response: Response) -> Self {
        Self { response, data: OnceLock::new() }
    }

    /// The reply; copied only where a plugin still holds it.
    pub fn take(lent: Arc<Self>) -> Response {
        Arc::try_unwrap(lent).map_or_else(|shared| shared.response.clone(), |lent| lent.response)
    }

    /// What a modifier made of it.
    ///
    /// # Errors
    ///
    /// What is no reply: `returned …`.
    pub fn changed(lent: Arc<Self>, changes: Changes) -> Result<Self, String> {
        let mut response = Self::take(lent);
        if let Some(text) = changes.data {
            response.data = object(&text)?;
        }
        if let Some(headers) = changes.headers {
            response.headers = header_map(headers)?;
        }
        response.status = changes.status.or(response.status);
        response.complete = changes.complete.unwrap_or(response.complete);
        response.raw = changes.body.or(response.raw);
        Ok(Self::new(response))
    }
}

impl LendReply for LentReply {
    fn status(&self) -> Option<u16> {
        self.response.status
    }

    fn is_complete(&self) -> bool {
        self.response.complete
    }

    fn headers<'a>(&'a self, each: Each<'_, 'a>) {
        lend_headers(&self.response.headers, each);
    }

    fn raw(&self) -> Option<&[u8]> {
        self.response.raw.as_deref()
    }

    fn data(&self) -> &[u8] {
        self.data.get_or_init(|| self.response.data.to_vec())
    }
}

fn object(text: &[u8]) -> Result<Json, String> {
    let data = Json::parse_alone(text).map_err(|error| format!("returned data that is no JSON: {error}"))?;
    match data.is_object() || data.is_null() {
        true => Ok(data),
        false => Err(format!("returned data that is no object but {}", data.type_name())),
    }
}

fn lend_headers<'a>(headers: &'a HeaderMap, each: Each<'_, 'a>) {
    headers.iter().for_each(|(name, value)| each(name.as_str().as_bytes(), value.as_bytes()));
}

/// # Errors
///
/// The first header that HTTP cannot carry; its value is not shown.
pub(super) fn header_map(headers: Vec<(Vec<u8>, Vec<u8>)>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let shown = || String::from_utf8_lossy(&name).into_owned();
        let name_of = HeaderName::from_bytes(&name);
        let header = name_of.map_err(|_| format!("returned the header {:?}, which is no name of one", shown()))?;
        let value = HeaderValue::from_bytes(&value);
        map.append(
            header,
            value.map_err(|_| format!("returned the header {:?} with a value that HTTP cannot carry", shown()))?,
        );
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend() -> LentRequest {
        let url = "http://h:80/a?b=1".parse().unwrap();
        LentRequest::of_backend(Request { url, ..Request::new("payload") })
    }

    #[track_caller]
    fn refused(lent: &LentRequest, changes: Changes, part: &str) {
        let said = lent.changed(changes).err().unwrap_or_default();
        assert!(said.contains(part), "{said:?}");
    }

    #[test]
    fn what_would_have_no_effect_at_its_place_is_refused() {
        let agent = LentRequest::of_agent(Request::new("payload"));
        assert_eq!((agent.method(), agent.url()), ("", ""));
        refused(&agent, Changes { method: Some("PUT".into()), ..Changes::default() }, "each backend makes for itself");
        refused(
            &agent,
            Changes { url: Some("http://h/".into()), ..Changes::default() },
            "each backend makes for itself",
        );
        refused(&backend(), Changes { query: Some(Vec::new()), ..Changes::default() }, "URL is made already");
    }

    #[test]
    fn what_http_cannot_carry_is_refused_by_name() {
        let header = |name: &[u8], value: &[u8]| Changes {
            headers: Some(vec![(name.to_vec(), value.to_vec())]),
            ..Changes::default()
        };
        refused(
            &backend(),
            Changes { method: Some("GE T".into()), ..Changes::default() },
            "returned the method \"GE T\"",
        );
        refused(&backend(), Changes { url: Some("/a".into()), ..Changes::default() }, "lacks http:// and a host");
        refused(&backend(), Changes { url: Some("http://h h/".into()), ..Changes::default() }, "returned the URL");
        refused(&backend(), header(b"x y", b"1"), "returned the header \"x y\", which is no name of one");
        refused(&backend(), header(&[0xff], b"1"), "which is no name of one");
        refused(&backend(), header(b"x-a", b"a\nb"), "\"x-a\" with a value that HTTP cannot carry");
    }

    #[test]
    fn a_call_names_the_host_that_it_is_given() {
        let named = |host: Option<&'static str>| {
            let call = Outgoing::new(Method::GET, "http://h/".parse().unwrap(), Arc::default(), "".into());
            let lent = LentRequest::of_call(&Outgoing { host: host.map(HeaderValue::from_static), ..call });
            let mut seen = Vec::new();
            lent.headers(&mut |name, value| seen.push(format!("{} {}", name.escape_ascii(), value.escape_ascii())));
            seen
        };
        assert_eq!(named(Some("internal.example")), ["host internal.example"]);
        assert!(named(None).is_empty());
    }

    #[test]
    fn what_is_not_changed_stays() {
        let changes = Changes { body: Some("new".into()), ..Changes::default() };
        let changed = backend().changed(changes).unwrap();
        assert_eq!((changed.method(), changed.url(), changed.body()), ("GET", "http://h:80/a?b=1", &b"new"[..]));
        let lent = Arc::new(LentReply::new(Response::complete(object(br#"{"a":1.50}"#).unwrap())));
        let reply = LentReply::changed(lent, Changes { status: Some(201), ..Changes::default() }).unwrap();
        assert_eq!((reply.data(), reply.status(), reply.is_complete()), (&br#"{"a":1.50}"#[..], Some(201), true));
    }

    #[test]
    fn data_is_an_object_or_null() {
        for (text, part) in [("[1]", "no object but"), ("{", "no JSON"), ("\u{0}", "no JSON")] {
            let changes = Changes { data: Some(text.into()), ..Changes::default() };
            let said =
                LentReply::changed(Arc::new(LentReply::new(Response::empty())), changes).err().unwrap_or_default();
            assert!(said.contains(part), "{text}: {said}");
        }
        assert!(object(b"null").is_ok());
    }
}
