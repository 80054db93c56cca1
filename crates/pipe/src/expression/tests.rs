use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::*;
use crate::json::Json;
use crate::message::{Params, Request, Response};

fn request(payload: &'static str) -> Request {
    let mut params = Params::default();
    params.insert("id", "42");
    params.insert("attempt", "3");
    let header =
        |name: &'static str, value: &'static str| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let headers = HeaderMap::from_iter([header("x-tenant", "7"), header("x-tenant", "8")]);
    Request {
        method: http::Method::POST,
        url: "http://h/orders/1?a=1&a=2&b=".parse().expect("a URL"),
        params: Arc::new(params),
        headers: Arc::new(headers),
        ..Request::new(payload)
    }
}

const PAYLOAD: &str = r#"{"n": 5, "big": 18446744073709551615, "f": 2.5, "whole": 5.0, "s": "abc", "t": true,
    "none": null, "l": [1, 2, 3], "o": {"k": "v", "p": {"q": 1}}, "empty": {}}"#;

fn before(source: &str) -> Result<bool, String> {
    let expression = Expression::compile(source).unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
    reason(expression.holds(&Facts::before(&request(PAYLOAD), later())))
}

/// More time than any of these needs.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn reason(answer: Result<bool, Unanswered>) -> Result<bool, String> {
    answer.map_err(|why| match why {
        Unanswered::Late => "late".to_owned(),
        Unanswered::Because(reason) => reason,
    })
}

#[track_caller]
fn all_true(sources: &[&str]) {
    for source in sources {
        assert_eq!(before(source), Ok(true), "{source}");
    }
}

#[track_caller]
fn refused(source: &str, expected: &[&str]) {
    let problems = Expression::compile(source).err().unwrap_or_else(|| panic!("{source} was taken"));
    assert_eq!(problems, expected, "{source}");
}

#[test]
fn numbers_of_a_payload_are_numbers() {
    all_true(&[
        "event.payload.n == 5",
        "event.payload.n + 1 == 6",
        "type(event.payload.n) == int",
        "type(event.payload.big) == uint && event.payload.big == 18446744073709551615u",
        "type(event.payload.f) == double && event.payload.f > 2",
        "event.payload.whole == 5 && event.payload.n < 5.5",
        "int(event.payload.n) == 5 && double(event.payload.f) >= 2.5",
    ]);
}

#[test]
fn a_payload_is_looked_at_by_name_by_index_and_as_a_whole() {
    all_true(&[
        "event.payload.o.p.q == 1",
        "event.payload['o']['p'].q == 1",
        "event['payload'].s == 'abc'",
        "has(event.payload.o.k) && !has(event.payload.zz) && !has(event.payload.o.zz)",
        "'k' in event.payload.o && !('x' in event.payload.o) && !(1 in event.payload.o)",
        "size(event.payload.o) == 2 && event.payload.empty.size() == 0",
        "event.payload.none == null",
        "event.payload.o == {'k': 'v', 'p': {'q': 1}} && {'k': 'v', 'p': {'q': 1}} == event.payload.o",
        "event.payload.o != event.payload.empty",
        "event.payload.o.exists(key, key == 'p')",
        "event.payload.l.all(x, x > 0) && event.payload.l.exists_one(x, x == 2) && 2 in event.payload.l",
        "event.payload.l.map(x, x * 2) == [2, 4, 6] && event.payload.l.filter(x, x > 1).size() == 2",
        "event.payload.l[2] == 3 && size(event.payload.l) == 3",
        "[event.payload.o].all(o, o.p.q == 1)",
    ]);
}

#[test]
fn the_request_s_variables_are_there_before_the_call() {
    all_true(&[
        "req_method == 'POST' && req_path == '/orders/1'",
        "req_params.Id == '42' && int(req_params.Id) % 2 == 0 && !has(req_params.Nope)",
        "req_headers['X-Tenant'] == ['7', '8'] && !('X-Other' in req_headers)",
        "req_querystring.a == ['1', '2'] && req_querystring.b == [''] && !('c' in req_querystring)",
        "event.headers['X-Tenant'][0] == '7' && event.attempt == 3",
        "timestamp(now).getFullYear() > 2020 && timestamp(now) > timestamp('2024-01-01T00:00:00Z')",
        "req_method == 'POST' || resp_completed",
    ]);
    assert_eq!(
        before("req_method == 'POST' && resp_completed"),
        Err("resp_completed is not known before the answer".into())
    );
}

#[test]
fn at_the_agent_s_level_method_and_path_are_empty() {
    let event = Request { method: "GET".parse().expect("a method"), ..Request::new("{}") };
    let expression = Expression::compile("req_path == '' && size(req_querystring) == 0 && size(req_headers) == 0");
    assert_eq!(expression.expect("an expression").holds(&Facts::before(&event, later())), Ok(true));
}

#[test]
fn the_answer_s_variables_are_there_after_the_call() {
    let (event, mut answer) = (request(PAYLOAD), Response::complete(Json::parse(PAYLOAD.as_bytes()).expect("JSON")));
    let after = |source: &str, answer: &Response| {
        reason(Expression::compile(source).expect(source).holds(&Facts::after(&event, answer, later())))
    };
    for source in [
        "resp_completed && resp_data.n == 5 && resp_metadata_status == 0 && size(resp_metadata_headers) == 0",
        "resp_data.o.k == 'v' && resp_data == event.payload",
    ] {
        assert_eq!(after(source, &answer), Ok(true), "{source}");
    }
    let unbound = "req_method is not known after the answer; event is".to_owned();
    assert_eq!(after("req_method == 'POST' && resp_completed", &answer), Err(unbound));
    answer.data = Json::NULL;
    assert_eq!(after("!has(resp_data.n) && resp_data.size() == 0", &answer), Ok(true));
}

#[test]
fn what_cannot_be_answered_says_why_and_shows_no_values() {
    let cases = [
        ("event.payload.zz == 1", "no such key: zz"),
        ("event.payload.s > 1", "no such overload"),
        ("event.payload.s + 1 == 2", "no such overload"),
        ("int(event.payload.s) == 1", "int() cannot read what it was given"),
        ("event.payload.l[9] == 1", "index out of bounds"),
        ("event.payload.n / 0 == 1", "division by zero"),
        ("event.payload.s", "is a string and no bool"),
        ("req_headers['X-Missing'][0] == 'x'", "no such key: X-Missing"),
        ("event.payload.l.all(x, x)", "no such overload"),
    ];
    for (source, reason) in cases {
        let said = before(source).expect_err(source);
        assert!(said.contains(reason) && !said.contains("abc"), "{source}: {said}");
    }
}

#[test]
fn a_payload_that_is_no_json_has_no_fields_and_says_so() {
    let event = request("hello");
    let ask = |source: &str| reason(Expression::compile(source).expect(source).holds(&Facts::before(&event, later())));
    assert_eq!(ask("!has(event.payload) && event.attempt == 3"), Ok(true));
    let reason = "the payload is no JSON: invalid character 'h' looking for beginning of value at line 1, column 1";
    assert_eq!(ask("event.payload.n == 1"), Err(reason.into()));
}

#[test]
fn an_attempt_that_no_broker_counts_is_the_first() {
    let expression = Expression::compile("event.attempt == 1").expect("an expression");
    assert_eq!(expression.holds(&Facts::before(&Request::new("{}"), later())), Ok(true));
}

#[test]
fn a_regular_expression_matches_anywhere_and_is_checked_at_load() {
    all_true(&[
        "event.payload.s.matches('b') && !event.payload.s.matches('^b') && matches(event.payload.s, '^a.c$')",
        "['x1', 'y2'].exists(x, x.matches('^y[0-9]$')) && event.payload.s.matches('a' + 'b')",
    ]);
    refused("req_path.matches('(')", &["is no regular expression: unclosed group (line 1, column 18)"]);
    refused(
        "req_path.matches('(?=x)') || req_path.matches('ok')",
        &[
            "is no regular expression: look-around, including look-ahead and look-behind, is not supported (line 1, column 18)",
        ],
    );
}

#[test]
fn unknown_names_are_refused_with_their_place_and_the_nearest() {
    refused("req_nonesuch == 'x'", &["there is no variable \"req_nonesuch\" (line 1, column 1)"]);
    refused(
        "req_metod == 'POST' &&\n  'ü' == zz",
        &[
            "there is no variable \"req_metod\"; did you mean \"req_method\"? (line 1, column 1)",
            "there is no variable \"zz\" (line 2, column 10)",
        ],
    );
    refused("JWT.sub == 'x'", &["JWT is not there: an event carries no token that was checked (line 1, column 1)"]);
    refused(
        "event.payloat.n == 1",
        &["event has no \"payloat\"; did you mean \"payload\"?; it has payload, headers, attempt (line 1, column 6)"],
    );
    refused(
        "req_path.startWith('/a')",
        &["there is no function \"startWith\"; did you mean \"startsWith\"? (line 1, column 19)"],
    );
    refused("[1].all(x, y > 0)", &["there is no variable \"y\" (line 1, column 12)"]);
    refused("[1].all(x, x > 0) && x == 1", &["there is no variable \"x\" (line 1, column 22)"]);
}

#[test]
fn functions_are_called_as_they_are_declared() {
    refused("startsWith(req_path, '/')", &["startsWith is written value.startsWith(…) (line 1, column 11)"]);
    refused("req_path.int() == 1", &["int is written int(value) (line 1, column 13)"]);
    refused("size() == 1", &["size() takes 1 argument, found 0 (line 1, column 5)"]);
    refused(
        "optional.of(1) == 1",
        &["there is no function \"of\" (line 1, column 12)", "there is no variable \"optional\" (line 1, column 1)"],
    );
}

#[test]
fn what_can_never_be_true_is_refused() {
    refused("req_method == 5", &["a string does not compare with a number (line 1, column 12)"]);
    refused("req_method", &["is a string and no bool: say what it has to be"]);
    refused("size(req_headers)", &["is a number and no bool: say what it has to be"]);
    refused("req_headers['X-A'] == 'a'", &["a list does not compare with a string (line 1, column 20)"]);
    refused("req_params.Id > 3", &["a string does not compare with a number (line 1, column 15)"]);
    refused("resp_completed && req_path", &["wants a bool, found a string (line 1, column 16)"]);
    refused("resp_metadata_status.startsWith('2')", &["a number has no startsWith() (line 1, column 32)"]);
}

#[test]
fn syntax_errors_have_a_place() {
    for source in ["req_method == ", "has(req_querystring[\"foo[]\"])", "", "a.?b"] {
        let problems = Expression::compile(source).err().unwrap_or_else(|| panic!("{source} was taken"));
        assert!(problems[0].contains("(line 1, column "), "{source}: {problems:?}");
    }
    let deep = format!("{}1 == 1{}", "(".repeat(2_000), ")".repeat(2_000));
    let problems = Expression::compile(&deep).expect_err("too deep");
    assert!(problems[0].starts_with("is nested too deep: write several expressions (line 1, column "), "{problems:?}");
}

#[test]
fn which_sides_an_expression_looks_at_is_known() {
    let uses = |source: &str| Expression::compile(source).expect(source).uses();
    assert_eq!(uses("req_path == '' || resp_completed"), Uses { request: true, response: true, event: false });
    assert_eq!(uses("event.payload.n == 1"), Uses { request: false, response: false, event: true });
    assert_eq!(uses("'resp_data' == now"), Uses::default());
}

/// On three quarters of the stack of a worker: the pipe has its share of it.
fn on_a_worker<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(3 * 512 * 1024);
        worker.spawn_scoped(scope, run).expect("a thread").join().expect("no panic")
    })
}

#[test]
fn an_expression_without_end_is_refused_and_overflows_no_stack() {
    let sum = |terms: usize| format!("{}1 == 0", "1 + ".repeat(terms));
    let terms = |terms: usize| format!("{}1 == 0", "1+".repeat(terms));
    let path = |levels: usize| format!("has(event.payload{}.b)", ".a".repeat(levels));
    on_a_worker(|| {
        for endless in [sum(10_000), path(20_000)] {
            let problems = Expression::compile(&endless).expect_err("too long");
            assert!(problems[0].contains("8192 is the limit") && problems[0].contains("(line 1, "), "{problems:?}");
        }
        let nots = format!("{}true", "!".repeat(8_000));
        let lists = format!("{}1{} == []", "[".repeat(4_000), "]".repeat(4_000));
        let choices = format!("{}true", "true?true:".repeat(800));
        for deep in [terms(4_000), path(4_000), lists, choices] {
            let problems = Expression::compile(&deep).expect_err("too deep");
            assert!(problems[0].contains("deep: write several expressions (line 1, "), "{problems:?}");
        }
        // Two of them are none, for the parser.
        assert!(Expression::compile(&nots).is_ok());
    });
}

#[test]
fn an_expression_as_deep_as_may_be_is_evaluated_on_a_worker() {
    on_a_worker(|| {
        let sum = format!("{}1 != 0", "event.payload.n + ".repeat(limits::DEPTH_LIMIT - 4));
        assert_eq!(before(&sum), Ok(true));
        let path = format!("!has(event.payload{}.b)", ".a".repeat(limits::DEPTH_LIMIT - 4));
        assert_eq!(before(&path), Err("no such key: a".into()));
        let loops = format!("{}[1]{} != []", "[1].map(x, ".repeat(9), ")".repeat(9));
        assert_eq!(before(&loops), Ok(true));
        let many = format!("{}event.payload.n == 5", "event.payload.n == 0 || ".repeat(200));
        assert_eq!(before(&many), Ok(true), "alternatives are no levels");
    });
}

#[test]
fn an_evaluation_ends_with_the_time_of_its_event_whatever_the_loop_is() {
    let event = request(PAYLOAD);
    for source in [
        "event.payload.l.all(x, x > 0)",
        "event.payload.l.exists(x, x > 5)",
        "event.payload.l.exists_one(x, x == 2)",
        "event.payload.l.map(x, x * 2) == [2, 4, 6]",
        "event.payload.l.map(x, x > 1, x * 2) == [4, 6]",
        "event.payload.l.filter(x, false).size() == 0",
        "[1].all(x, event.payload.l.exists(y, y > x) || true)",
        "event.payload.o.exists(key, key == 'p')",
        "true || event.payload.n == 1 ? [1].all(x, true) : false",
        "event.payload.l.exists(x, x > 5) || event.payload.n == 5",
    ] {
        let expression = Expression::compile(source).expect(source);
        let over = Facts::before(&event, Instant::now());
        assert_eq!(expression.holds(&over), Err(Unanswered::Late), "{source}");
        assert!(expression.holds(&Facts::before(&event, later())).is_ok(), "{source}");
    }
    let plain = Expression::compile("event.payload.n == 5").expect("an expression");
    assert_eq!(plain.holds(&Facts::before(&event, Instant::now())), Ok(true), "what has no loop is quick");
}

/// It would take hours.
#[test]
fn loops_within_loops_over_a_long_list_end_in_the_middle() {
    let items: Vec<_> = (0..3_000).map(|id| format!("{{\"id\": {id}}}")).collect();
    let event = Request::new(format!("{{\"l\": [{}]}}", items.join(",")));
    let source = "event.payload.l.all(x, event.payload.l.all(y, event.payload.l.exists_one(z, z.id == x.id)))";
    let expression = Expression::compile(source).expect(source);
    let soon = Facts::before(&event, Instant::now() + Duration::from_millis(50));
    assert_eq!(expression.holds(&soon), Err(Unanswered::Late));
}

#[test]
fn a_list_of_the_payload_is_made_once_for_an_evaluation() {
    let event = request(PAYLOAD);
    let facts = Facts::before(&event, later());
    let scope = scope::Scope::new(&facts, &[]);
    let address = || {
        let value = cel::context::VariableResolver::resolve(&scope, "event.payload.l").expect("a list");
        assert!(!value.is_owned());
        std::ptr::from_ref(&*value).addr()
    };
    assert_eq!(address(), address());
}

#[test]
fn a_literal_that_is_never_there_or_never_read_is_refused() {
    let spelling = "no header is spelt \"x-tenant\" here; write \"X-Tenant\"";
    refused("event.headers['x-tenant'] == ['7']", &[&format!("{spelling} (line 1, column 15)")]);
    refused("'x-tenant' in req_headers", &[&format!("{spelling} (line 1, column 1)")]);
    refused("resp_metadata_headers['x-tenant'][0] == '7'", &[&format!("{spelling} (line 1, column 23)")]);
    refused("'X y' in req_headers", &["no header can be called \"X y\" (line 1, column 1)"]);
    refused(
        "timestamp(now) > timestamp('garbage')",
        &["timestamp() cannot read \"garbage\"; it reads texts such as \"2024-01-31T12:00:00Z\" (line 1, column 28)"],
    );
    refused(
        "duration('5') > duration('1h30m')",
        &["duration() cannot read \"5\"; it reads texts such as \"90s\" and \"1h30m\" (line 1, column 10)"],
    );
    refused("event.attempt > int('x')", &["int() cannot read \"x\" (line 1, column 21)"]);
    all_true(&["timestamp(now) > timestamp('2024-01-31T12:00:00Z')", "duration('1h30m') > duration('90s')"]);
    all_true(&["int('7') == 7 && !bool('false')", "event.headers['X-' + 'Tenant'][0] == '7'"]);
}
