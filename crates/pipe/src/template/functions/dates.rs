//! Points in time. A template has them as texts of RFC 3339, or as seconds since 1970.

use siphon_config::duration::SignedDuration;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::super::value::Value;
use super::{Arguments, Function, Made, function, layout};
use crate::json::{Json, View};

pub(super) const TABLE: &[Function] = &[
    function("now", 0, 0, |given| written(given.now)),
    function("date", 2, 2, |given| Ok(Value::string(layout::written(&given.text(0)?, time(given, 1)?)))),
    function("dateModify", 2, 2, |given| {
        let duration = given.text(0)?;
        let duration = SignedDuration::parse(&duration).map_err(|error| format!("{duration:?}: {error}"))?;
        let moved = time(given, 1)?.checked_add(Duration::nanoseconds(duration.nanoseconds()));
        written(moved.ok_or("no such time")?)
    }),
    function("unixEpoch", 1, 1, |given| Ok(Json::integer(time(given, 0)?.unix_timestamp()).into())),
];

fn written<'d>(time: OffsetDateTime) -> Made<'d> {
    time.format(&Rfc3339).map(Value::string).map_err(|error| error.to_string())
}

fn time(given: &Arguments<'_, '_>, index: usize) -> Result<OffsetDateTime, String> {
    let refused = || given.refused(index, "a time: a text such as 2026-01-31T15:04:05Z, or seconds since 1970");
    match given.value(index).view() {
        View::String(text) => OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refused()),
        View::Number(text) => {
            let seconds: f64 = text.parse().map_err(|_| refused())?;
            let nanoseconds = match text.parse::<i64>() {
                Ok(seconds) => i128::from(seconds) * 1_000_000_000,
                Err(_) => (seconds * 1e9) as i128,
            };
            OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_err(|_| refused())
        }
        _ => Err(refused()),
    }
}
