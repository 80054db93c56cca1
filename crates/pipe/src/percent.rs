//! Percent-encoding of what goes into a URL (RFC 3986).

use std::borrow::Cow;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A value that becomes one path segment or one query value: everything but unreserved characters is encoded.
pub(crate) fn value(text: &str) -> Cow<'_, str> {
    encode(text, is_unreserved)
}

/// A path as somebody wrote it: escapes and characters that a path may have stay, everything else is encoded.
pub(crate) fn path(text: &str) -> Cow<'_, str> {
    encode(text, |byte| is_unreserved(byte) || b"!$&'()*+,;=:@/[]%".contains(&byte))
}

/// A query as somebody wrote it: only what cannot stand in a request line is encoded.
pub(crate) fn query(text: &str) -> Cow<'_, str> {
    encode(text, |byte| byte.is_ascii_graphic() && !b"\"<>#".contains(&byte))
}

/// A text that somebody else wrote, inside a path: it may bring segments, escapes and a query of its own. What no URL
/// may have is encoded, and so are `#`, which would cut the URL off, and a `%` that begins no escape.
pub(crate) fn path_value(text: &str) -> Cow<'_, str> {
    encode_all(text, |byte| is_unreserved(byte) || b"!$&'()*+,;=:@/[]?".contains(&byte))
}

/// The same inside a query.
pub(crate) fn query_value(text: &str) -> Cow<'_, str> {
    encode_all(text, |byte| byte.is_ascii_graphic() && !b"\"<>#%".contains(&byte))
}

/// Escapes stay, another `%` is encoded.
fn encode_all(text: &str, keep: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let is_escape = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    encode_at(text, |at, byte| if byte == b'%' { is_escape(at) } else { keep(byte) })
}

/// What was encoded; `None` where that is no UTF-8 or an escape is broken.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |at: usize| rest.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        out.push((digit(0)? * 16 + digit(1)?) as u8);
        rest = &rest[2..];
    }
    String::from_utf8(out).ok()
}

/// The first `%` that no two hexadecimal digits follow, with what follows it, as the reference shows it.
pub(crate) fn bad_escape(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        rest = &rest[at..];
        let digits = rest.bytes().skip(1).take(2).take_while(u8::is_ascii_hexdigit).count();
        if digits < 2 {
            let end = rest.char_indices().nth(3).map_or(rest.len(), |(end, _)| end);
            return Some(&rest[..end]);
        }
        rest = &rest[3..];
    }
    None
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

fn encode(text: &str, keep: impl Fn(u8) -> bool) -> Cow<'_, str> {
    encode_at(text, |_, byte| keep(byte))
}

fn encode_at(text: &str, keep: impl Fn(usize, u8) -> bool) -> Cow<'_, str> {
    if text.bytes().enumerate().all(|(at, byte)| keep(at, byte)) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (at, byte) in text.bytes().enumerate() {
        if keep(at, byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', char::from(HEX[(byte >> 4) as usize]), char::from(HEX[(byte & 15) as usize])]);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_escapes_and_loses_what_no_path_may_have() {
        let cases = [("/straße/ü", "/stra%C3%9Fe/%C3%BC"), ("/a b/{x}", "/a%20b/%7Bx%7D"), ("/x//y/%2F", "/x//y/%2F")];
        for (written, sent) in cases {
            assert_eq!(path(written), sent);
        }
    }

    #[test]
    fn a_query_stays_as_written_where_it_can() {
        let cases =
            [("filter[a]=1;2&list=x,y&t=a:b@c", "filter[a]=1;2&list=x,y&t=a:b@c"), ("a=b c&ü", "a=b%20c&%C3%BC")];
        for (written, sent) in cases {
            assert_eq!(query(written), sent);
        }
    }

    #[test]
    fn a_value_cannot_leave_its_place() {
        assert_eq!(value("a/b?c=d&e#f%20+ ü"), "a%2Fb%3Fc%3Dd%26e%23f%2520%2B%20%C3%BC");
    }

    #[test]
    fn what_was_encoded_comes_back() {
        let text = "a/b?c=d&e#f%20+ ü";
        assert_eq!(decoded(&value(text)).as_deref(), Some(text));
        assert_eq!(["%", "%4", "%zz", "%ff"].map(decoded), [None, None, None, None]);
    }

    #[test]
    fn a_broken_escape_is_found() {
        for (text, found) in [("/a%zz/b", Some("%zz")), ("/a%4", Some("%4")), ("/%41%", Some("%")), ("/%41", None)] {
            assert_eq!(bad_escape(text), found);
        }
    }
}
