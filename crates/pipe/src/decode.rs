//! A body becomes data, as the backend's `encoding` says (pipeline.md §7.4).

use siphon_config::model::Encoding;

use crate::json::{Json, JsonRef, Object};
use crate::place::Place;
use crate::{feed, xml};

/// Key of what is no object.
const COLLECTION: &str = "collection";
const CONTENT: &str = "content";

/// The data of a successful reply: an object or null. No body is an empty object, except that `string` has no
/// characters then.
///
/// # Errors
///
/// The reference's words and the place: `unexpected EOF at line 1, column 3`, `json: cannot unmarshal array into Go
/// value of type map[string]interface {} at line 1, column 1`.
pub(crate) fn decode(encoding: Encoding, is_collection: bool, body: &[u8]) -> Result<Json, String> {
    match encoding {
        Encoding::String => Ok(Json::field(CONTENT, Json::string(String::from_utf8_lossy(body)))),
        Encoding::NoOp => Ok(Json::object(Object::new())),
        _ if body.is_empty() => Ok(Json::object(Object::new())),
        Encoding::SafeJson => parse(body).map(wrap),
        Encoding::Xml if is_collection => xml::decode(body).map(|data| Json::field(COLLECTION, data)),
        Encoding::Xml => xml::decode(body),
        Encoding::Rss => feed::decode(body),
        Encoding::Json if is_collection => collection(parse(body)?, body),
        Encoding::Json => object_or_null(parse(body)?, body),
    }
}

fn parse(body: &[u8]) -> Result<Json, String> {
    Json::parse(body).map_err(|error| error.to_string())
}

fn object_or_null(value: Json, body: &[u8]) -> Result<Json, String> {
    match value.type_name() {
        "object" | "null" => Ok(value),
        other => Err(mismatch(other, "map[string]interface {}", body, "set is_collection or encoding safejson")),
    }
}

fn collection(value: Json, body: &[u8]) -> Result<Json, String> {
    match value.type_name() {
        "array" | "null" => Ok(Json::field(COLLECTION, value)),
        other => Err(mismatch(other, "[]interface {}", body, "is_collection takes an array")),
    }
}

fn mismatch(found: &str, wanted: &str, body: &[u8], hint: &str) -> String {
    let place = Place::of_content(body);
    format!("json: cannot unmarshal {found} into Go value of type {wanted} at {place}; {hint}")
}

/// `safejson` takes every value.
pub(crate) fn wrap(value: Json) -> Json {
    match JsonRef::from(&value).type_name() {
        "object" => value,
        "array" => Json::field(COLLECTION, value),
        _ => Json::field(CONTENT, value),
    }
}

#[cfg(test)]
mod random;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(encoding: Encoding, is_collection: bool, body: &str, expected: Result<&str, &str>) {
        let decoded = decode(encoding, is_collection, body.as_bytes()).map(|data| data.to_string());
        match expected {
            Ok(start) => assert!(decoded.as_ref().is_ok_and(|text| text.starts_with(start)), "{body}: {decoded:?}"),
            Err(start) => assert!(decoded.as_ref().is_err_and(|text| text.starts_with(start)), "{body}: {decoded:?}"),
        }
    }

    #[test]
    fn json_takes_objects_and_null() {
        let no_object =
            |found| format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}");
        check(Encoding::Json, false, r#"{"x":1.50}"#, Ok(r#"{"x":1.50}"#));
        check(Encoding::Json, false, "null", Ok("null"));
        check(Encoding::Json, false, "", Ok("{}"));
        for (body, found) in [("[1]", "array"), ("\"s\"", "string"), ("42", "number"), ("true", "bool")] {
            check(Encoding::Json, false, body, Err(&no_object(found)));
        }
        check(Encoding::Json, false, " ", Err("EOF"));
        check(Encoding::Json, false, "{\"a\":", Err("unexpected EOF"));
        check(Encoding::Json, false, "<html>", Err("invalid character '<' looking for beginning of value"));
    }

    #[test]
    fn a_collection_takes_arrays_and_null() {
        check(Encoding::Json, true, "[1,{}]", Ok(r#"{"collection":[1,{}]}"#));
        check(Encoding::Json, true, "null", Ok(r#"{"collection":null}"#));
        check(Encoding::Json, true, "", Ok("{}"));
        check(Encoding::Json, true, "{}", Err("json: cannot unmarshal object into Go value of type []interface {}"));
    }

    #[test]
    fn safejson_takes_everything_that_is_json() {
        for is_collection in [false, true] {
            check(Encoding::SafeJson, is_collection, "{\"a\":1}", Ok("{\"a\":1}"));
            check(Encoding::SafeJson, is_collection, "[1]", Ok("{\"collection\":[1]}"));
            check(Encoding::SafeJson, is_collection, "\"s\"", Ok("{\"content\":\"s\"}"));
            check(Encoding::SafeJson, is_collection, "null", Ok("{\"content\":null}"));
            check(Encoding::SafeJson, is_collection, "", Ok("{}"));
            check(
                Encoding::SafeJson,
                is_collection,
                "no",
                Err("invalid character 'o' in literal null (expecting 'u')"),
            );
        }
    }

    #[test]
    fn xml_and_rss_are_collections_as_the_reference_has_them() {
        check(Encoding::Xml, false, "<r>1.50</r>", Ok(r#"{"r":"1.50"}"#));
        check(Encoding::Xml, true, "<r>1</r>", Ok(r#"{"collection":{"r":"1"}}"#));
        check(Encoding::Xml, false, "", Ok("{}"));
        check(Encoding::Xml, false, "{}", Err("EOF at line 1, column 3"));
        for is_collection in [false, true] {
            check(Encoding::Rss, is_collection, "<rss/>", Ok(r#"{"items":[],"author":null"#));
            check(Encoding::Rss, is_collection, "", Ok("{}"));
            check(Encoding::Rss, is_collection, "<r/>", Err("Failed to detect feed type at line 1, column 1"));
        }
    }

    #[test]
    fn string_takes_everything() {
        check(Encoding::String, false, "a \"b\"", Ok(r#"{"content":"a \"b\""}"#));
        check(Encoding::String, false, "", Ok("{\"content\":\"\"}"));
        let lossy = decode(Encoding::String, false, b"a\xffb").map(|data| data.to_string());
        assert_eq!(lossy.as_deref(), Ok("{\"content\":\"a\u{fffd}b\"}"));
    }
}
