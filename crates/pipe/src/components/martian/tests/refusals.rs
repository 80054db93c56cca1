//! What is refused at load.

use super::*;

#[test]
fn what_is_no_single_modifier_is_refused_with_its_place() {
    refused("{}", "b", "expected one modifier, received 0");
    refused(r#"{"fifo.Group": {"modifiers": [[]]}}"#, "b.fifo.Group.modifiers[0]", "found a list");
    refused(
        r#"{"a.B": {}, "c.D": {}}"#,
        "b",
        "expected one modifier, received 2: a.B, c.D; put them into a fifo.Group",
    );
    refused(
        r#"{"skip.RoundTrip": {}}"#,
        "b.skip.RoundTrip",
        "parse: unknown modifier: skip.RoundTrip; this build has header.Modifier,",
    );
    refused(r#"{"header.modifer": {}}"#, "b.header.modifer", "; did you mean \"header.Modifier\"?");
    refused(r#"{"status.Verifier": {}}"#, "b.status.Verifier", "unknown modifier");
    let nested = r#"{"fifo.Group": {"modifiers": [{"header.Filter": {"name": "a", "modifier": {"log.Logger": {}}}}]}}"#;
    refused(nested, "b.fifo.Group.modifiers[0].header.Filter.modifier.log.Logger", "unknown modifier: log.Logger");
    refused(
        r#"{"priority.Group": {"modifiers": [{"priority": 1}]}}"#,
        "b.priority.Group.modifiers[0]",
        "has no modifier",
    );
    refused(r#"{"fifo.Group": {"modifiers": {}}}"#, "b.fifo.Group.modifiers", "expected a list of modifiers");
    refused(r#"{"url.RegexFilter": {"regex": "a"}}"#, "b.url.RegexFilter", "modifier is missing");
}

#[test]
fn a_scope_that_cannot_be_is_refused() {
    refused(
        r#"{"header.Id": {"scope": ["response"]}}"#,
        "b.header.Id.scope",
        "invalid scope \"response\" for modifier",
    );
    refused(r#"{"header.Id": {"scope": ["requests"]}}"#, "b.header.Id.scope[0]", "requests");
    let stash = r#"{"stash.Modifier": {"scope": ["response"], "headerName": "X"}}"#;
    refused(stash, "b.stash.Modifier.scope", "answers get what the call has stashed");
    let unanswered = r#"{"static.Modifier": {"scope": ["request"], "rootPath": "/"}}"#;
    refused(unanswered, "b.static.Modifier.scope", "nobody would be called and no file taken");
    let inside = format!(
        r#"{{"fifo.Group": {{"scope": ["request"], "modifiers": [{}]}}}}"#,
        r#"{"static.Modifier": {"rootPath": "/"}}"#
    );
    refused(&inside, "b.fifo.Group.modifiers[0].static.Modifier.scope", "nobody would be called");
}

#[test]
fn what_would_never_do_anything_is_refused() {
    let never = r#"{"fifo.Group": {"scope": ["response"], "modifiers": [{"header.Id": {}}]}}"#;
    refused(never, "b.fifo.Group.modifiers[0].header.Id.scope", "never runs: it acts on the request, and the group");
    let filter =
        r#"{"url.Filter": {"scope": ["request"], "path": "/", "modifier": {"status.Modifier": {"statusCode": 200}}}}"#;
    refused(filter, "b.url.Filter.modifier.status.Modifier.scope", "never runs: it acts on the response");
    refused(r#"{"fifo.Group": {}}"#, "b.fifo.Group.modifiers", "has no modifier");
    refused(r#"{"fifo.Group": {"modifiers": []}}"#, "b.fifo.Group.modifiers", "has no modifier");
    refused(r#"{"priority.Group": {"modifiers": []}}"#, "b.priority.Group.modifiers", "has no modifier");
    refused(r#"{"url.Modifier": {}}"#, "b.url.Modifier", "changes nothing");
    refused(r#"{"port.Modifier": {"port": 0, "remove": true}}"#, "b.port.Modifier.port", "0 is no port");
}

#[test]
fn a_value_that_would_fail_every_event_is_refused() {
    let cases = [
        (r#"{"body.Modifier": {"body": "@@@"}}"#, "b.body.Modifier.body", "illegal base64 data at input byte 0"),
        (r#"{"header.Modifier": {"value": "x"}}"#, "b.header.Modifier.name", "is missing"),
        (r#"{"header.Modifier": {"name": "a b"}}"#, "b.header.Modifier.name", "is no name of a header"),
        (r#"{"header.Modifier": {"name": "a", "value": "\n"}}"#, "b.header.Modifier.value", "line break"),
        (
            r#"{"header.Modifier": {"name": "Content-Length", "value": "x"}}"#,
            "b.header.Modifier.value",
            "strconv.ParseInt",
        ),
        (r#"{"header.Modifier": {"name": "Connection", "value": "x"}}"#, "b.header.Modifier.name", "written by siphon"),
        (
            r#"{"header.Append": {"name": "Host", "value": "b"}}"#,
            "b.header.Append.name",
            "illegal header multiple: Host",
        ),
        (r#"{"header.Blacklist": {"names": ["a", ""]}}"#, "b.header.Blacklist.names[1]", "is missing"),
        (r#"{"cookie.Modifier": {"name": "a=b"}}"#, "b.cookie.Modifier.name", "is no name of a cookie"),
        (r#"{"cookie.Modifier": {"name": "a", "value": ";"}}"#, "b.cookie.Modifier.value", "semicolon"),
        (r#"{"cookie.Modifier": {"name": "a", "expires": "soon"}}"#, "b.cookie.Modifier.expires", "is no time"),
        (r#"{"url.Modifier": {"scheme": "ftp"}}"#, "b.url.Modifier.scheme", "unsupported protocol scheme"),
        (r#"{"url.Modifier": {"host": "u:p@h"}}"#, "b.url.Modifier.host", "is no host"),
        (r#"{"url.Modifier": {"query": "a=%zz"}}"#, "b.url.Modifier.query", "invalid URL escape"),
        (r#"{"port.Modifier": {"port": 1, "remove": true}}"#, "b.port.Modifier", "Must specify only one of port"),
        (r#"{"status.Modifier": {"statusCode": 99}}"#, "b.status.Modifier.statusCode", "is no status"),
        (r#"{"status.Modifier": {}}"#, "b.status.Modifier", "missing field `statusCode`"),
        (r#"{"static.Modifier": {"rootPath": "/no/such"}}"#, "b.static.Modifier.rootPath", "cannot be opened"),
        (
            r#"{"header.RegexFilter": {"header": "a", "regex": "("}}"#,
            "b.header.RegexFilter.regex",
            "is no regular expression",
        ),
        (r#"{"cookie.Filter": {"value": "a"}}"#, "b.cookie.Filter.name", "is missing"),
    ];
    for (settings, path, message) in cases {
        refused(settings, path, message);
    }
}

#[test]
fn the_schema_knows_every_modifier_with_its_keys_and_those_that_it_holds() {
    let schema = schema::schema();
    let of =
        |name: &str| schema["$defs"][name]["properties"].as_object().expect(name).keys().cloned().collect::<Vec<_>>();
    assert_eq!(of("modifier").len(), read::KINDS.len());
    assert_eq!(of("header.Filter"), ["else", "modifier", "name", "scope", "value"]);
    assert_eq!(of("priority.Group"), ["modifiers", "scope"]);
    assert!(read::KINDS.iter().all(|kind| of(kind.name).contains(&"scope".to_owned())));
}
