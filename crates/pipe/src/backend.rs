//! One backend: the event becomes a call, the reply becomes data.

mod call;

use std::sync::Arc;

use ::http::header::{HeaderMap, HeaderName};
use ::http::{Method, Request as HttpRequest};

use crate::error::PipeError;
use crate::message::Request;
use crate::stage::{Context, Stage, StageFuture, ready};
use crate::target::Target;

pub use call::Reading;
pub(crate) use call::{HttpCall, OnRefusal, retry_after};

/// First stage of a backend: query, method, URL and headers are set; whatever is below sees the call as it will go.
pub(crate) struct Prepare {
    pub method: Method,
    pub target: Arc<Target>,
    /// `None`: all pass.
    pub headers: Option<Vec<HeaderName>>,
    /// `None`: all pass.
    pub query: Option<Vec<String>>,
    pub inner: Box<dyn Stage>,
}

impl Stage for Prepare {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        if self.target.is_known() {
            return self.at_once(request, context);
        }
        Box::pin(async move {
            match self.target.discover().await {
                Ok(()) => self.at_once(request, context).await,
                Err(error) => error.into(),
            }
        })
    }
}

impl Prepare {
    fn at_once<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        match self.prepared(request) {
            Ok(request) => self.inner.call(request, context),
            Err(error) => ready(error),
        }
    }

    fn prepared(&self, request: Request) -> Result<Request, PipeError> {
        let mut request = request;
        if let Some(known) = &self.query {
            request.query.retain(|(key, _)| known.contains(key));
        }
        request.url = self.target.url(&request.params, &request.query)?;
        request.method = self.method.clone();
        if let Some(names) = &self.headers {
            request.headers = Arc::new(only(&request.headers, names));
        }
        Ok(request)
    }
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let passing = headers.iter().filter(|(name, _)| names.contains(name));
    passing.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// `input_headers` of a backend: `None` when the list is empty or names all.
pub(crate) fn header_filter(names: &[String]) -> Option<Vec<HeaderName>> {
    if names.is_empty() || names.iter().any(|name| name == "*") {
        return None;
    }
    Some(names.iter().filter_map(|name| HeaderName::try_from(name.as_str()).ok()).collect())
}

/// `input_query_strings` of a backend: `None` when the list is empty or names all.
pub(crate) fn query_filter(names: &[String]) -> Option<Vec<String>> {
    let lets_all_pass = names.is_empty() || names.iter().any(|name| name == "*");
    (!lets_all_pass).then(|| names.to_vec())
}

/// The method of a backend.
///
/// # Errors
///
/// A sentence when it is no HTTP token.
pub(crate) fn method(name: &str) -> Result<Method, String> {
    let request = HttpRequest::builder().method(name).body(());
    request.map(|request| request.method().clone()).map_err(|_| format!("net/http: invalid method \"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    #[test]
    fn input_headers_let_only_the_named_ones_pass() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let given = HeaderMap::from_iter([
            (HeaderName::from_static("x-a"), HeaderValue::from_static("1")),
            (HeaderName::from_static("x-b"), HeaderValue::from_static("2")),
        ]);
        let cases: [(&[&str], usize); 4] = [(&[], 2), (&["*"], 2), (&[""], 0), (&["X-B", "X-C"], 1)];
        for (list, expected) in cases {
            let passed = header_filter(&names(list)).map_or_else(|| given.clone(), |names| only(&given, &names));
            assert_eq!(passed.len(), expected, "{list:?}");
        }
    }

    #[test]
    fn input_query_strings_let_only_the_named_ones_pass_and_a_star_all() {
        let passing = |list: &[&str]| query_filter(&list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(passing(&[]), None);
        assert_eq!(passing(&["page", "*"]), None);
        assert_eq!(passing(&["page"]), Some(vec!["page".to_owned()]));
    }

    #[test]
    fn a_method_is_a_token() {
        assert_eq!(method("DELETE"), Ok(Method::DELETE));
        assert_eq!(method("PURGE").map(|method| method.to_string()), Ok("PURGE".to_owned()));
        assert_eq!(method("GE T"), Err("net/http: invalid method \"GE T\"".to_owned()));
    }
}
