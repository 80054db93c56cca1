//! What expressions find, and what is refused.

use super::*;

const DATA: &str = r#"{"id":12345678901234567890123,"price":1.50,"n":[3,1,2],"big":18446744073709551615,
    "lines":[{"sku":"a","count":2,"cost":0.10},{"sku":"b","count":10,"cost":7.25}],"near":12345678901234567000}"#;

#[track_caller]
fn check(expression: &str, expected: &str) {
    let data = Json::parse(DATA.as_bytes()).expect("valid");
    let found = Query::compile(expression).and_then(|query| query.search((&data).into()));
    assert_eq!(found.map(|found| found.to_string()).as_deref(), Ok(expected), "{expression}");
}

#[test]
fn what_is_found_is_as_it_was() {
    check("lines[?count > `5`].sku", r#"["b"]"#);
    check(
        "{number: id, price: price, big: big}",
        r#"{"big":18446744073709551615,"number":12345678901234567890123,"price":1.50}"#,
    );
    check("lines[].cost", "[0.10,7.25]");
    check("sort(n)", "[1,2,3]");
    check("nope.at[0]", "null");
    check("@.n[-1]", "2");
}

#[test]
fn what_is_computed_has_64_bits() {
    check("sum(lines[].count)", "12");
    check("avg(n)", "2");
    check("sum(lines[].cost)", "7.35");
}

#[test]
fn two_texts_of_the_same_bits_are_not_mistaken_for_each_other() {
    let data = Json::parse(b"[12345678901234567890123,12345678901234567890124,1.50]").expect("valid");
    let found = Query::compile("@").and_then(|query| query.search((&data).into())).map(|found| found.to_string());
    assert_eq!(found.as_deref(), Ok("[1.2345678901234568e+22,1.2345678901234568e+22,1.50]"));
}

#[track_caller]
fn refused(expression: &str, expected: &str) {
    let message = Query::compile(expression).map(drop).expect_err(expression);
    assert!(message.contains(expected), "{expression}: {message}");
}

#[test]
fn a_bad_expression_is_refused_with_its_place() {
    refused("lines[", "at line 1, column ");
    refused("a.", "at line 1, column ");
    refused("lines[].lenght(@)", "function \"lenght\" is not known; did you mean \"length\"?, before character 15");
    refused("[{a: map(&nope(@), n)}]", "function \"nope\" is not known, before character 15");
    refused("sort_by(n)", "function \"sort_by\" takes 2 arguments, found 1, before character 8");
    refused("merge()", "function \"merge\" takes 1 or more arguments, found 0");
}

#[test]
fn a_value_that_a_function_does_not_take_is_told() {
    let data = Json::parse(DATA.as_bytes()).expect("valid");
    let failed = Query::compile("sum(lines)").expect("valid").search((&data).into());
    let message = failed.expect_err("no numbers");
    assert!(message.contains("expects type") && message.contains("at line 1, column "), "{message}");
}

/// On the stack of a thread as tokio makes them.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread");
    thread.join().expect("it ends");
}

#[test]
fn an_expression_that_takes_too_much_stack_is_refused() {
    on_a_small_stack(|| {
        let long = "the expression has 10001 bytes, at most 4096 may be";
        refused(&format!("{}a", "!".repeat(10_000)), long);
        let deep = "the expression has more than 100 levels in each other";
        let ways = [
            format!("{}a", "!".repeat(4000)),
            format!("{}a{}", "[".repeat(2000), "]".repeat(2000)),
            format!("a{}", ".a".repeat(2000)),
            format!("a{}", "|@".repeat(2000)),
            format!("a{}", "[*]".repeat(1300)),
            format!("a{}", "[]".repeat(2000)),
            format!("{}a{}", "{a:".repeat(1000), "}".repeat(1000)),
            format!("a{}", "||a".repeat(1300)),
            format!("{}a{}", "abs(".repeat(800), ")".repeat(800)),
        ];
        ways.iter().for_each(|expression| refused(expression, deep));
        // Parentheses leave nothing behind.
        let parentheses = format!("{}n[0]{}", "(".repeat(2000), ")".repeat(2000));
        check(&parentheses, "3");
    });
}

#[test]
fn the_deepest_expressions_that_are_allowed_run_on_a_small_stack() {
    on_a_small_stack(|| {
        check(&format!("{}id", "!".repeat(99)), "false");
        check(&format!("{}`1`{}", "abs(".repeat(99), ")".repeat(99)), "1");
        check(&format!("lines{}", "[*]".repeat(48)), "[]");
        check(&format!("{}{}", "@|".repeat(98), "n[0]"), "3");
        check(
            &format!("{}n{}", "[".repeat(99), "]".repeat(99)),
            &format!("{}[3,1,2]{}", "[".repeat(99), "]".repeat(99)),
        );
    });
}

#[test]
fn what_multiplies_the_data_is_bounded() {
    let doubled = |times: usize| vec!["[@,@]"; times].join(" | ");
    refused(&doubled(31), "the expression may find its data 2147483648 times over, at most 1000 may be");
    refused(&vec!["[@,@][]"; 31].join(" | "), "times over, at most 1000 may be");
    refused(&vec!["map(&[@,@], @)"; 31].join(" | "), "times over, at most 1000 may be");
    let data = Json::array(vec![Json::string("x".repeat(1 << 20))]);
    let query = Query::compile(&doubled(9)).expect("512 times");
    let message = query.search((&data).into()).expect_err("512 MiB");
    assert_eq!(message, "what is found is larger than 67108864 bytes");
    check(&format!("{}|length(@)", doubled(9)), "2");
}
