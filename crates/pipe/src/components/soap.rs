//! `backend/soap`: a Go template makes the envelope of a SOAP call (components-traffic.md §13). The answer is read as the
//! backend's `encoding` says, which should be `xml`.

use ::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::{Component, Encoding};

use super::body_generator::{Generator, REQUEST_FIELDS, RequestBody, Written};
use super::{Build, Checked, Entry, Layer, Level, Site, UnknownKeys, graphql};
use crate::http::{Exchange, ExchangeFuture, Outgoing};
use crate::json::{JsonRef, View};
use crate::stage::{Context, Stage};
use crate::xml;

const NAMESPACE: &str = "backend/soap";

pub(super) const ENTRY: Entry = Entry {
    namespaces: &[NAMESPACE],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "posts a SOAP envelope that a template makes",
    schema,
    build: Build::Stage(build),
};

/// The same component once more, where the answer comes by.
pub(super) const FAULTS: Entry = Entry {
    effect: "takes a fault for a status of 500, whatever status it comes with",
    build: Build::Exchange(Layer::AroundCall(build_faults)),
    ..ENTRY
};

/// `backend/soap`. One of `path` and `template`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// A file with the Go template of the envelope, read at start; relative to the working directory.
    #[serde(default)]
    path: Option<String>,
    /// The Go template itself, in base64.
    #[serde(default)]
    template: Option<String>,
    /// Content type of the call. Default: `text/xml`; SOAP 1.2 has `application/soap+xml`.
    #[serde(default)]
    content_type: Option<String>,
    /// Without effect: `siphon invoke` shows what a pipe makes of a payload.
    #[serde(default, rename = "debug")]
    _debug: bool,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let is_graphql = |other: &&Component| graphql::ENTRY.namespaces.contains(&other.namespace.as_str());
    if let Some(other) = site.backend.and_then(|backend| backend.components.iter().find(is_graphql)) {
        let message = format!("{} writes the body of the call as well; keep one", other.namespace);
        return Err(vec![component.problem("", &message)]);
    }
    let encoding = site.backend.map_or(Encoding::Xml, |backend| backend.encoding);
    if !matches!(encoding, Encoding::Xml | Encoding::String | Encoding::NoOp) {
        let message = "a SOAP service answers with XML; set the backend's encoding to xml";
        return Err(vec![component.problem("", message)]);
    }
    let written = Written { path: settings.path, template: settings.template, content_type: settings.content_type };
    let generator = Generator::new(component, written, "text/xml", &REQUEST_FIELDS)?;
    // SOAP 1.1 §6 and 1.2 part 2 §7.4: the envelope is posted.
    Ok(Box::new(RequestBody { generator, source: NAMESPACE, method: Some(Method::POST), inner }))
}

fn build_faults(_: &Component, _: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    Ok(Box::new(Faults { below }))
}

/// SOAP wants a status of 500 for a fault (1.1 §6.2). Of services that answer 200 the event would be lost.
struct Faults {
    below: Box<dyn Exchange>,
}

impl Exchange for Faults {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        Box::pin(async move {
            let mut answer = self.below.exchange(call, context).await?;
            if answer.status.is_success()
                && let Some(reason) = fault(&answer.load().await?)
            {
                answer.remark = format!("SOAP fault with status {}: {reason}", answer.status.as_u16());
                answer.status = StatusCode::INTERNAL_SERVER_ERROR;
            }
            Ok(answer)
        })
    }
}

/// Why a body is a fault; `None` for another one. Hardly a body that is none has the word; of UTF-16, which has zeros,
/// nobody can say so at a glance.
fn fault(body: &[u8]) -> Option<String> {
    let may_be = body.contains(&0) || body.windows(5).any(|word| word == b"Fault");
    let envelope = may_be.then(|| xml::decode(body).ok()).flatten()?;
    let fault = envelope.get("Envelope")?.get("Body")?.get("Fault")?;
    let of_1_2 = || fault.get("Reason")?.get("Text");
    let reason = fault.get("faultstring").or_else(of_1_2).and_then(text);
    Some(reason.unwrap_or_else(|| "it gives no reason".to_owned()))
}

/// The text of an element, of the first one where there are several (SOAP 1.2 has one for each language).
fn text(element: JsonRef<'_>) -> Option<String> {
    match element.view() {
        View::String(text) => Some(text.to_owned()),
        View::Array(mut elements) => elements.next().and_then(text),
        View::Object(_) => element.get("#text").and_then(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use ::http::HeaderMap;
    use bytes::Bytes;
    use siphon_config::model::Backend;
    use tokio::time::Instant;

    use super::*;
    use crate::backend::Reading;
    use crate::components::testing;
    use crate::error::PipeError;
    use crate::http::Answer;
    use crate::message::{Reply, Request};
    use crate::stage::{StageFuture, ready};

    struct Below;

    impl Stage for Below {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            ready(Reply::from(PipeError::NoHosts))
        }
    }

    #[test]
    fn an_envelope_beside_a_graphql_request_is_refused() {
        let component = testing::component(NAMESPACE, r#"{"template": "eA=="}"#);
        let mut backend = Backend { encoding: Encoding::Xml, ..crate::fixture::backend("http://h", "/") };
        let built = |backend: &Backend| testing::with_backend(backend, |site| build(&component, site, Box::new(Below)));
        assert!(built(&backend).is_ok());
        backend.components.push(testing::component("backend/graphql", r#"{"type": "query", "query": "{a}"}"#));
        let problems = built(&backend).err().expect("refused");
        assert_eq!(problems[0].message, "backend/graphql writes the body of the call as well; keep one");
    }

    /// Answers with a fault, and a status of 200.
    struct Failing;

    impl Exchange for Failing {
        fn exchange<'a>(&'a self, call: Outgoing, _: &'a Context) -> ExchangeFuture<'a> {
            let body =
                "<e:Envelope><e:Body><e:Fault><faultstring>no stock</faultstring></e:Fault></e:Body></e:Envelope>";
            let answer =
                Answer::from_memory(&call, StatusCode::OK, HeaderMap::new(), Bytes::from_static(body.as_bytes()));
            Box::pin(std::future::ready(Ok(answer)))
        }
    }

    #[tokio::test]
    async fn a_fault_that_came_with_a_success_is_an_error_that_says_why() {
        let call = Outgoing::new(Method::POST, "http://h/".parse().expect("a url"), Arc::default(), Bytes::new());
        let context = Context { deadline: Instant::now() + Duration::from_secs(60) };
        let answer = Faults { below: Box::new(Failing) }.exchange(call, &context).await.expect("an answer");
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        let backend = crate::fixture::backend("http://h", "/");
        let reading = Reading::of(&backend).expect("no filters");
        let error = reading.read(answer).await.expect_err("an error").to_string();
        assert!(error.ends_with(": SOAP fault with status 200: no stock"), "{error}");
    }

    #[test]
    fn a_fault_says_why() {
        let said = |fault: &str| super::fault(format!("<e:Envelope><e:Body>{fault}</e:Body></e:Envelope>").as_bytes());
        let cases = [
            ("<e:Fault><faultstring>no stock</faultstring></e:Fault>", Some("no stock")),
            ("<e:Fault><faultstring xml:lang=\"en\">no stock</faultstring></e:Fault>", Some("no stock")),
            ("<e:Fault><e:Reason><e:Text xml:lang=\"en\">none</e:Text></e:Reason></e:Fault>", Some("none")),
            (
                "<e:Fault><e:Reason><e:Text xml:lang=\"en\">none</e:Text><e:Text>keine</e:Text></e:Reason></e:Fault>",
                Some("none"),
            ),
            ("<e:Fault>x</e:Fault>", Some("it gives no reason")),
            ("<Faults>0</Faults>", None),
        ];
        for (body, expected) in cases {
            assert_eq!(said(body).as_deref(), expected, "{body}");
        }
    }
}
