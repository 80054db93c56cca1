//! Components that make and change bodies, in front of a real server.

mod support;

use support::loaded::{checked, file};
use support::settings::pipe_of;
use support::{Action, Server, data, error, run, server};

const ENVELOPE: &str = r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
<Stock xmlns="urn:shop"><Sku>{{ html .req_body.sku }}</Sku>{{ range .req_body.places }}<Place>{{ . }}</Place>{{ end }}</Stock>
</soap:Body></soap:Envelope>"#;

const ANSWER: &str = r#"<?xml version="1.0"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
<StockResponse xmlns="urn:shop"><Left>3</Left></StockResponse></soap:Body></soap:Envelope>"#;

/// A folder with this template in it, and its path as JSON.
fn template(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("body.tmpl");
    std::fs::write(&file, text).expect("written");
    let path = serde_json::to_string(&file).expect("text");
    (folder, path)
}

/// An agent with these components and this backend at `server`.
fn agent(server: &Server, components: &str, backend: &str) -> String {
    let (url, comma) = (server.url(), if components.is_empty() { "" } else { "," });
    format!(
        r#"{{"version": 3, "host": ["{url}"], "async_agent": [{{"name": "x", "topic": "x", "timeout": "20s",
            "backend": [{backend}], "extra_config": {{"async/sqlite": {{}}{comma} {components}}}}}]}}"#
    )
}

#[tokio::test]
async fn an_event_becomes_a_soap_call_and_its_answer_data() {
    let server = Server::start(|_| server::reply(200, &["Content-Type: text/xml"], ANSWER)).await;
    let (_folder, path) = template(ENVELOPE);
    let backend = format!(
        r#"{{"url_pattern": "/stock", "encoding": "xml", "target": "Envelope.Body.StockResponse",
            "extra_config": {{"backend/soap": {{"path": {path}}}}}}}"#
    );
    let reply = run(&pipe_of(&agent(&server, "", &backend)), r#"{"sku": "a<b&\"c\"", "places": [1, "x"]}"#).await;
    assert_eq!(data(&reply).as_deref(), Some(r#"{"-xmlns":"urn:shop","Left":"3"}"#), "{}", error(&reply));
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), seen.header("Content-Type")), ("POST", Some("text/xml")));
    let wanted = "<Sku>a&lt;b&amp;&#34;c&#34;</Sku><Place>1</Place><Place>x</Place>";
    assert!(seen.body.contains(wanted), "{}", seen.body);
}

#[tokio::test]
async fn a_fault_fails_the_event_whatever_its_status() {
    let fault = |body: &str| format!(r#"<e:Envelope xmlns:e="urn:e"><e:Body>{body}</e:Body></e:Envelope>"#);
    let cases = [
        (500, fault("<e:Fault><faultstring>no stock</faultstring></e:Fault>"), true),
        (200, fault("<e:Fault><faultstring>no stock</faultstring></e:Fault>"), true),
        (200, fault("<Faults>0</Faults>"), false),
        (200, fault("<Word>Fault</Word>"), false),
    ];
    let (_folder, path) = template(ENVELOPE);
    let backend = format!(
        r#"{{"url_pattern": "/stock", "encoding": "xml", "target": "Envelope.Body.StockResponse",
            "extra_config": {{"backend/soap": {{"path": {path}}}}}}}"#
    );
    for (status, body, is_failed) in cases {
        let answer = body.clone();
        let server = Server::start(move |_| server::reply(status, &["Content-Type: text/xml"], &answer)).await;
        let reply = run(&pipe_of(&agent(&server, "", &backend)), "{}").await;
        let has_failed = error(&reply).starts_with("invalid status code 500 ");
        assert_eq!((has_failed, reply.error.is_some()), (is_failed, is_failed), "{status} {body}: {}", error(&reply));
        let says_why = error(&reply).ends_with(": SOAP fault with status 200: no stock");
        assert_eq!(says_why, is_failed && status == 200, "{status} {body}: {}", error(&reply));
    }
}

#[test]
fn soap_with_an_encoding_that_reads_no_xml_is_refused() {
    let backend =
        r#"{"url_pattern": "/a", "host": ["http://h"], "extra_config": {"backend/soap": {"template": "eA=="}}}"#;
    let (config, _) = checked(&file("", backend));
    let config = config.expect("a configuration");
    let problems = siphon_pipe::Pipe::build(&config.agents[0], &config.service.http).err().expect("refused");
    assert!(problems[0].message.contains("set the backend's encoding to xml"), "{problems:?}");
}

#[tokio::test]
async fn templates_of_agent_and_backend_follow_each_other() {
    let server = Server::answering(&[("/a?tenant=blue", r#"{"n":1.50,"skip":true}"#)]).await;
    let (_one, agents) =
        template(r#"{"all": {{ toJson .req_body }}, "tenant": {{ toJson (first .req_querystring.tenant) }}}"#);
    let (_two, backends) = template(r#"{"path": "{{ .req_path }}", "all": {{ toJson .req_body.all }}}"#);
    let (_three, replies) = template(r#"{"from": {{ toJson .resp_body }}, "id": {{ .req_body.id }}}"#);
    let components = format!(
        r#""modifier/request-body-extractor": {{"operations": [
            {{"type": "query_string", "strategy": "dotnotation", "expression": "tenant", "target": "tenant", "on_conflict": "skip"}}]}},
           "modifier/body-generator": {{"path": {agents}}},
           "modifier/response-body-generator": {{"path": {replies}}}"#
    );
    let backend = format!(
        r#"{{"url_pattern": "/a", "method": "POST", "deny": ["skip"], "extra_config": {{
            "modifier/request-body-generator": {{"path": {backends}}}}}}}"#
    );
    let reply = run(&pipe_of(&agent(&server, &components, &backend)), r#"{"id": 7.0, "tenant": "blue"}"#).await;
    assert_eq!(data(&reply).as_deref(), Some(r#"{"from":{"n":1.50},"id":7.0}"#), "{}", error(&reply));
    let seen = &server.seen()[0];
    assert_eq!(seen.body, r#"{"path": "/a", "all": {"id":7.0,"tenant":"blue"}}"#);
}

#[tokio::test]
async fn what_a_reply_says_is_changed_before_it_is_merged() {
    let server = Server::answering(&[("/a", r#"{"list":[{"id":1.50,"late":true},{"id":2}],"name":" x "}"#)]).await;
    let backend = r#"{"url_pattern": "/a", "extra_config": {
        "modifier/response-body": {"modifiers": [{"trim": {"field": "name", "find": " "}}, {"upper": {"field": "name"}}]},
        "modifier/jmespath": {"expr": "{late: list[?late].id, name: name}"}}}"#;
    let components = r#""modifier/jmespath": {"expr": "{of: @}"}"#;
    let reply = run(&pipe_of(&agent(&server, components, backend)), "{}").await;
    assert_eq!(data(&reply).as_deref(), Some(r#"{"of":{"late":[1.50],"name":"X"}}"#), "{}", error(&reply));
}

#[tokio::test]
async fn a_template_that_fails_calls_nobody() {
    let server = Server::start(|_| Action::HangUp).await;
    let (_folder, path) = template("{{ required \"no id\" .req_body.id }}");
    let backend = format!(
        r#"{{"url_pattern": "/a", "method": "POST", "extra_config": {{"modifier/body-generator": {{"path": {path}}}}}}}"#
    );
    let reply = run(&pipe_of(&agent(&server, "", &backend)), "{}").await;
    let place = "body.tmpl, line 1, column 4: required: no id";
    assert!(error(&reply).starts_with("modifier/request-body-generator: ") && error(&reply).ends_with(place));
    assert!(server.seen().is_empty());
}
