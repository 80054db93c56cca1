//! Groups and filters.

use super::*;

/// A modifier that sets `x-m` in calls.
fn mark(value: &str) -> String {
    format!(r#"{{"header.Modifier": {{"scope": ["request"], "name": "X-M", "value": "{value}"}}}}"#)
}

#[tokio::test]
async fn errors_of_a_group_end_it_or_come_all_together() {
    let wrong = r#"{"header.Copy": {"scope": ["request"], "from": "X-A", "to": "Content-Length"}}"#;
    let group = |aggregates: bool| {
        let rest = mark("1");
        format!(r#"{{"fifo.Group": {{"aggregateErrors": {aggregates}, "modifiers": [{wrong}, {wrong}, {rest}]}}}}"#)
    };
    let one = "strconv.ParseInt: parsing \"x\": invalid syntax";
    for (aggregates, expected) in [(false, one.to_owned()), (true, format!("{one}\n{one}"))] {
        let error = Run::asking(&[("x-a", "x")]).through(&group(aggregates)).await.err();
        assert_eq!(error, Some(expected));
    }
}

#[tokio::test]
async fn groups_run_in_order_or_by_priority() {
    let add =
        |value: &str| format!(r#"{{"header.Append": {{"scope": ["request"], "name": "X-M", "value": "{value}"}}}}"#);
    let ranked = |priority: i32, value: &str| format!(r#"{{"priority": {priority}, "modifier": {}}}"#, add(value));
    let members = [ranked(0, "p0a"), ranked(10, "p10"), ranked(0, "p0b")].join(",");
    let settings = format!(r#"{{"priority.Group": {{"scope": ["request"], "modifiers": [{members}]}}}}"#);
    let call = Run::default().through(&settings).await.expect("run").call.expect("called");
    let order: Vec<_> = call.headers.get_all("x-m").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(order, [&b"p10"[..], b"p0b", b"p0a"]);
    let nested = format!(
        r#"{{"fifo.Group": {{"scope": ["request"], "modifiers": [
            {{"header.Modifier": {{"name": "X-M", "value": "1"}}}},
            {{"fifo.Group": {{"modifiers": [{}]}}}},
            {{"header.Modifier": {{"scope": [], "name": "X-M", "value": "3"}}}}]}}}}"#,
        add("2")
    );
    check(Run::default(), &nested, &["x-m: 1", "x-m: 2"], &[]).await;
}

#[tokio::test]
async fn filters_choose_between_two_modifiers() {
    let filter = |name: &str, keys: &str| {
        let (yes, no) = (mark("yes"), mark("no"));
        format!(r#"{{"{name}": {{"scope": ["request"], {keys} "modifier": {yes}, "else": {no}}}}}"#)
    };
    let cases = [
        ("header.Filter", r#""name": "X-A", "value": "1","#, "yes"),
        ("header.Filter", r#""name": "X-A", "value": "2","#, "no"),
        ("header.Filter", r#""name": "X-A","#, "no"),
        ("header.Filter", r#""name": "X-Empty","#, "yes"),
        ("header.Filter", r#""name": "Host", "value": "h:81","#, "yes"),
        ("cookie.Filter", r#""name": "sid","#, "yes"),
        ("cookie.Filter", r#""name": "sid", "value": "a b","#, "yes"),
        ("cookie.Filter", r#""name": "sid", "value": "c","#, "no"),
        ("querystring.Filter", r#""name": "b", "value": "2","#, "yes"),
        ("querystring.Filter", r#""name": "c","#, "no"),
        ("url.Filter", r#""query": "b=2&a=1","#, "no"),
        ("url.Filter", r#""scheme": "http", "host": "*:81", "path": "/x", "query": "a=1&b=2","#, "yes"),
        ("url.Filter", r#""scheme": "https","#, "no"),
        ("url.Filter", r#""host": "h","#, "no"),
        ("url.RegexFilter", r#""regex": "^http://h:81/x\\?a","#, "yes"),
        ("url.RegexFilter", r#""regex": "/y","#, "no"),
    ];
    for (name, keys, expected) in cases {
        let run = Run::asking(&[("x-a", "0"), ("x-empty", ""), ("cookie", "t=0; sid=\"a b\"")]);
        let run = if keys.contains("X-A") { Run::asking(&[("x-a", "1")]) } else { run };
        let call = run.through(&filter(name, keys)).await.expect(keys).call.expect("called");
        assert_eq!(call.headers.get("x-m").map(HeaderValue::as_bytes), Some(expected.as_bytes()), "{name} {keys}");
    }
}

#[tokio::test]
async fn a_filter_on_the_side_of_answers_looks_at_the_call() {
    let answer = r#"{"header.Modifier": {"scope": ["response"], "name": "X-M", "value": "yes"}}"#;
    let filters = [
        format!(
            r#"{{"header.RegexFilter": {{"scope": ["response"], "header": "X-A", "regex": "^f", "modifier": {answer}}}}}"#
        ),
        format!(r#"{{"querystring.Filter": {{"name": "a", "modifier": {answer}}}}}"#),
        format!(r#"{{"port.Filter": {{"port": 81, "modifier": {answer}}}}}"#),
        format!(r#"{{"cookie.Filter": {{"scope": ["response"], "name": "sid", "modifier": {answer}}}}}"#),
    ];
    for settings in &filters {
        let run = Run { answered: headers(&[("set-cookie", "sid=1; Path=/")]), ..Run::asking(&[("x-a", "foo")]) };
        let ran = run.through(settings).await.expect(settings);
        assert_eq!(ran.headers.get("x-m").map(HeaderValue::as_bytes), Some(&b"yes"[..]), "{settings}");
    }
    let ran = Run::default().through(&filters[0]).await.expect("run");
    assert_eq!(ran.headers.get("x-m"), None);
}
