use std::sync::{Arc, Mutex};

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use ::http::{HeaderMap, HeaderName};

use super::*;
use crate::components::testing;
use crate::error::{FailureKind, PipeError};
use crate::message::{Params, Reply, Request, Response};
use crate::stage::{Context, StageFuture, ready};

/// Remembers what it is called with, and answers always the same.
#[derive(Clone)]
struct Below {
    called: Arc<Mutex<Option<Request>>>,
    reply: Reply,
}

impl Below {
    fn answering(reply: impl Into<Reply>) -> Self {
        Self { called: Arc::default(), reply: reply.into() }
    }

    fn called(&self) -> Option<Request> {
        self.called.lock().expect("whole").take()
    }
}

impl Stage for Below {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        *self.called.lock().expect("whole") = Some(request);
        ready(self.reply.clone())
    }
}

fn inline(template: &str) -> String {
    format!("{{\"template\": \"{}\"}}", STANDARD.encode(template))
}

fn request_stage(settings: &str, below: &Below) -> Checked<Box<dyn Stage>> {
    let component = testing::component(REQUEST, settings);
    testing::with_site(|site| build_request(&component, site, Box::new(below.clone())))
}

fn response_stage(settings: &str, below: &Below) -> Checked<Box<dyn Stage>> {
    let component = testing::component(RESPONSE, settings);
    testing::with_site(|site| build_response(&component, site, Box::new(below.clone())))
}

fn event(body: &'static str, headers: &[(&'static str, &'static str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut params = Params::default();
    params.insert("topic", "orders");
    Request { headers: Arc::new(HeaderMap::from_iter(headers)), params: Arc::new(params), ..Request::new(body) }
}

/// The call that the event becomes.
async fn called(settings: &str, event: Request) -> Result<Request, PipeError> {
    let below = Below::answering(Ok(Response::empty()));
    let reply = testing::run(request_stage(settings, &below).expect(settings).as_ref(), event).await;
    match reply.error {
        Some(error) => Err(error),
        None => Ok(below.called().expect("called")),
    }
}

async fn body(template: &str, event: Request) -> String {
    let request = called(&inline(template), event).await.expect(template);
    String::from_utf8(request.body.to_vec()).expect("text")
}

#[tokio::test]
async fn the_template_makes_the_body_and_its_content_type() {
    let gzip = [("content-type", "text/plain"), ("content-encoding", "gzip"), ("x-a", "1")];
    let made = called(&inline("{\"id\": {{.req_body.id}}}"), event("{\"id\": 1.50}", &gzip)).await.expect("a call");
    assert_eq!(made.body, "{\"id\": 1.50}");
    assert_eq!(made.headers[CONTENT_TYPE], "application/json");
    assert_eq!((made.headers.contains_key(CONTENT_ENCODING), made.headers.contains_key("x-a")), (false, true));
    let settings = format!("{{\"template\": \"{}\", \"content_type\": \"text/csv\"}}", STANDARD.encode("a;b"));
    let made = called(&settings, event("", &[])).await.expect("a call");
    assert_eq!((made.body, &made.headers[CONTENT_TYPE]), ("a;b".into(), &HeaderValue::from_static("text/csv")));
}

#[tokio::test]
async fn a_template_finds_all_that_is_known_about_the_event() {
    let headers = [("x-tenant", "blue"), ("content-type", "application/json")];
    let mut request = event("{\"n\": [1]}", &headers);
    request.query = vec![("q".into(), "1".into()), ("p".into(), "x".into()), ("q".into(), "2".into())];
    let template = "[{{toJson .req_body}}, {{toJson .req_headers}}, {{toJson .req_querystring}}, \
                    {{toJson .req_params}}, {{toJson .req_path}}, {{toJson .variables}}]";
    let expected = r#"[{"n":[1]}, {"X-Tenant":["blue"],"Content-Type":["application/json"]}, {"q":["1","2"],"p":["x"]}, {"Topic":"orders"}, "", {}]"#;
    assert_eq!(body(template, request.clone()).await, expected);
    request.url = "http://h:80/a/b?c=1".parse().expect("a URL");
    assert_eq!(body("{{toJson .req_path}}", request).await, "\"/a/b\"");
}

#[tokio::test]
async fn a_payload_is_read_as_its_content_type_says() {
    let template = "{{toJson .req_body}}";
    let cases = [
        ("{\"a\": 1}", "text/plain", "{\"a\":1}"),
        ("plain", "text/plain", "\"plain\""),
        ("<a b=\"1\">x</a>", "text/xml; charset=utf-8", r##"{"a":{"#text":"x","-b":"1"}}"##),
        ("", "application/json", "null"),
        ("[1]", "application/vnd.a+json", "[1]"),
    ];
    for (payload, kind, expected) in cases {
        let made = body(template, event(payload, &[("content-type", kind)])).await;
        let equal = Json::parse(made.as_bytes()).ok() == Json::parse(expected.as_bytes()).ok();
        assert!(equal, "{payload}: {made}");
    }
    assert_eq!(body(template, event("text", &[])).await, "\"text\"");
}

#[tokio::test]
async fn a_template_in_a_file_is_read_once_and_has_variables() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("body.tmpl");
    std::fs::write(&file, "{{range $k, $v := .variables}}{{$k}}={{$v}};{{end}}").expect("written");
    let settings = serde_json::json!({ "path": file, "content_type": "text/plain", "debug": true }).to_string();
    let settings = settings.replacen('{', "{\"variables\": {\"rate\": 1.50, \"b\": [1]}, ", 1);
    let below = Below::answering(Ok(Response::empty()));
    let stage = request_stage(&settings, &below).expect("a stage");
    std::fs::remove_file(&file).expect("removed");
    assert!(testing::run(stage.as_ref(), event("", &[])).await.is_complete());
    assert_eq!(below.called().map(|request| request.body).as_deref(), Some(b"b=[1];rate=1.50;".as_slice()));
}

#[tokio::test]
async fn what_the_template_cannot_make_fails_the_event() {
    let cases = [
        (
            "{\"a\": \"{{.req_body.name}}\"}",
            "what the template makes is no JSON: invalid character 'b' after object key:value pair at line 1, column 10; content_type says otherwise",
        ),
        (
            "{{upper .req_body.nope}}",
            "the template, line 1, column 3: upper: argument 1 is nothing, not a text; default stands in for what is missing",
        ),
        (
            "{\"id\": {{.req_body.nope}}}",
            "what the template makes is no JSON: invalid character '<' looking for beginning of value at line 1, column 8; content_type says otherwise",
        ),
    ];
    for (template, reason) in cases {
        let error = called(&inline(template), event("{\"name\": \"a\\\"b\"}", &[])).await.expect_err(template);
        assert_eq!((error.kind(), error.to_string()), (FailureKind::Invalid, format!("{REQUEST}: {reason}")));
    }
    let json = [("content-type", "application/json")];
    let error = called(&inline("{{.req_body}}"), event("{", &json)).await.expect_err("no JSON");
    assert_eq!(error.to_string(), format!("{REQUEST}: the payload is no JSON: unexpected EOF at line 1, column 2"));
    // Who does not look at the payload does not mind it.
    assert_eq!(body("{}", event("{", &json)).await, "{}");
}

/// The data, or the raw body, that the reply becomes.
async fn replied(settings: &str, reply: impl Into<Reply>) -> Result<Response, String> {
    let below = Below::answering(reply);
    let stage = response_stage(settings, &below).expect(settings);
    let reply = testing::run(stage.as_ref(), event("{\"id\": 7}", &[])).await;
    match reply.error {
        Some(error) => Err(error.to_string()),
        None => Ok(reply.response.expect("a response")),
    }
}

fn data(text: &str) -> Response {
    Response::complete(Json::parse(text.as_bytes()).expect(text))
}

#[tokio::test]
async fn the_template_makes_the_data_of_the_reply() {
    let cases = [
        ("{\"id\": {{.req_body.id}}, \"of\": {{.resp_body.n}}}", "", r#"{"id":7,"of":1.50}"#),
        ("[{{.resp_body.n}}]", "", r#"{"collection":[1.50]}"#),
        ("  ", "", "{}"),
        ("<a>{{.resp_body.n}}</a>", "text/xml", r#"{"a":"1.50"}"#),
        ("n={{.resp_body.n}}", "text/plain", r#"{"content":"n=1.50"}"#),
    ];
    for (template, kind, expected) in cases {
        let settings = format!("{{\"template\": \"{}\", \"content_type\": \"{kind}\"}}", STANDARD.encode(template));
        let reply = replied(&settings, Ok(data("{\"n\": 1.50}"))).await.expect(template);
        assert_eq!((reply.data.to_string().as_str(), reply.complete), (expected, true), "{template}");
    }
}

#[tokio::test]
async fn with_no_op_the_template_sees_status_and_headers_and_makes_the_body() {
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("x-id"), HeaderValue::from_static("9")),
    ]);
    let reply = Response { raw: Some("{\"n\": 1}".into()), status: Some(207), headers, ..Response::empty() };
    let template = "{{.resp_status}} {{index .resp_headers \"X-Id\" 0}} {{.resp_body.n}}";
    let settings = format!("{{\"template\": \"{}\", \"content_type\": \"text/plain\"}}", STANDARD.encode(template));
    let backend = Backend { encoding: Encoding::NoOp, ..crate::fixture::backend("http://h", "/") };
    let (component, below) = (testing::component(RESPONSE, &settings), Below::answering(Ok(reply)));
    let stage = testing::with_backend(&backend, |site| build_response(&component, site, Box::new(below)));
    let reply = testing::run(stage.expect("fine").as_ref(), Request::new("")).await.response.expect("a reply");
    assert_eq!(reply.raw.as_deref(), Some(b"207 9 1".as_slice()));
    assert_eq!(
        (&reply.headers[CONTENT_TYPE], reply.data.to_string()),
        (&HeaderValue::from_static("text/plain"), "{}".into())
    );
}

#[tokio::test]
async fn a_failed_call_stays_and_what_cannot_be_made_fails_the_event() {
    assert_eq!(replied(&inline("{}"), PipeError::NoHosts).await.map(drop), Err("no hosts available".to_owned()));
    let failed = replied(&inline("{{.resp_body.n}}"), Ok(data("{}"))).await.map(drop);
    let reason =
        "what the template makes is no JSON: invalid character '<' looking for beginning of value at line 1, column 1";
    assert_eq!(failed, Err(format!("{RESPONSE}: {reason}")));
}

#[track_caller]
fn refused(settings: &str, path: &str, message: &str) {
    let problems = request_stage(settings, &Below::answering(PipeError::NoHosts)).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
}

#[test]
fn a_status_that_no_reply_has_is_refused() {
    let settings = inline("{{if .resp_status}}{{end}}{}");
    let problems = response_stage(&settings, &Below::answering(PipeError::NoHosts)).err().expect("refused");
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    let message = "there is no .resp_status without encoding no-op: the event fails when a call does";
    assert_eq!(said, [("b.template", message)]);
    let mut backend = crate::fixture::backend("http://h", "/");
    backend.components.push(testing::component("backend/http", r#"{"return_error_details": "b"}"#));
    let (component, below) = (testing::component(RESPONSE, &settings), Below::answering(PipeError::NoHosts));
    let built = testing::with_backend(&backend, |site| build_response(&component, site, Box::new(below)));
    assert!(built.is_ok());
}

#[test]
fn what_cannot_work_is_refused_at_load() {
    refused("{}", "b", "has neither path nor template");
    refused(r#"{"path": "not/there.tmpl"}"#, "b.path", "not/there.tmpl cannot be read: ");
    refused(r#"{"path": "x", "template": "eA=="}"#, "b.template", "stands beside path; keep one of them");
    refused(r#"{"template": "{{.x}}"}"#, "b.template", "is no text in base64: ");
    refused(r#"{"template": "eA==", "content_type": "a\nb"}"#, "b.content_type", "cannot stand in a header");
    refused(&inline("a\n{{uper 1}}"), "b.template", "the template, line 2, column 3: function \"uper\" is not defined");
    refused(&inline("{{.req_bdy}}"), "b.template", "there is no .req_bdy; did you mean \"req_body\"?");
    refused(&inline("{{.resp_body}}"), "b.template", "there is no .resp_body");
    refused(r#"{"template": 1}"#, "b.template", "invalid type");
}
