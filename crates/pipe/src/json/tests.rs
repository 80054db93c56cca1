use super::*;
use proptest::prelude::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(Json::parse(text.as_bytes()).map(|json| json.to_string()).as_deref(), Ok(expected), "{text}");
}

#[track_caller]
fn check_error(text: impl AsRef<[u8]>, expected: &str) {
    let text = text.as_ref();
    let error = Json::parse(text).map(|json| json.to_string()).map_err(|error| error.to_string());
    assert_eq!(error, Err(expected.to_owned()), "{}", String::from_utf8_lossy(text));
}

#[test]
fn numbers_keep_their_text() {
    for number in ["1.50", "12345678901234567890", "1e3", "-0", "1E400", "0.1e-7", "-2.5E+09"] {
        check(number, number);
        check(&format!("[{number} , {{\"n\":{number}}}]"), &format!("[{number},{{\"n\":{number}}}]"));
    }
}

#[test]
fn all_kinds_of_values_are_read() {
    check(
        " { \"t\" : true, \"f\":false,\"z\":null,\"o\":{},\"a\":[],\"s\":\"\" } ",
        r#"{"t":true,"f":false,"z":null,"o":{},"a":[],"s":""}"#,
    );
    check("[[],[{}],[[1]]]", "[[],[{}],[[1]]]");
}

#[test]
fn only_the_first_value_is_read() {
    check("{\"one\":1}\n{\"two\":2}", "{\"one\":1}");
    check("[1] and then nonsense", "[1]");
    check("42abc", "42");
}

#[test]
fn of_duplicate_keys_the_last_one_counts() {
    check(r#"{"k":"first","other":1,"k":"second"}"#, r#"{"other":1,"k":"second"}"#);
    check(r#"{"k":{"a":1,"a":2},"k":{"a":3,"a":4}}"#, r#"{"k":{"a":4}}"#);
    check(r#"{"k":1,"\u006b":2}"#, r#"{"k":2}"#);
    let many = (0..40).map(|i| format!("\"k{}\":{i}", i % 20)).collect::<Vec<_>>().join(",");
    let last = (20..40).map(|i| format!("\"k{}\":{i}", i % 20)).collect::<Vec<_>>().join(",");
    check(&format!("{{{many}}}"), &format!("{{{last}}}"));
}

#[test]
fn duplicates_are_gone_from_what_is_taken_apart_too() {
    let mut json = Json::parse(br#"{"k":1,"l":2,"k":3}"#).expect("valid");
    let object = json.object_mut().expect("an object");
    assert_eq!(object.len(), 2);
    object.insert("l", Json::integer(9));
    assert_eq!(json.to_string(), r#"{"l":9,"k":3}"#);
}

#[test]
fn strings_are_unescaped_and_escaped_again() {
    check(r#""a\"\\\/\b\f\n\r\tz""#, r#""a\"\\/\u0008\u000c\n\r\tz""#);
    check(r#""\u00e9\u20AC \ud83e\udd80 A""#, "\"é€ 🦀 A\"");
    check(r#"{"k\u0065y":"v"}"#, r#"{"key":"v"}"#);
    check("\"ünïcödé and more than eight bytes\"", "\"ünïcödé and more than eight bytes\"");
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    check(r#""a\ud800b""#, "\"a\u{fffd}b\"");
    check(r#""\udc00""#, "\"\u{fffd}\"");
    check(r#""\ud800\n""#, "\"\u{fffd}\\n\"");
    check(r#""\ud800\ud83e\udd80""#, "\"\u{fffd}🦀\"");
    check(r#""\ud800\u0041""#, "\"\u{fffd}A\"");
}

#[test]
fn invalid_utf8_becomes_the_replacement_character() {
    let json = Json::parse(b"{\"k\": \"a\xffb\", \"k\xc3\": 1}").expect("valid");
    assert_eq!(json.to_string(), "{\"k\":\"a\u{fffd}b\",\"k\u{fffd}\":1}");
}

#[test]
fn a_text_that_ends_early_is_told_apart_from_one_without_a_value() {
    check_error("", "EOF at line 1, column 1");
    check_error(" \n ", "EOF at line 2, column 2");
    for cut in [
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "[",
        "[1,",
        "\"abc",
        "\"a\\",
        "\"\\u12",
        "tru",
        "-",
        "1.",
        "1e",
    ] {
        check_error(cut, &format!("unexpected EOF at line 1, column {}", cut.len() + 1));
    }
}

#[test]
fn a_wrong_character_is_shown_with_its_place() {
    let cases = [
        ("<html>", "'<' looking for beginning of value at line 1, column 1"),
        ("\u{feff}{}", "'ï' looking for beginning of value at line 1, column 1"),
        ("{\n  \"a\": x}", "'x' looking for beginning of value at line 2, column 8"),
        ("[1,]", "']' looking for beginning of value at line 1, column 4"),
        ("{a:1}", "'a' looking for beginning of object key string at line 1, column 2"),
        ("{\"a\":1,}", "'}' looking for beginning of object key string at line 1, column 8"),
        ("{\"a\" 1}", "'1' after object key at line 1, column 6"),
        ("{\"a\":1 \"b\"}", "'\"' after object key:value pair at line 1, column 8"),
        ("[1 2]", "'2' after array element at line 1, column 4"),
        ("[1}", "'}' after array element at line 1, column 3"),
        ("nope", "'o' in literal null (expecting 'u') at line 1, column 2"),
        ("falsy", "'y' in literal false (expecting 'e') at line 1, column 5"),
        ("[01]", "'1' after array element at line 1, column 3"),
        ("-x", "'x' in numeric literal at line 1, column 2"),
        ("1.x", "'x' after decimal point in numeric literal at line 1, column 3"),
        ("1ex", "'x' in exponent of numeric literal at line 1, column 3"),
        ("\"a\u{1}\"", "'\\x01' in string literal at line 1, column 3"),
        ("\"\\x\"", "'x' in string escape code at line 1, column 3"),
        ("\"\\u12G4\"", "'G' in \\u hexadecimal character escape at line 1, column 6"),
        ("'a'", "'\\'' looking for beginning of value at line 1, column 1"),
    ];
    for (text, expected) in cases {
        check_error(text, &format!("invalid character {expected}"));
    }
}

#[test]
fn depth_is_limited_and_no_text_exhausts_the_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(&nested(512), &nested(512));
    check_error(nested(513), "exceeded max depth at line 1, column 513");
    check_error("[".repeat(1_000_000), "exceeded max depth at line 1, column 513");
    check_error("{\"a\":".repeat(1_000_000), "exceeded max depth at line 1, column 2561");
}

#[test]
fn a_parsed_value_can_be_looked_at_and_changed() {
    let mut json = Json::parse(br#"{"a":{"b":[1,{"c":"d"}]},"e":null}"#).expect("valid");
    assert_eq!(json.get("a").and_then(|a| a.get("b")).map(JsonRef::type_name), Some("array"));
    assert!(json.get("e").is_some_and(JsonRef::is_null) && json.get("zz").is_none());
    let copy = json.clone();
    let inner = json.object_mut().and_then(|object| object.get_mut("a")).and_then(Json::object_mut).expect("an object");
    inner.insert("n", Json::bool(true));
    inner.remove("b");
    assert_eq!(json.to_string(), r#"{"a":{"n":true},"e":null}"#);
    assert_eq!(copy.to_string(), r#"{"a":{"b":[1,{"c":"d"}]},"e":null}"#);
}

#[test]
fn equality_is_that_of_values() {
    let json = |text: &str| Json::parse(text.as_bytes()).expect(text);
    assert_eq!(json(r#"{"a":1,"b":[2]}"#), json(r#"{"b":[2],"a":1}"#));
    assert_eq!(Json::field("a", Json::array(vec![Json::integer(1)])), json(r#"{"a":[1]}"#));
    for (one, two) in [("1", "1.0"), ("[1]", "[1,2]"), ("{\"a\":1}", "{\"b\":1}"), ("\"1\"", "1"), ("null", "false")] {
        assert_ne!(json(one), json(two));
    }
}

#[test]
fn laying_one_object_over_another_is_the_same_for_small_and_large_ones() {
    for size in [1, 40, 400] {
        let fields = |offset: usize| {
            (0..size).map(move |i| (Text::from(format!("k{}", i + offset)), Json::integer(offset as i64)))
        };
        let mut object: Object = fields(0).collect();
        object.extend(fields(size / 2).collect());
        assert_eq!(object.len(), size + size / 2);
        let changed = object.fields().iter().filter(|(_, value)| *value == Json::integer(size as i64 / 2)).count();
        assert_eq!(changed, size);
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map("[a-d\"é]{0,12}", inner, 0..24)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_what_was_read(value in value()) {
        let json = Json::parse(value.to_string().as_bytes()).expect("valid");
        let back: serde_json::Value = serde_json::from_slice(&json.to_vec()).expect("valid");
        prop_assert_eq!(back, value);
    }

    #[test]
    fn number_text_survives(number in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?") {
        let json = Json::parse(format!("{{\"n\":{number}}}").as_bytes()).expect("valid");
        prop_assert!(matches!(json.get("n").map(JsonRef::view), Some(View::Number(text)) if text == number));
    }

    #[test]
    fn nothing_makes_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(json) = Json::parse(&bytes) {
            prop_assert!(Json::parse(&json.to_vec()).is_ok());
        }
    }

    #[test]
    fn near_json_is_judged_like_another_parser_does(text in "[\\[\\]{}\",:0-9eE.+\\-tfn\\\\u ]{0,24}") {
        let other = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>().next();
        let own = Json::parse(text.as_bytes());
        // The other one refuses what is out of a float's range, and looks one byte past a bare number.
        match other {
            Some(Ok(value)) => prop_assert_eq!(own.map(|json| json.type_name()), Ok(type_name(&value))),
            Some(Err(error)) if !error.to_string().starts_with("number out of range") && !text.trim_start().starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '"', 't', 'f', 'n']) =>
                prop_assert!(own.is_err() || error.to_string().contains("surrogate"), "{text}: {error}"),
            None => prop_assert!(own.is_err()),
            Some(Err(_)) => {}
        }
    }
}

fn type_name(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    }
}

#[test]
fn a_text_that_must_be_one_value_has_nothing_behind_it() {
    assert!(Json::parse_alone(b" {} \n").is_ok());
    let error = Json::parse_alone(b"{}\n x").map_err(|error| error.to_string());
    assert_eq!(error, Err("invalid character 'x' after top-level value at line 2, column 2".to_owned()));
}
