//! `encoding: xml`: an XML document becomes data (components-traffic.md §15.1).
//!
//! `<car wheels="4"><door>red</door><door/></car>` is `{"car":{"-wheels":"4","door":["red",""]}}`. Every leaf is a text.

mod charset;
mod fields;
mod tree;

use crate::json::Json;

pub(crate) use charset::to_text;
pub(crate) use tree::{Content, Element, Reading, XmlError, local_name, read};

use fields::Fields;

/// Key of the text of an element that has attributes or children.
const TEXT: &str = "#text";

/// What the reference cuts off both ends of a text.
const BLANKS: [char; 5] = ['\t', '\r', '\n', '\u{8}', ' '];

/// `{root: value}`; what follows the root element is not looked at.
///
/// # Errors
///
/// The reference's words and the place: `EOF` where there is no element, `xml.Decoder.Token() - XML syntax error on
/// line 1: element <b> closed by </a> at line 1, column 7`.
pub(crate) fn decode(body: &[u8]) -> Result<Json, String> {
    let text = to_text(body)?;
    let root = read(&text, Reading::Strict).map_err(|error| match error {
        XmlError::NoElement { .. } => error.to_string(),
        XmlError::Syntax { .. } => format!("xml.Decoder.Token() - {error}"),
    })?;
    Ok(Json::field(local_name(root.name), value(&root)))
}

/// Recurses as deep as the reader lets elements nest.
fn value(element: &Element<'_>) -> Json {
    let mut fields = Fields::default();
    for (name, text) in &element.attributes {
        fields.set(format!("-{}", local_name(name)), Json::string(text.as_ref()));
    }
    let mut simple = None;
    for content in &element.content {
        match content {
            Content::Element(child) => fields.add(local_name(child.name), value(child)),
            Content::Text(text) => match text.trim_matches(BLANKS) {
                "" => {}
                // Of mixed content one piece stays: the last one behind a child, and none of those if one stands
                // before all children.
                text if fields.is_empty() => simple = Some(text),
                text => fields.set(TEXT.to_owned(), Json::string(text)),
            },
        }
    }
    match (simple, fields.is_empty()) {
        (text, true) => Json::string(text.unwrap_or_default()),
        (None, false) => fields.into_json(),
        (Some(text), false) => {
            fields.set(TEXT.to_owned(), Json::string(text));
            fields.into_json()
        }
    }
}

#[cfg(test)]
mod tests;
