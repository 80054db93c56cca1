use super::*;

#[track_caller]
fn check(xml: &str, expected: &str) {
    let data = decode(xml.as_bytes()).map(|data| data.to_string());
    assert_eq!(data.as_deref(), Ok(expected), "{xml}");
}

#[track_caller]
fn refused(xml: &str, expected: &str) {
    assert_eq!(decode(xml.as_bytes()).map(|data| data.to_string()), Err(expected.to_owned()), "{xml}");
}

#[test]
fn attributes_get_a_dash_and_the_text_beside_them_a_key() {
    check("<r id=\"7\"><a k='v'>1</a></r>", r##"{"r":{"-id":"7","a":{"-k":"v","#text":"1"}}}"##);
    check("<r a=\"1\"></r>", r#"{"r":{"-a":"1"}}"#);
    check("<r a='1' x:a='2'/>", r#"{"r":{"-a":"2"}}"#);
}

#[test]
fn equal_siblings_are_a_list_wherever_they_stand() {
    check("<r><i>1</i><i>2</i><j>3</j></r>", r#"{"r":{"i":["1","2"],"j":"3"}}"#);
    check("<r><i n='1'>a</i><j/><i n='2'/></r>", r##"{"r":{"i":[{"-n":"1","#text":"a"},{"-n":"2"}],"j":""}}"##);
    let many: String = (0..40).map(|n| format!("<k{n}>a</k{n}><k{}>b</k{}>", n % 7, n % 7)).collect();
    let data = decode(format!("<r>{many}</r>").as_bytes()).expect("well-formed");
    let root = data.get("r").expect("the root");
    let lists = ["k0", "k6", "k7", "k39"].map(|name| root.get(name).expect(name).type_name());
    assert_eq!(lists, ["array", "array", "string", "string"]);
}

#[test]
fn texts_are_trimmed_and_stay_texts() {
    check("<r>\n <a/><b></b><c> </c><d> 1.50\t</d></r>", r#"{"r":{"a":"","b":"","c":"","d":"1.50"}}"#);
    check("<r>42</r>", r#"{"r":"42"}"#);
    check("<r/>", r#"{"r":""}"#);
    check("<r>a &lt;&#233;&#xe9;&amp; b\r\nc</r>", r#"{"r":"a <éé& b\nc"}"#);
}

#[test]
fn of_mixed_content_one_piece_stays() {
    check("<r>hello <b>bold</b> world</r>", r##"{"r":{"b":"bold","#text":"hello"}}"##);
    check("<p a=\"1\">pre<b>x</b>post</p>", r##"{"p":{"-a":"1","#text":"post","b":"x"}}"##);
    check("<r>a<![CDATA[b]]>c</r>", r#"{"r":"c"}"#);
    check("<r>a<!-- - --></r>", r#"{"r":"a"}"#);
    check("<r>a<![CDATA[<b> & ]]></r>", r#"{"r":"<b> &"}"#);
}

#[test]
fn prefixes_are_dropped_with_their_declarations_kept() {
    check(
        r#"<s:Env xmlns:s="urn:x"><s:Body><m:f xmlns:m="urn:y">v</m:f></s:Body></s:Env>"#,
        r##"{"Env":{"-s":"urn:x","Body":{"f":{"-m":"urn:y","#text":"v"}}}}"##,
    );
    check(r#"<a xmlns="u" xsi:type="t"/>"#, r#"{"a":{"-xmlns":"u","-type":"t"}}"#);
}

#[test]
fn only_the_first_element_is_read() {
    check("\u{feff}\u{feff}<a/>", r#"{"a":""}"#);
    check("\u{feff}<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]>text<!-- c --><a>1</a><b></c", r#"{"a":"1"}"#);
}

#[test]
fn what_has_no_element_is_at_its_end() {
    refused("{\"a\":1}", "EOF at line 1, column 8");
    refused(" \n ", "EOF at line 2, column 2");
}

#[test]
fn what_is_not_well_formed_is_shown_with_its_place() {
    let syntax = |line: usize, what: &str, column: usize| {
        format!("xml.Decoder.Token() - XML syntax error on line {line}: {what} at line {line}, column {column}")
    };
    refused("<a>\n<b></a>", &syntax(2, "element <b> closed by </a>", 4));
    refused("<a><b>", &syntax(1, "unexpected EOF", 7));
    refused("</a>", &syntax(1, "unexpected end element </a>", 1));
    refused("<a>&nbsp;</a>", &syntax(1, "invalid character entity &nbsp;", 4));
    refused("<a b='<'/>", &syntax(1, "unescaped < inside quoted string", 1));
    refused("<a>\u{1}</a>", &syntax(1, "illegal character code U+0001", 4));
    refused("<a>&#1;</a>", &syntax(1, "illegal character code U+0001", 4));
    refused("<a>]]></a>", &syntax(1, "unescaped ]]> not in CDATA section", 4));
    refused("<1/>", &syntax(1, "expected element name after <", 2));
    refused("<a b:c:d='1'/>", &syntax(1, "expected attribute name in element <a>", 1));
    for broken in ["<a b=c/>", "<a b/>", "<a b='1/>", "<a", "<a>1 & 2</a>", "<![CDATA[x", "<a><!-- </a>"] {
        let error = decode(broken.as_bytes()).expect_err(broken);
        assert!(error.contains(" at line 1, column "), "{broken}: {error}");
    }
}

#[test]
fn nesting_ends_where_that_of_json_does() {
    let nested = |depth: usize| [vec!["<a>"; depth], vec!["</a>"; depth]].concat().concat();
    assert!(decode(nested(512).as_bytes()).is_ok());
    let error = decode(nested(513).as_bytes()).expect_err("too deep");
    assert!(error.contains("exceeded max depth at line 1, column 1537"), "{error}");
}

#[test]
fn more_elements_than_memory_can_take_are_refused() {
    let many = |count: usize| format!("<r>{}</r>", "<a/>".repeat(count));
    assert!(decode(many(1_000).as_bytes()).is_ok());
    let refusal = decode(many(250_000).as_bytes()).map(|data| data.to_string()).expect_err("too many");
    assert!(refusal.contains("more than 250000 elements"), "{refusal}");
}
