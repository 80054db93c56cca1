//! Random replies: none may panic, and an error says where.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use siphon_config::model::Encoding;

use super::decode;
use crate::json::Json;

const ENCODINGS: [Encoding; 6] =
    [Encoding::Json, Encoding::SafeJson, Encoding::Xml, Encoding::Rss, Encoding::String, Encoding::NoOp];

/// What documents are made of, whole and in parts.
const PIECES: [&str; 58] = [
    "<",
    ">",
    "</",
    "/>",
    "<a>",
    "</a>",
    "<b c='1'>",
    "</b>",
    "<x:y ",
    "xmlns:x='u'",
    "=\"",
    "'",
    "&amp;",
    "&#233;",
    "&nbsp;",
    "&",
    ";",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version='1.0'",
    " encoding='",
    "latin1",
    "utf-16",
    "'?>",
    "<!DOCTYPE a [",
    "]>",
    "<rss>",
    "</rss>",
    "<channel>",
    "</channel>",
    "<item>",
    "</item>",
    "<feed>",
    "<entry>",
    "</entry></feed>",
    "<rdf:RDF>",
    "<dc:date>",
    "2021-09-06",
    "Mon, 06 Sep 2021 10:00:00 GMT",
    "<link rel=''/>",
    "{",
    "}",
    "[",
    "]",
    "\"items\":",
    "\"a\":",
    ",",
    ":",
    "1.50",
    "-0e",
    "null",
    "\"\\ud83d\"",
    "é",
    "\u{feff}",
    "\0",
    "\n ",
];

/// One valid document of each kind, to be broken.
const DOCUMENTS: [&str; 5] = [
    "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><r a='1'><b>x</b>y<b><![CDATA[z]]></b></r>",
    "<rss><channel><title>t</title><item><dc:title>a</dc:title><pubDate>2021-09-06</pubDate></item></channel></rss>",
    "<feed xml:lang='en'><entry><link rel='enclosure' href='h'/><author><name>n</name></author></entry></feed>",
    "{\"version\":\"1\",\"items\":[{\"id\":1,\"tags\":[\"a\",null],\"authors\":[{\"name\":\"n\"}]}]}",
    "[1.50,{\"a\":\"\\u00e9\",\"a\":12345678901234567890},null,true]",
];

fn reply() -> impl Strategy<Value = Vec<u8>> {
    let broken = (select(&DOCUMENTS[..]), vec((any::<Index>(), vec(any::<u8>(), 0..3), 0usize..4), 0..4));
    prop_oneof![
        vec(any::<u8>(), 0..64),
        vec(select(&PIECES[..]), 0..24).prop_map(|pieces| pieces.concat().into_bytes()),
        broken.prop_map(|(document, changes)| {
            let mut bytes = document.as_bytes().to_vec();
            for (index, put, take) in changes {
                let at = index.index(bytes.len() + 1);
                let end = (at + take).min(bytes.len());
                bytes.splice(at..end, put);
            }
            bytes
        }),
    ]
}

/// `… at line 3, column 7`, somewhere in the text.
fn has_place(error: &str) -> bool {
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().is_some_and(|digits| !digits.is_empty());
    error.match_indices(" at line ").any(|(at, found)| {
        let rest = &error[at + found.len()..];
        number(rest) && rest.split_once(", column ").is_some_and(|(_, column)| number(column))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_reply_is_data_or_an_error_with_a_place(body in reply(), is_collection: bool) {
        for encoding in ENCODINGS {
            match decode(encoding, is_collection, &body) {
                Ok(data) => {
                    prop_assert!(matches!(data.type_name(), "object" | "null"));
                    let again = Json::parse(&data.to_vec());
                    prop_assert_eq!(again.as_ref(), Ok(&data), "{:?}", encoding);
                }
                Err(error) => prop_assert!(has_place(&error), "{:?}: {}", encoding, error),
            }
        }
    }
}
