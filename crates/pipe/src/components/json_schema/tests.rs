use super::*;
use crate::components::testing;
use crate::error;
use crate::message::Response;

/// Answers with the request's body, or nothing.
struct Echo;

impl Stage for Echo {
    fn call<'a>(&'a self, request: Request, _context: &'a Context) -> StageFuture<'a> {
        let data = Json::parse(&request.body).expect("JSON");
        ready(Reply::from(Ok(Response::complete(data))))
    }
}

fn event_stage(schema: &str) -> Checked<Box<dyn Stage>> {
    let component = testing::component("validation/json-schema", schema);
    testing::with_site(|site| build_for_events(&component, site, Box::new(Echo)))
}

/// What is said about an event; empty: it passed.
async fn said(schema: &str, event: &'static str) -> String {
    let stage = event_stage(schema).unwrap_or_else(|problems| panic!("{schema}: {problems:?}"));
    let reply = testing::run(stage.as_ref(), Request::new(event)).await;
    reply.error.map(|error| error.to_string()).unwrap_or_default()
}

#[track_caller]
fn refused(schema: &str, path: &str, message: &str) {
    let problems = event_stage(schema).err().unwrap_or_else(|| panic!("{schema} was taken"));
    let found: Vec<_> = problems.iter().map(|one| (one.path.as_str(), one.message.as_str())).collect();
    assert!(found.len() == 1 && found[0].0 == path && found[0].1.contains(message), "{found:?}");
}

const STREET: &str = r#"{"type": "object", "required": ["number", "street_name", "street_type"], "properties": {
    "number": {"type": "number"}, "street_name": {"type": "string"},
    "street_type": {"type": "string", "enum": ["Street", "Avenue"]}}}"#;

#[tokio::test]
async fn an_event_of_the_right_form_passes() {
    assert_eq!(said(STREET, r#" {"number": 1, "street_name": "a", "street_type": "Street"}"#).await, "");
    assert_eq!(said("true", "1").await, "");
    assert_eq!(said("{}", "null").await, "");
}

#[tokio::test]
async fn what_is_wrong_names_the_place_in_the_event_and_no_text_of_it() {
    let missing = "- at '': missing properties 'number', 'street_name', 'street_type'";
    assert_eq!(said(STREET, r#"{"invalid": true}"#).await, missing);
    let found = said(STREET, r#"{"number": "hunter2", "street_name": 2, "street_type": "Foo"}"#).await;
    let mut lines: Vec<_> = found.lines().collect();
    lines.sort_unstable();
    let expected = [
        "- at '/number': got string, want number",
        "- at '/street_name': got number, want string",
        "- at '/street_type': value must be one of 'Street', 'Avenue'",
    ];
    assert_eq!(lines, expected);
    let cases = [
        (r#"{"properties": {"a/b": {"type": "string"}}}"#, r#"{"a/b": 1}"#, "- at '/a~1b': got number, want string"),
        (r#"{"items": {"minimum": 5}}"#, "[5, 3]", "- at '/1': minimum: got 3, want 5"),
        (
            r#"{"anyOf": [{"type": "string"}, {"type": "number", "minimum": 5}]}"#,
            "3",
            "- at '': 'anyOf' failed\n  - at '': got number, want string\n  - at '': minimum: got 3, want 5",
        ),
        (
            r#"{"properties": {"a": {}}, "additionalProperties": false}"#,
            r#"{"b": 1}"#,
            "- at '': additional properties 'b' not allowed",
        ),
        (r#"{"minLength": 3}"#, "\"ab\"", "- at '': minLength: got 2, want 3"),
        (r#"{"uniqueItems": true}"#, "[1, 2, 1]", "- at '': items are not unique"),
        (r#"{"additionalProperties": false}"#, r#"{"b": 1}"#, "- at '': additional properties 'b' not allowed"),
        (
            r#"{"properties": {"o": {"additionalProperties": false}}}"#,
            r#"{"o": {"b": 1, "c": 2}}"#,
            "- at '/o': additional properties 'b', 'c' not allowed",
        ),
        (r#"{"properties": {"b": false}}"#, r#"{"b": 1}"#, "- at '/b': false schema"),
        ("false", "1", "- at '': false schema"),
    ];
    for (schema, event, expected) in cases {
        assert_eq!(said(schema, event).await, expected, "{schema}");
    }
}

#[tokio::test]
async fn an_endless_list_of_findings_is_cut() {
    let found = said(r#"{"items": {"type": "string"}}"#, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]").await;
    assert_eq!((found.lines().count(), found.lines().last()), (11, Some("- and 2 more")));
}

#[tokio::test]
async fn what_is_no_json_says_so() {
    let cases = [
        ("", "could not validate an empty body"),
        ("hello", "invalid character 'h' looking for beginning of value at line 1, column 1"),
        ("{} x", "invalid character 'x' after top-level value at line 1, column 4"),
    ];
    for (event, expected) in cases {
        assert_eq!(said("{}", event).await, expected, "{event:?}");
    }
    let deep: &'static str = Box::leak(format!("{}{}", "[".repeat(200), "]".repeat(200)).into_boxed_str());
    assert!(said("{}", deep).await.starts_with("could not validate: recursion limit exceeded"));
}

#[tokio::test]
async fn each_draft_means_what_it_says() {
    let draft = |name: &str, rest: &str| format!(r#"{{"$schema": "{name}", {rest}}}"#);
    let four = draft("http://json-schema.org/draft-04/schema#", r#""minimum": 3, "exclusiveMinimum": true"#);
    assert_eq!(said(&four, "3").await, "- at '': exclusiveMinimum: got 3, want 3");
    let seven = draft("http://json-schema.org/draft-07/schema#", r#""format": "ipv4""#);
    assert_eq!(said(&seven, "\"x\"").await, "- at '': is not valid ipv4");
    assert_eq!(said(r#"{"format": "ipv4"}"#, "\"x\"").await, "");
    let newest = draft("https://json-schema.org/draft/2020-12/schema", r#""prefixItems": [{"type": "string"}]"#);
    assert_eq!(said(&newest, "[1]").await, "- at '/0': got number, want string");
    let local = r##"{"$defs": {"id": {"type": "integer"}}, "properties": {"id": {"$ref": "#/$defs/id"}}}"##;
    assert_eq!(said(local, r#"{"id": 123456789012345678901}"#).await, "");
    assert_eq!(said(local, r#"{"id": 1.5}"#).await, "- at '/id': got number, want integer");
}

#[tokio::test]
async fn a_reference_leads_to_files_on_disk_and_from_file_to_file() {
    let folder = tempfile::Builder::new().prefix("a folder ").tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("order.json", r#"{"properties": {"customer": {"$ref": "customer.json"}}}"#);
    write("customer.json", r#"{"type": "object", "required": ["id"]}"#);
    let schema = serde_json::json!({ "$ref": format!("{}order.json", files::base_uri(folder.path())) }).to_string();
    assert_eq!(said(&schema, r#"{"customer": {"id": 1}}"#).await, "");
    assert_eq!(said(&schema, r#"{"customer": {}}"#).await, "- at '/customer': missing property 'id'");
    write("customer.json", "{");
    refused(&schema, "b.$ref", "customer.json is no JSON");
    std::fs::remove_file(folder.path().join("customer.json")).expect("removed");
    refused(&schema, "b.$ref", "customer.json cannot be read");
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    refused(r#"{"type": "nonesuch"}"#, "b.type", "nonesuch");
    refused(r#"{"properties": {"a": {"minimum": "x"}}}"#, "b.properties.a.minimum", "is no valid schema");
    refused(r#"{"pattern": "(?=x)"}"#, "b.pattern", "is no valid schema");
    refused(r##"{"properties": {"a": {"$ref": "#/$defs/none"}}}"##, "b.properties.a.$ref", "leads nowhere");
    refused(r#"{"$ref": "http://h/schema.json"}"#, "b.$ref", "http://h/schema.json is not fetched");
    refused(r#"{"$ref": "not/there.json"}"#, "b.$ref", "not/there.json cannot be read");
    refused(r#"{"outcome": "drop"}"#, "b.outcome", "dead-letter");
    refused(r#""text""#, "b", "a schema is an object, true or false");
}

#[tokio::test]
async fn a_schema_may_choose_what_becomes_of_the_event() {
    let stage = event_stage(r#"{"type": "object", "outcome": "discard"}"#).expect("a stage");
    let reply = testing::run(stage.as_ref(), Request::new("1")).await;
    assert_eq!(reply.error.and_then(|error| error.outcome()), Some(error::Outcome::Discard));
    let reply = testing::run(stage.as_ref(), Request::new("no JSON")).await;
    assert_eq!(reply.error.and_then(|error| error.outcome()), Some(error::Outcome::Discard));
}

#[tokio::test]
async fn what_a_backend_answers_is_held_against_a_schema_as_well() {
    let settings = r#"{"schema": {"required": ["id"]}, "outcome": "dead-letter"}"#;
    let component = testing::component("validation/response-json-schema", settings);
    let stage = testing::with_site(|site| build_for_responses(&component, site, Box::new(Echo))).expect("a stage");
    let passed = testing::run(stage.as_ref(), Request::new(r#"{"id": 1}"#)).await;
    assert!(passed.is_complete());
    let failed = testing::run(stage.as_ref(), Request::new("{}")).await;
    let error = failed.error.expect("an error");
    assert_eq!(error.to_string(), "- at '': missing property 'id'");
    assert!(failed.response.is_none() && error.outcome() == Some(error::Outcome::DeadLetter));

    let wrong = testing::component("validation/response-json-schema", r#"{"schema": {"type": "nonesuch"}}"#);
    let problems =
        testing::with_site(|site| build_for_responses(&wrong, site, Box::new(Echo))).err().expect("problems");
    assert_eq!(problems[0].path, "b.schema.type");
}

#[tokio::test]
async fn a_schema_that_asks_for_nothing_by_mistake_is_refused() {
    refused(
        r#"{"schema": {"type": "array"}, "outcome": "dead-letter"}"#,
        "b.schema",
        "move what is in here one level up",
    );
    refused(r#"{"outcome": "discard"}"#, "b", "asks for nothing");
    refused(r#"{"nonesuch": 1}"#, "b", "asks for nothing");
    refused(r#"{"type": "object", "requried": ["id"]}"#, "b.requried", "did you mean \"required\"?");
    refused(r#"{"requried": ["id"]}"#, "b.requried", "did you mean \"required\"?");
    let inner = r#"{"properties": {"lines": {"items": {"propertis": {}}}}}"#;
    refused(inner, "b.properties.lines.items.propertis", "did you mean \"properties\"?");
    // What is free to be there: names of properties, values, annotations of others.
    for fine in [
        r#"{"properties": {"requried": {"type": "string"}, "schema": {}}, "x-owner": "me", "@comment": "", "comment": ""}"#,
        r#"{"const": {"requried": 1}, "example": {"typ": 1}}"#,
        r#"{"description": "any JSON", "outcome": "discard"}"#,
    ] {
        assert!(event_stage(fine).is_ok(), "{fine}");
    }
    let settings = r#"{"schema": {"requird": ["id"]}}"#;
    let component = testing::component("validation/response-json-schema", settings);
    let problems =
        testing::with_site(|site| build_for_responses(&component, site, Box::new(Echo))).err().expect("problems");
    assert_eq!(problems[0].path, "b.schema.requird");
}

#[tokio::test]
async fn a_reference_that_leads_back_to_itself_is_refused() {
    refused(r##"{"$ref": "#"}"##, "b.$ref", "leads back to itself");
    refused(r##"{"allOf": [{"type": "object"}, {"$ref": "#"}]}"##, "b.allOf[1].$ref", "leads back to itself");
    let circle = r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}"##;
    let problems = event_stage(circle).err().expect("problems");
    let found: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(found, ["b.$defs.a.$ref", "b.$defs.b.$ref"]);
    // One level further down with each step: a tree.
    let tree = r##"{"type": "object", "properties": {"children": {"items": {"$ref": "#"}}}}"##;
    assert_eq!(said(tree, r#"{"children": [{"children": []}]}"#).await, "");
    assert_eq!(
        said(tree, r#"{"children": [{"children": [1]}]}"#).await,
        "- at '/children/0/children/0': got number, want object"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("a.json", r#"{"$ref": "b.json"}"#);
    write("b.json", r#"{"anyOf": [{"$ref": "./a.json"}]}"#);
    let schema = serde_json::json!({ "$ref": format!("{}a.json", files::base_uri(folder.path())) }).to_string();
    let problems = event_stage(&schema).err().expect("problems");
    assert!(problems.iter().all(|one| one.path == "b.$ref" && one.message.contains("leads back")), "{problems:?}");
    assert!(problems[0].message.contains("a.json#/$ref: "), "{problems:?}");
}

#[test]
fn what_is_wrong_in_a_file_names_the_file_and_the_reference_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let reference = format!("{}order.json", files::base_uri(folder.path()));
    let schema = serde_json::json!({ "properties": { "order": { "$ref": reference } } }).to_string();
    write("order.json", r#"{"properties": {"customer": {"$ref": "customer.json"}}}"#);
    for (text, expected) in [
        (r#"{"properties": {"id": {"type": "nonesuch"}}}"#, "customer.json#/properties/id/type: is no valid schema: "),
        (r#"{"pattern": "(?=x)"}"#, "customer.json#/pattern: is no valid schema: "),
        (r##"{"$ref": "#/definitions/none"}"##, "customer.json#/$ref: leads nowhere: there is no #/definitions/none"),
        (r#"{"requried": ["id"]}"#, "customer.json#/requried: is no keyword of JSON Schema"),
    ] {
        write("customer.json", text);
        refused(&schema, "b.properties.order.$ref", expected);
    }
}
