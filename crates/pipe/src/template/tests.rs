//! What templates print, and what is refused.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

mod functions;
mod refused;

const DATA: &str = r#"{
    "req_body": {
        "id": 12345678901234567890, "price": 1.50, "name": "Zoë & Co", "paid": true, "note": null, "none": [], "zero": 0,
        "lines": [{"sku": "a", "count": 2}, {"sku": "b", "count": 10}],
        "map": {"b": 1, "a": [1, "x", null]}
    },
    "req_headers": {"X-Tenant": ["blue", "green"]},
    "req_params": {"Topic": "orders"}
}"#;

fn run(source: &str) -> Result<String, String> {
    let data = Json::parse(DATA.as_bytes()).expect("valid");
    let now = UNIX_EPOCH + Duration::from_millis(1_772_841_909_012);
    let template = Template::parse("t", source).map_err(|error| error.to_string())?;
    template.run(&data, now).map_err(|error| error.to_string())
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(run(source).as_deref(), Ok(expected), "{source}");
}

#[track_caller]
fn fails(source: &str, expected: &str) {
    assert_eq!(run(source), Err(expected.to_owned()), "{source}");
}

#[test]
fn text_stays_and_fields_are_filled_in() {
    check("", "");
    check("no action } { }}", "no action } { }}");
    check(
        "{\"id\": {{ .req_body.id }}, \"to\": \"{{.req_params.Topic}}\"}",
        "{\"id\": 12345678901234567890, \"to\": \"orders\"}",
    );
    check("{{.req_body.price}} {{.req_body.paid}} {{.req_body.name}}", "1.50 true Zoë & Co");
    check("{{$.req_body.price}}{{ (.req_body).price }}{{ (index .req_body.lines 1).sku }}", "1.501.50b");
}

#[test]
fn containers_print_as_go_prints_them() {
    check("{{.req_body.map}}", "map[a:[1 x <nil>] b:1]");
    check("{{.req_body.none}}{{.req_headers}}", "[]map[X-Tenant:[blue green]]");
}

#[test]
fn what_is_missing_is_no_value() {
    check(
        "{{.req_body.nope}} {{.req_body.note}} {{.nope.deeper.still}} {{.req_body.note.x}}",
        "<no value> <no value> <no value> <no value>",
    );
    check("{{with .req_body.nope}}there{{else}}not there{{end}}", "not there");
    check("{{default \"x\" .req_body.nope}}{{.req_body.nope | default 7}}", "x7");
}

#[test]
fn trim_markers_take_the_white_space_around() {
    check("a \n {{- 1 -}} \n b", "a1b");
    check("a {{/* a comment }} of any kind */}} b", "a  b");
    check("a {{- /* comment */ -}} b", "ab");
    check("{{3 -}} x", "3x");
    check("{{-3}} {{- -3 -}} x", "-3-3x");
    check("a\n{{ print\n1\n}}", "a\n1");
}

#[test]
fn conditions_choose() {
    check("{{if .req_body.paid}}paid{{else}}open{{end}}", "paid");
    check("{{if .req_body.zero}}a{{else if .req_body.none}}b{{else if .req_body.lines}}c{{else}}d{{end}}", "c");
    check("{{if not .req_body.note}}n{{end}}{{if and 1 .req_body.zero}}x{{end}}{{if or 0 \"\" 3}}y{{end}}", "ny");
    check("{{and 1 2}} {{and 0 (fail \"never\")}} {{or 0 5 (fail \"never\")}} {{or 0 \"\"}}", "2 0 5 ");
    check("{{with .req_body.map}}{{.b}}{{$.req_params.Topic}}{{end}}", "1orders");
    check("{{with .x}}a{{else with .req_params}}{{.Topic}}{{else}}c{{end}}", "orders");
}

#[test]
fn numbers_compare_by_what_they_are_worth() {
    check(
        "{{eq .req_body.price 1.5}} {{eq 1 1.0}} {{lt 2 10}} {{lt \"2\" \"10\"}} {{ge 2 2}} {{gt 2 3}} {{le 1 0}}",
        "true true true false true false false",
    );
    check("{{eq .req_body.id 12345678901234567890}} {{eq .req_body.zero 7 0}} {{ne \"a\" \"b\"}}", "true true true");
    check("{{eq .req_body.nope .req_body.note}} {{eq .req_body.nope \"x\"}} {{eq nil nil}}", "true false true");
}

#[test]
fn range_goes_through_lists_objects_and_counts() {
    check("{{range .req_body.lines}}{{.sku}}{{.count}},{{end}}", "a2,b10,");
    check("{{range $i, $line := .req_body.lines}}{{if $i}}, {{end}}{{$i}}={{$line.sku}}{{end}}", "0=a, 1=b");
    check("{{range $k, $v := .req_body.map}}{{$k}}:{{$v}};{{end}}", "a:[1 x <nil>];b:1;");
    check("{{range $e := list 1 2}}{{$e}}{{end}}{{range 3}}{{.}}{{end}}", "12012");
    check("{{range .req_body.none}}x{{else}}none{{end}}{{range .req_body.nope}}x{{else}}missing{{end}}", "nonemissing");
    check("{{range list 1 2 3 4}}{{if eq . 2}}{{continue}}{{end}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}", "13");
}

#[test]
fn variables_belong_to_their_block() {
    check("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21");
    check("{{$x := 1}}{{range list 5 6}}{{$x = .}}{{end}}{{$x}}", "6");
    check("{{$sum := 0}}{{range .req_body.lines}}{{$sum = add $sum .count}}{{end}}{{$sum}}", "12");
    check("{{if $n := len .req_body.lines}}{{$n}}{{end}}{{with $y := 3}}{{$y}}{{.}}{{end}}", "233");
    check("{{range $i := list 1 2}}{{$a := $i}}{{range $j := list 3 4}}{{$a}}{{$j}} {{end}}{{end}}", "13 14 23 24 ");
    check("{{$d := dict \"a\" 1}}{{$_ := set $d \"b\" 2}}{{toJson $d}}", r#"{"a":1,"b":2}"#);
}

#[test]
fn templates_are_defined_and_called() {
    check("{{define \"line\"}}<{{.sku}}>{{end}}{{range .req_body.lines}}{{template \"line\" .}}{{end}}", "<a><b>");
    check("{{template \"later\" 5}}{{define \"later\"}}{{.}}{{$}}{{end}}", "55");
    check("{{block \"b\" .req_params}}{{.Topic}}{{end}} {{template \"b\" dict \"Topic\" 1}}", "orders 1");
    check("{{define \"a\"}}{{$x := 2}}{{end}}{{$x := 1}}{{template \"a\"}}{{$x}}", "1");
    check("{{define \"a\"}}{{.}}{{end}}{{template \"a\"}}", "<no value>");
}

#[test]
fn pipelines_hand_their_value_on_as_the_last_argument() {
    check("{{.req_body.name | lower | printf \"%s-%s\" \"x\"}}", "x-zoë & co");
    check("{{1 | add 2 | mul 3}} {{(1 | add 2) | mul (add 1 1)}}", "9 6");
    check("{{print now | len}}", "24");
}

#[test]
fn literals_are_those_of_go() {
    check(r#"{{"a\tb\"\u00e9\x41\101"}} {{`raw\n"x"`}} {{'A'}} {{'\n'}}"#, "a\tb\"éAA raw\\n\"x\" 65 10");
    check(
        "{{0x1F}} {{0b11}} {{0o17}} {{017}} {{1_000}} {{+3}} {{.5}} {{1e3}} {{-1.25}} {{1e-2}}",
        "31 3 15 15 1000 3 0.5 1000 -1.25 0.01",
    );
    check("{{true}} {{false}} {{nil | default 1}}", "true false 1");
}

#[test]
fn only_the_data_that_are_used_are_needed() {
    let needs = |source: &str, name: &str| Template::parse("t", source).expect(source).needs(name);
    assert!(needs("{{.req_body.x}}", "req_body") && !needs("{{.req_body.x}}", "req_headers"));
    assert!(needs("{{range .a}}{{$.req_headers}}{{end}}", "req_headers"));
    assert!(needs("{{toJson .}}", "req_headers") && needs("{{index $ \"req_headers\"}}", "req_headers"));
    assert!(needs("{{with .x}}{{(index . 0).y}}{{end}}", "req_headers"));
    assert!(!needs("plain", "req_body"));
}

#[test]
fn fields_that_the_data_never_have_are_found_at_load() {
    let checked = |source: &str| {
        let template = Template::parse("t", source).expect(source);
        template.check_fields(&["req_body", "variables"]).map_err(|error| error.to_string())
    };
    assert_eq!(
        checked("{{.req_bdy.x}}"),
        Err("t, line 1, column 3: there is no .req_bdy; did you mean \"req_body\"?".into())
    );
    assert_eq!(checked("{{range .req_body}}{{$.x}}{{end}}"), Err("t, line 1, column 22: there is no .x".into()));
    assert_eq!(checked("{{if .req_body}}{{.y}}{{end}}"), Err("t, line 1, column 19: there is no .y".into()));
    assert_eq!(checked("{{with .req_body}}{{.x}}{{end}}{{define \"a\"}}{{.y}}{{$.z}}{{end}}{{.variables.x}}"), Ok(()));
}
