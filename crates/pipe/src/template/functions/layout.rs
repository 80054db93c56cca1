//! A point in time in a layout of Go, which is an example: `02.01.2006 15:04`.

use std::fmt::Write as _;

use time::{OffsetDateTime, UtcOffset};

/// What a part of a layout stands for; where several begin alike, the longer one is first.
const PARTS: &[(&str, Part)] = &[
    ("2006", |time, out| _ = write!(out, "{:04}", time.year())),
    ("January", |time, out| _ = write!(out, "{}", time.month())),
    ("Jan", |time, out| out.push_str(&time.month().to_string()[..3])),
    ("Monday", |time, out| _ = write!(out, "{}", time.weekday())),
    ("Mon", |time, out| out.push_str(&time.weekday().to_string()[..3])),
    ("MST", |time, out| zone(time.offset(), out)),
    ("002", |time, out| _ = write!(out, "{:03}", time.ordinal())),
    ("01", |time, out| _ = write!(out, "{:02}", u8::from(time.month()))),
    ("02", |time, out| _ = write!(out, "{:02}", time.day())),
    ("03", |time, out| _ = write!(out, "{:02}", twelve(time))),
    ("04", |time, out| _ = write!(out, "{:02}", time.minute())),
    ("05", |time, out| _ = write!(out, "{:02}", time.second())),
    ("06", |time, out| _ = write!(out, "{:02}", time.year().rem_euclid(100))),
    ("15", |time, out| _ = write!(out, "{:02}", time.hour())),
    ("_2", |time, out| _ = write!(out, "{:2}", time.day())),
    ("PM", |time, out| out.push_str(if time.hour() < 12 { "AM" } else { "PM" })),
    ("pm", |time, out| out.push_str(if time.hour() < 12 { "am" } else { "pm" })),
    ("Z07:00", |time, out| offset(time.offset(), ":", true, out)),
    ("Z0700", |time, out| offset(time.offset(), "", true, out)),
    ("-07:00", |time, out| offset(time.offset(), ":", false, out)),
    ("-0700", |time, out| offset(time.offset(), "", false, out)),
    ("1", |time, out| _ = write!(out, "{}", u8::from(time.month()))),
    ("2", |time, out| _ = write!(out, "{}", time.day())),
    ("3", |time, out| _ = write!(out, "{}", twelve(time))),
    ("4", |time, out| _ = write!(out, "{}", time.minute())),
    ("5", |time, out| _ = write!(out, "{}", time.second())),
];

type Part = fn(OffsetDateTime, &mut String);

pub(super) fn written(layout: &str, time: OffsetDateTime) -> String {
    let mut out = String::with_capacity(layout.len());
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = fraction(rest, time, &mut out) {
            rest = after;
        } else if let Some((part, write)) = PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            write(time, &mut out);
            rest = &rest[part.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// `.000` with all its digits, `.999` without zeros at the end; what stands behind it.
fn fraction<'l>(layout: &'l str, time: OffsetDateTime, out: &mut String) -> Option<&'l str> {
    let digits = layout.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let after = digits.trim_start_matches(digit);
    let count = digits.len() - after.len();
    if count > 9 || after.starts_with(|next: char| next.is_ascii_digit()) {
        return None;
    }
    let fraction = &format!("{:09}", time.nanosecond())[..count];
    let fraction = if digit == '9' { fraction.trim_end_matches('0') } else { fraction };
    if !fraction.is_empty() {
        out.push_str(&layout[..1]);
        out.push_str(fraction);
    }
    Some(after)
}

fn twelve(time: OffsetDateTime) -> u8 {
    match time.hour() % 12 {
        0 => 12,
        hour => hour,
    }
}

fn zone(zone: UtcOffset, out: &mut String) {
    if zone.is_utc() { out.push_str("UTC") } else { offset(zone, "", false, out) }
}

fn offset(offset: UtcOffset, separator: &str, has_z: bool, out: &mut String) {
    if has_z && offset.is_utc() {
        return out.push('Z');
    }
    let (hours, minutes, _) = offset.as_hms();
    let sign = if offset.is_negative() { '-' } else { '+' };
    _ = write!(out, "{sign}{:02}{separator}{:02}", hours.unsigned_abs(), minutes.unsigned_abs());
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[track_caller]
    fn check(layout: &str, expected: &str) {
        assert_eq!(written(layout, datetime!(2026-03-07 00:05:09.012_300 +05:30)), expected);
    }

    #[test]
    fn a_layout_is_an_example() {
        check("2006-01-02T15:04:05Z07:00", "2026-03-07T00:05:09+05:30");
        check("Mon, _2 Jan 06 3:04 PM -0700", "Sat,  7 Mar 26 12:05 AM +0530");
        check("Monday, January 2 (002) 03:4:5pm MST", "Saturday, March 7 (066) 12:5:9am +0530");
        check("05.000 05,999999999 05.9 x", "09.012 09,0123 09 x");
        check("Straße: 1/2", "Straße: 3/7");
    }

    #[test]
    fn utc_has_its_letters() {
        assert_eq!(written("Z07:00 Z0700 -07:00 MST", datetime!(2026-03-07 0:00 UTC)), "Z Z +00:00 UTC");
    }
}
