use super::*;
use crate::components::testing;
use crate::fixture::backend;
use siphon_config::tree::{Entry as Field, Node, Position, Value};

/// JSON as a file has it; every value stands in line 1.
fn node(value: &serde_json::Value) -> Node {
    let field = |(key, value): (&String, &serde_json::Value)| Field {
        key: key.clone(),
        at: Position { line: 1, column: 1 },
        value: node(value),
    };
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Number(number.to_string()),
        serde_json::Value::String(text) => Value::String(text.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(node).collect()),
        serde_json::Value::Object(fields) => Value::Map(fields.iter().map(field).collect()),
    };
    Node { value, at: Position { line: 1, column: 1 } }
}

fn component(settings: &str) -> Component {
    let settings = node(&serde_json::from_str(settings).expect(settings));
    Component { namespace: "proxy".into(), path: "x.proxy".into(), settings }
}

fn joining(settings: &str) -> Checked<Joining> {
    let mut joining = Joining::default();
    build_agent(&component(settings), &mut joining).map(|()| joining)
}

#[track_caller]
fn check_order(settings: &str, is_sequential: bool) {
    assert_eq!(joining(settings).map(|joining| joining.is_sequential).expect(settings), is_sequential, "{settings}");
}

#[test]
fn two_keys_make_an_agent_sequential() {
    check_order("{}", false);
    check_order(r#"{"sequential": true}"#, true);
    check_order(r#"{"strategy": "sequential"}"#, true);
    check_order(r#"{"strategy": "sequential", "sequential": false}"#, true);
    check_order(r#"{"strategy": "parallel"}"#, false);
    check_order(r#"{"combiner": "default", "force_sandboxed_request": true}"#, false);
}

/// `expected`: path and a part of the message.
#[track_caller]
fn refused(result: Checked<()>, expected: &[(&str, &str)]) {
    let problems = result.expect_err("must be refused");
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, (path, part)) in problems.iter().zip(expected) {
        assert!(problem.path == *path && problem.message.contains(part), "{problem:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let settings = r#"{"sequential": true, "strategy": "parallel",
        "sequential_propagated_params": ["resp0_id", "id", "resp_x"],
        "flatmap_filter": [{"type": "del", "args": ["a"]}, {"type": "move", "args": ["a"]}]}"#;
    refused(
        joining(settings).map(drop),
        &[
            ("x.proxy.strategy", "keep one of them"),
            ("x.proxy.sequential_propagated_params[1]", "\"id\" names no reply"),
            ("x.proxy.sequential_propagated_params[2]", "\"resp_x\" names no reply"),
            ("x.proxy.flatmap_filter[1].args", "move needs two paths"),
        ],
    );
}

#[test]
fn unknown_words_and_wrong_types_are_refused() {
    let cases = [
        (r#"{"combiner": "nonesuch"}"#, "x.proxy.combiner", "nonesuch"),
        (r#"{"strategy": "fastest"}"#, "x.proxy.strategy", "fastest"),
        (r#"{"sequential": "true"}"#, "x.proxy.sequential", "boolean"),
        (r#"{"flatmap_filter": [{"type": "swap", "args": ["a", "b"]}]}"#, "x.proxy.flatmap_filter[0].type", "swap"),
        (r#"{"static": {"strategy": "sometimes", "data": {}}}"#, "x.proxy.static.strategy", "sometimes"),
        (r#"{"static": {"data": ["list"]}}"#, "x.proxy.static.data", "data must be an object"),
        (r#"{"static": {}}"#, "x.proxy.static", "missing field `data`"),
    ];
    for (settings, path, part) in cases {
        refused(joining(settings).map(drop), &[(path, part)]);
    }
}

#[test]
fn static_data_keeps_its_number_texts() {
    let fixed = joining(r#"{"static": {"data": {"n": 12345678901234567890}}}"#).expect("valid").fixed.expect("data");
    assert_eq!(fixed.when, When::Always);
    assert_eq!(Json::from(fixed.data).to_string(), r#"{"n":12345678901234567890}"#);
}

fn part(settings: &str) -> Checked<Part> {
    let mut part = Part::default();
    testing::with_site(|site| build_backend(&component(settings), site, &mut part)).map(|()| part)
}

#[test]
fn a_shadow_has_its_own_time_limit_or_the_agents() {
    let cases = [
        ("{}", None),
        (r#"{"shadow": false, "shadow_timeout": "9s"}"#, None),
        (r#"{"shadow": true}"#, Some(2_000)),
        (r#"{"shadow": true, "shadow_timeout": "1m1ms"}"#, Some(60_001)),
    ];
    for (settings, millis) in cases {
        assert_eq!(part(settings).expect(settings).shadow, millis.map(Duration::from_millis), "{settings}");
    }
}

#[test]
fn a_time_limit_that_cannot_work_is_refused() {
    let cases = [
        (r#"{"shadow_timeout": "5s"}"#, "write \"shadow\": true as well"),
        (r#"{"shadow": true, "shadow_timeout": "0s"}"#, "must be more than 0"),
        (r#"{"shadow": true, "shadow_timeout": "soon"}"#, "soon"),
        (r#"{"shadow": true, "shadow_timeout": "-1s"}"#, "-1s"),
    ];
    for (settings, message) in cases {
        refused(part(settings).map(drop), &[("x.proxy.shadow_timeout", message)]);
    }
}

#[test]
fn the_operations_of_a_backend_are_found_by_either_name() {
    for namespace in NAMESPACES {
        let own = component(r#"{"flatmap_filter": [{"type": "del", "args": ["a"]}]}"#);
        let components = vec![Component { namespace: (*namespace).into(), ..own }];
        let backend = Backend { components, ..backend("http://h", "/") };
        assert!(flatmap_of(&backend).expect("valid").is_some(), "{namespace}");
    }
    assert!(flatmap_of(&backend("http://h", "/")).expect("valid").is_none());
    assert!(part(r#"{"flatmap_filter": []}"#).is_ok_and(|part| !part.has_flatmap));
}
