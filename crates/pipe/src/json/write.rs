//! A value as JSON text: no spaces, numbers by their text, fields in their order.

use super::strings::plain_run;
use super::{JsonRef, View};

const HEX: &[u8; 16] = b"0123456789abcdef";

pub(super) fn write(value: JsonRef<'_>, out: &mut Vec<u8>) {
    match value.view() {
        View::Null => out.extend_from_slice(b"null"),
        View::Bool(true) => out.extend_from_slice(b"true"),
        View::Bool(false) => out.extend_from_slice(b"false"),
        View::Number(text) => out.extend_from_slice(text.as_bytes()),
        View::String(text) => write_string(text, out),
        View::Array(items) => separated(b"[]", items, out, write),
        View::Object(fields) => separated(b"{}", fields, out, |(key, value), out| {
            write_string(key, out);
            out.push(b':');
            write(value, out);
        }),
    }
}

fn separated<T>(ends: &[u8; 2], parts: impl Iterator<Item = T>, out: &mut Vec<u8>, one: impl Fn(T, &mut Vec<u8>)) {
    out.push(ends[0]);
    for (index, part) in parts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(part, out);
    }
    out.push(ends[1]);
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    out.push(b'"');
    loop {
        let run = plain_run(rest);
        out.extend_from_slice(&rest[..run]);
        let Some(&byte) = rest.get(run) else { break };
        write_escape(byte, out);
        rest = &rest[run + 1..];
    }
    out.push(b'"');
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]);
        }
    }
}
