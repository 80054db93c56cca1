//! What each function gives.

use super::*;

#[test]
fn texts() {
    check("{{upper \"aß\"}} {{lower \"AÜ\"}} {{title \"an old-new o'hare\"}}", "ASS aü An Old-New O'Hare");
    check(
        "[{{trim \"  a \"}}] {{trimAll \"$!\" \"$5!\"}} {{trimPrefix \"a\" \"ab\"}} {{trimSuffix \"b\" \"ab\"}}",
        "[a] 5 b a",
    );
    check(
        "{{replace \"a\" \"o\" \"banana\"}} {{contains \"an\" \"banana\"}} {{hasPrefix \"b\" \"ab\"}} {{hasSuffix \"b\" \"ab\"}}",
        "bonono true false true",
    );
    check(
        "{{(split \".\" \"a.b\")._1}} {{splitList \",\" \"a,b\" | toJson}} {{splitList \"\" \"ab\" | len}}",
        r#"b ["a","b"] 2"#,
    );
    check(
        "{{join \"-\" (list 1 \"b\" nil true)}} {{repeat 3 \"ab\"}} {{substr 1 3 \"hallo\"}} {{substr -1 2 \"hallo\"}} {{substr 2 -1 \"hallo\"}}",
        "1-b-true ababab al ha llo",
    );
    check("{{trunc 2 \"über\"}} {{trunc -2 \"über\"}} {{trunc 9 \"a\"}}", "üb er a");
    check("{{quote \"a\\\"b\" nil 1}} {{squote \"it\"}} {{upper .req_body.price}}", r#""a\"b" "1" 'it' 1.50"#);
    check(
        "{{regexMatch \"^Z\" .req_body.name}} {{regexReplaceAll \"(o)(ë)\" .req_body.name \"${2}-$1\"}}",
        "true Zë-o & Co",
    );
    check("{{$re := \"^a\"}}{{regexMatch $re \"ab\"}}", "true");
    fails(
        "{{$re := \"(\"}}{{regexMatch $re \"ab\"}}",
        "t, line 1, column 17: regexMatch: \"(\" is no regular expression: unclosed group",
    );
}

#[test]
fn numbers() {
    check(
        "{{add 1 2 3}} {{sub 1 3}} {{mul 2 3 4}} {{div 7 2}} {{mod 7 2}} {{add 0.5 1}} {{div 7.0 2}}",
        "6 -2 24 3 1 1.5 3.5",
    );
    check(
        "{{max 1 2.5 2}} {{min 3 1 2}} {{floor 1.9}} {{ceil 1.1}} {{round 1.255 1}} {{round 123.555 2}} {{round -0.5 0}}",
        "2.5 1 1 2 1.3 123.56 -1",
    );
    check(
        "{{int 1.9}} {{int64 \"12\"}} {{int -1.9}} {{float64 \"1.50\"}} {{toString 1.50}} {{len (toString .req_body.price)}}",
        "1 12 -1 1.5 1.5 4",
    );
    check("{{add 9223372036854775807 0}} {{.req_body.id | toJson}}", "9223372036854775807 12345678901234567890");
    fails("{{add 9223372036854775807 1}}", "t, line 1, column 3: add: the result has more than 64 bits");
    fails("{{div 1 0}}", "t, line 1, column 3: div: division by zero");
    fails("{{int \"x\"}}", "t, line 1, column 3: int: argument 1 is a text, not a number");
}

#[test]
fn lists_and_objects() {
    check(
        "{{toJson (append (list 1) 2)}} {{first (list 1 2)}} {{last (list 1 2)}} {{rest (list 1 2 3)}} {{first list}}",
        "[1,2] 1 2 [2 3] <no value>",
    );
    check(
        "{{uniq (list 1 2 1 \"a\" \"a\")}} {{sortAlpha (list \"b\" \"a\" 1)}} {{has 2 (list 1 2)}}",
        "[1 2 a] [1 a b] true",
    );
    check(
        "{{$d := dict \"a\" 1 \"b\" (list)}}{{get $d \"a\"}}{{get $d \"x\"}} {{hasKey $d \"b\"}} {{keys $d}} {{values $d}} {{len $d}}",
        "1 true [a b] [1 []] 2",
    );
    check(
        "{{toJson (pick .req_body \"price\" \"paid\" \"x\")}} {{keys (omit .req_body.map \"a\")}}",
        r#"{"price":1.50,"paid":true} [b]"#,
    );
    check(
        "{{merge (dict \"a\" (dict \"x\" 1)) (dict \"a\" (dict \"x\" 2 \"y\" 3) \"b\" 4) | toJson}}",
        r#"{"a":{"x":1,"y":3},"b":4}"#,
    );
    check(
        "{{index .req_headers \"X-Tenant\" 1}} {{slice (list 1 2 3) 1}} {{slice \"abc\" 1 2}} {{index .req_body.lines 0 \"sku\"}}",
        "green [2 3] b a",
    );
    fails("{{slice \"ü\" 1}}", "t, line 1, column 3: slice: 1 to 2 is outside of 0 to 2, or inside a character");
    fails("{{first 1}}", "t, line 1, column 3: first: argument 1 is a number, not a list");
}

#[test]
fn choices() {
    check(
        "{{coalesce 0 \"\" .req_body.nope \"x\" \"y\"}} {{ternary \"a\" \"b\" true}} {{false | ternary \"a\" \"b\"}} {{empty 0}}",
        "x a b true",
    );
    check("{{required \"no id\" .req_body.zero}}{{default 1 0}}{{default 1}}", "011");
}

#[test]
fn json_base64_and_digests() {
    check(
        "{{toJson .req_body.map}} {{toRawJson \"<&>\"}} {{toJson \"<\"}} {{toJson .req_body.nope}}",
        r#"{"b":1,"a":[1,"x",null]} "<&>" "<" null"#,
    );
    check("{{toPrettyJson .req_body.map}}", "{\n  \"b\": 1,\n  \"a\": [\n    1,\n    \"x\",\n    null\n  ]\n}");
    check("{{toPrettyJson (dict \"a\" (list))}} {{(fromJson `{\"n\": 1.50}`).n}}", "{\n  \"a\": []\n} 1.50");
    check("{{b64enc \"hé\"}} {{b64dec \"aMOp\"}}", "aMOp hé");
    check("{{sha256sum \"abc\"}}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check(
        "{{html \"<a b='c'>\"}} {{js \"it's <b>\"}} {{urlquery \"a b&c~*\"}}",
        "&lt;a b=&#39;c&#39;&gt; it\\'s \\u003Cb\\u003E a+b%26c~%2A",
    );
    let id = run("{{uuidv4}}").expect("an id");
    assert!(id.len() == 36 && id.as_bytes()[14] == b'4' && run("{{uuidv4}}") != Ok(id.clone()), "{id}");
    fails("{{b64dec \"!\"}}", "t, line 1, column 3: b64dec: this is no base64: Invalid symbol 33, offset 0.");
    fails("{{fromJson \"{\"}}", "t, line 1, column 3: fromJson: unexpected EOF at line 1, column 2");
}

#[test]
fn dates() {
    check(
        "{{now}} {{unixEpoch now}} {{date \"02.01.2006 15:04\" now}}",
        "2026-03-07T00:05:09.012Z 1772841909 07.03.2026 00:05",
    );
    check(
        "{{now | dateModify \"-1.5h\" | date \"15:04\"}} {{date \"2006\" 0}} {{unixEpoch \"2026-03-07T01:05:09+01:00\"}}",
        "22:35 1970 1772841909",
    );
    check("{{date \"15:04 -0700\" \"2026-03-07T01:05:09+01:00\"}}", "01:05 +0100");
    fails(
        "{{date \"2006\" \"today\"}}",
        "t, line 1, column 3: date: argument 2 is a text, not a time: a text such as 2026-01-31T15:04:05Z, or seconds since 1970",
    );
    let failed = run("{{dateModify \"soon\" now}}").expect_err("no duration");
    assert!(failed.starts_with("t, line 1, column 3: dateModify: \"soon\": "), "{failed}");
}

#[test]
fn printf_and_its_kin() {
    check("{{printf \"%s|%d|%5d|%-5d|%05d|%+d\" \"a\" 7 7 7 -7 7}}", "a|7|    7|7    |-0007|+7");
    check(
        "{{printf \"%.2f|%8.3f|%f|%e|%g|%.3g\" 1.5 2 1 1234.5 0.25 1234.5}}",
        "1.50|   2.000|1.000000|1.234500e+03|0.25|1.23e+03",
    );
    check(
        "{{printf \"%v %q %t %x %X %% %.2s|%5s|\" (list 1 \"a\") \"q\\\"\" true 255 \"hi\" \"abc\" \"ü\"}}",
        "[1 a] \"q\\\"\" true ff 6869 % ab|    ü|",
    );
    check(
        "{{printf \"%d %v\" .req_body.id .req_body.price}} {{printf \"%v\" .req_body.nope}}",
        "12345678901234567890 1.50 <nil>",
    );
    check("{{print 1 2 \"a\" 3 4}}{{println 1 \"a\"}}", "1 2a3 41 a\n");
    fails("{{printf \"%d\" \"x\"}}", "t, line 1, column 3: printf: %d wants a whole number, argument 2 is a text");
    fails("{{printf \"%d\"}}", "t, line 1, column 3: printf: no value is left for %d");
    fails("{{printf \"x\" 1}}", "t, line 1, column 3: printf: 1 values for 0 verbs");
    fails(
        "{{printf \"%z\" 1}}",
        "t, line 1, column 3: printf: %z is not known; there are %v %s %q %d %f %e %g %x %X %t and %%",
    );
    fails("{{printf \"%99999d\" 1}}", "t, line 1, column 3: printf: a width is at most 10000");
}
