//! The bytes of a document become text, by their byte order mark or by what the document says of itself.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::place::Place;

/// A declaration that is longer is none: it names a version, a charset and a yes or no.
const DECLARATION_LIMIT: usize = 256;

/// The text of `body`, without its byte order mark. Charsets go by their names on the web (WHATWG): ISO-8859-1 is
/// windows-1252. Bytes that the charset does not have become U+FFFD, as a browser shows them; UTF-8 must be valid.
///
/// # Errors
///
/// A charset without a converter, bytes that are no UTF-8; with the place.
pub(crate) fn to_text(body: &[u8]) -> Result<Cow<'_, str>, String> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        return converted(encoding, &body[mark..]);
    }
    let Some((name, at)) = declared(body) else { return converted(UTF_8, body) };
    match Encoding::for_label(name.as_bytes()) {
        // Whoever could read the declaration byte by byte has no charset of two bytes.
        Some(encoding) if encoding == UTF_16BE || encoding == UTF_16LE => converted(UTF_8, body),
        Some(encoding) => converted(encoding, body),
        None => {
            let name: String = name.chars().take(40).collect();
            Err(format!("xml: the charset {name:?} is unknown at {}", Place::of(body, at)))
        }
    }
}

fn converted<'b>(encoding: &'static Encoding, body: &'b [u8]) -> Result<Cow<'b, str>, String> {
    if encoding != UTF_8 {
        return Ok(encoding.decode_without_bom_handling(body).0);
    }
    std::str::from_utf8(body).map(Cow::Borrowed).map_err(|error| {
        let place = Place::of(body, error.valid_up_to());
        format!("XML syntax error on line {}: invalid UTF-8 at {place}", place.line)
    })
}

/// The charset that an XML declaration at the beginning names, and where the name stands.
fn declared(body: &[u8]) -> Option<(&str, usize)> {
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let rest = &body[start..];
    let end = rest.iter().take(DECLARATION_LIMIT).position(|&byte| byte == b'>')?;
    let declaration = std::str::from_utf8(&rest[..end]).ok()?.strip_prefix("<?xml")?;
    let key = declaration.find("encoding")?;
    let value = declaration[key + "encoding".len()..].trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let name = value[1..].split(quote).next()?;
    Some((name, start + end - value.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &[u8], expected: Result<&str, &str>) {
        let text = to_text(body);
        assert_eq!(text.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn the_declared_charset_is_converted() {
        check(
            b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>",
            Ok("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>"),
        );
        check(b"<?xml encoding = \"windows-1251\"?>\xcf", Ok("<?xml encoding = \"windows-1251\"?>П"));
        check("<?xml encoding=\"utf-16\"?>é".as_bytes(), Ok("<?xml encoding=\"utf-16\"?>é"));
        check("<a encoding='latin1'>é</a>".as_bytes(), Ok("<a encoding='latin1'>é</a>"));
    }

    #[test]
    fn a_byte_order_mark_wins() {
        check(b"\xef\xbb\xbf<a>\xc3\xa9</a>", Ok("<a>é</a>"));
        check(b"\xff\xfe<\0a\0/\0>\0", Ok("<a/>"));
    }

    #[test]
    fn what_cannot_be_converted_is_refused_with_its_place() {
        check(b"<?xml encoding=\"ebcdic-9\"?>", Err("xml: the charset \"ebcdic-9\" is unknown at line 1, column 17"));
        check(b"<a>\n \xff</a>", Err("XML syntax error on line 2: invalid UTF-8 at line 2, column 2"));
    }
}
