//! References to earlier replies of a sequential agent: `{resp0_id}`, `resp1_customer.name`, `resp0`.

use std::fmt::Write as _;

use crate::json::{JsonRef, View};
use crate::message::Response;

/// A value of the reply of one backend, and the param that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Which backend, counted from 0 in the order of the agent's list.
    pub backend: usize,
    /// The param: `Resp0_id`.
    pub param: String,
    /// Keys of objects and indices of arrays. Empty: the whole reply as text, which only `no-op` has.
    pub path: Vec<String>,
}

impl Reference {
    /// Reads `resp0`, `resp0_a.b` or the same with a capital letter. `None` when the text is no reference.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("resp").or_else(|| text.strip_prefix("Resp"))?;
        let (number, path) = match rest.split_once('_') {
            Some((_, "")) => return None,
            Some((number, path)) => (number, path.split('.').map(str::to_owned).collect()),
            None => (rest, Vec::new()),
        };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let backend = number.parse().ok().filter(|_| is_number)?;
        Some(Self { backend, param: format!("Resp{rest}"), path })
    }

    /// What the reply has there, as text; `None` when it has nothing there.
    pub fn value(&self, response: &Response) -> Option<String> {
        if self.path.is_empty() {
            return response.raw.as_ref().map(|raw| String::from_utf8_lossy(raw).into_owned());
        }
        let found = self.path.iter().try_fold(JsonRef::from(&response.data), |at, step| below(at, step))?;
        let mut text = String::new();
        match found.view() {
            View::Array(items) => joined(items, ",", &mut text),
            _ => write(found, &mut text),
        }
        Some(text)
    }
}

fn below<'a>(at: JsonRef<'a>, step: &str) -> Option<JsonRef<'a>> {
    match at.view() {
        View::Array(mut items) => items.nth(step.parse().ok()?),
        _ => at.get(step),
    }
}

/// The text of a value inside others, as the reference writes it: `map[a:1 b:[x y]]`. Keys are sorted.
pub(crate) fn write(value: JsonRef<'_>, out: &mut String) {
    match value.view() {
        View::Null => out.push_str("<nil>"),
        View::Bool(value) => _ = write!(out, "{value}"),
        View::Number(text) | View::String(text) => out.push_str(text),
        View::Array(items) => {
            out.push('[');
            joined(items, " ", out);
            out.push(']');
        }
        View::Object(fields) => {
            let mut fields: Vec<_> = fields.collect();
            fields.sort_by_key(|(key, _)| *key);
            out.push_str("map[");
            for (index, (key, value)) in fields.into_iter().enumerate() {
                _ = write!(out, "{}{key}:", if index > 0 { " " } else { "" });
                write(value, out);
            }
            out.push(']');
        }
    }
}

fn joined<'a>(items: impl Iterator<Item = JsonRef<'a>>, separator: &str, out: &mut String) {
    for (index, item) in items.enumerate() {
        out.push_str(if index > 0 { separator } else { "" });
        write(item, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;
    use proptest::prelude::*;

    #[track_caller]
    fn check(reference: &str, expected: Option<&str>) {
        let data = r#"{"s":"a/b","n":1.50,"big":12345678901234567890,"t":true,"f":false,"z":null,"e":[],
            "l":[1,"x",2.5,null,{"b":[1,2],"a":{}}],"o":{"p":{"q":"deep"},"b":2,"a":[1]},"x_y":"under","":"empty"}"#;
        let response = Response::complete(Json::parse(data.as_bytes()).expect("valid"));
        let reference = Reference::parse(reference).expect(reference);
        assert_eq!(reference.value(&response).as_deref(), expected, "{reference:?}");
    }

    #[test]
    fn scalars_are_their_text() {
        check("resp0_s", Some("a/b"));
        check("Resp0_n", Some("1.50"));
        check("resp0_big", Some("12345678901234567890"));
        check("resp0_t", Some("true"));
        check("resp0_f", Some("false"));
        check("resp0_z", Some("<nil>"));
        check("resp0_x_y", Some("under"));
    }

    #[test]
    fn arrays_are_joined_and_objects_have_a_text_form() {
        check("resp0_l", Some("1,x,2.5,<nil>,map[a:map[] b:[1 2]]"));
        check("resp0_e", Some(""));
        check("resp0_o", Some("map[a:[1] b:2 p:map[q:deep]]"));
    }

    #[test]
    fn a_path_leads_through_objects_and_elements() {
        check("resp0_o.p.q", Some("deep"));
        check("resp0_l.1", Some("x"));
        check("resp0_l.4.b", Some("1,2"));
    }

    #[test]
    fn what_is_missing_has_no_value() {
        for missing in
            ["resp0_nope", "resp0_o.nope.q", "resp0_nope.s", "resp0_s.length", "resp0_l.9", "resp0_l.x", "resp0"]
        {
            check(missing, None);
        }
    }

    #[test]
    fn the_whole_reply_is_what_no_op_kept() {
        let response = Response { raw: Some("{\"a\": 1}".into()), ..Response::empty() };
        let reference = Reference::parse("resp3").expect("a reference");
        assert_eq!((reference.backend, reference.value(&response).as_deref()), (3, Some("{\"a\": 1}")));
    }

    #[test]
    fn only_references_are_references() {
        for other in ["topic", "resp", "resp_", "resp0_", "respX_a", "response", "RESP0_a", "resp+1_a", "respo0_a"] {
            assert_eq!(Reference::parse(other), None, "{other}");
        }
        let found = Reference::parse("resp12_a.b").expect("a reference");
        assert_eq!((found.backend, found.param.as_str(), found.path.len()), (12, "Resp12_a.b", 2));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reading_panic(text in "[rR]?(esp)?[0-9]{0,25}[_a.]{0,5}") {
            if let Some(reference) = Reference::parse(&text) {
                prop_assert!(reference.value(&Response::empty()).is_none());
            }
        }
    }
}
