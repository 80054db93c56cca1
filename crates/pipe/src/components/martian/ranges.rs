//! An answer from bytes that are there, or the ranges of it that the call asks for (RFC 9110 §14).

use std::ops::Range;

use ::http::StatusCode;
use ::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue, RANGE,
};
use bytes::Bytes;

use super::message::{Field, Message, Received};

/// Ranges in one answer: each can be the whole body, and the call may come from a stranger's header.
const RANGE_LIMIT: usize = 16;

/// Puts `body` in the place of the answer's; with the ranges that the call asks for.
pub(super) fn answer_with(answer: &mut Received, body: &Bytes, content_type: HeaderValue) {
    answer.headers.insert(CONTENT_TYPE, content_type.clone());
    answer.headers.remove(CONTENT_ENCODING);
    let asked = answer.asked(&Field::Plain(RANGE)).filter(|range| !range.is_empty());
    let body = match asked.map(|range| wanted(range.to_str().unwrap_or_default(), body.len())) {
        None => body.clone(),
        Some(ranges) => part(answer, body, &ranges.unwrap_or_default(), &content_type),
    };
    answer.headers.insert(CONTENT_LENGTH, body.len().into());
    answer.body = Some(body);
}

fn part(answer: &mut Received, body: &Bytes, ranges: &[Range<usize>], content_type: &HeaderValue) -> Bytes {
    answer.status = if ranges.is_empty() { StatusCode::RANGE_NOT_SATISFIABLE } else { StatusCode::PARTIAL_CONTENT };
    let mut set = |name: HeaderName, value: String| {
        let value: Result<HeaderValue, InvalidHeaderValue> = value.try_into();
        if let Ok(value) = value {
            answer.headers.insert(name, value);
        }
    };
    match ranges {
        [] => Bytes::new(),
        [one] => {
            set(CONTENT_RANGE, content_range(one, body.len()));
            body.slice(one.clone())
        }
        several => {
            let boundary = boundary();
            set(CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}"));
            multipart(body, several, content_type, &boundary)
        }
    }
}

/// The ranges of `bytes=2-4,7-`, in a body of so many bytes. None for what is no such header, or leads past the end.
fn wanted(header: &str, length: usize) -> Option<Vec<Range<usize>>> {
    let header = header.trim().to_ascii_lowercase();
    let list: Vec<_> = header.strip_prefix("bytes=")?.split(',').collect();
    if list.len() > RANGE_LIMIT {
        return None;
    }
    list.into_iter().map(|one| range(one.trim(), length)).collect()
}

fn range(text: &str, length: usize) -> Option<Range<usize>> {
    let (start, end) = text.split_once('-')?;
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let (start, end) = match (start.trim(), end.trim()) {
        ("", last) => (length.saturating_sub(number(last)?), length),
        (start, "") => (number(start)?, length),
        (start, end) => (number(start)?, number(end)?.checked_add(1)?.min(length)),
    };
    (start < end).then_some(start..end)
}

fn content_range(range: &Range<usize>, length: usize) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end - 1)
}

/// Sixty hexadecimal digits.
fn boundary() -> String {
    format!("{:032x}{:028x}", fastrand::u128(..), fastrand::u128(..) >> 16)
}

fn multipart(body: &[u8], ranges: &[Range<usize>], content_type: &HeaderValue, boundary: &str) -> Bytes {
    let mut out = Vec::new();
    for range in ranges {
        let head = format!("--{boundary}\r\nContent-Range: {}\r\nContent-Type: ", content_range(range, body.len()));
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(content_type.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&body[range.clone()]);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_counted_from_either_end_and_stay_inside() {
        let cases: [(&str, &[(usize, usize)]); 6] = [
            ("bytes=2-4", &[(2, 5)]),
            ("Bytes= 7 - ", &[(7, 10)]),
            ("bytes=-3", &[(7, 10)]),
            ("bytes=-30", &[(0, 10)]),
            ("bytes=0-0, 9-99", &[(0, 1), (9, 10)]),
            ("bytes=0-18446744073709551614", &[(0, 10)]),
        ];
        for (header, expected) in cases {
            let found = wanted(header, 10).expect(header);
            assert_eq!(found.iter().map(|one| (one.start, one.end)).collect::<Vec<_>>(), expected, "{header}");
        }
    }

    #[test]
    fn what_is_no_range_or_leads_past_the_end_gives_none() {
        let many = format!("bytes={}", vec!["0-1"; RANGE_LIMIT + 1].join(","));
        for header in ["bytes=4-2", "bytes=10-", "bytes=-0", "bytes=a-b", "bytes=1", "lines=1-2", "bytes=1-2,x", &many]
        {
            assert_eq!(wanted(header, 10), None, "{header}");
        }
    }

    #[test]
    fn several_ranges_stand_between_boundaries() {
        let content_type = HeaderValue::from_static("text/plain");
        let body = multipart(b"0123456789", &[0..2, 8..10], &content_type, "B");
        let expected = "--B\r\nContent-Range: bytes 0-1/10\r\nContent-Type: text/plain\r\n\r\n01\r\n\
                        --B\r\nContent-Range: bytes 8-9/10\r\nContent-Type: text/plain\r\n\r\n89\r\n--B--\r\n";
        assert_eq!(body, expected);
        assert_eq!(boundary().len(), 60);
    }
}
