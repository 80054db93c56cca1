//! Numbers: whole ones to the last digit, others with 64 bits.

use super::super::value::{Value, number, ordered};
use super::{Arguments, Function, MANY, Made, function};
use crate::json::{Json, View};

pub(super) const TABLE: &[Function] = &[
    function("add", 1, MANY, |given| folded(given, i64::checked_add, |one, two| one + two)),
    function("sub", 2, 2, |given| folded(given, i64::checked_sub, |one, two| one - two)),
    function("mul", 1, MANY, |given| folded(given, i64::checked_mul, |one, two| one * two)),
    function("div", 2, 2, |given| {
        not_by_zero(given)?;
        folded(given, i64::checked_div, |one, two| one / two)
    }),
    function("mod", 2, 2, |given| {
        not_by_zero(given)?;
        folded(given, i64::checked_rem, |one, two| one % two)
    }),
    function("max", 1, MANY, |given| extreme(given, std::cmp::Ordering::Greater)),
    function("min", 1, MANY, |given| extreme(given, std::cmp::Ordering::Less)),
    function("floor", 1, 1, |given| Value::float(Number::of(given, 0)?.float().floor())),
    function("ceil", 1, 1, |given| Value::float(Number::of(given, 0)?.float().ceil())),
    function("round", 2, 2, round),
    function("int", 1, 1, whole),
    function("int64", 1, 1, whole),
    function("float64", 1, 1, |given| Value::float(Number::of(given, 0)?.float())),
];

#[derive(Clone, Copy)]
enum Number {
    Whole(i64),
    Float(f64),
}

impl Number {
    /// A number, or a text that is one.
    fn of(given: &Arguments<'_, '_>, index: usize) -> Result<Self, String> {
        let text = match given.value(index).view() {
            View::Number(text) => text,
            View::String(text) => text.trim(),
            _ => return Err(given.refused(index, "a number")),
        };
        if let Ok(whole) = text.parse() {
            return Ok(Self::Whole(whole));
        }
        let float = text.parse().ok().filter(|float: &f64| float.is_finite());
        float.map(Self::Float).ok_or_else(|| given.refused(index, "a number"))
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }
}

/// From the first to the last, with whole numbers as long as all are.
fn folded<'d>(given: &Arguments<'_, 'd>, whole: fn(i64, i64) -> Option<i64>, float: fn(f64, f64) -> f64) -> Made<'d> {
    let mut result = Number::of(given, 0)?;
    for index in 1..given.values.len() {
        result = match (result, Number::of(given, index)?) {
            (Number::Whole(one), Number::Whole(two)) => {
                Number::Whole(whole(one, two).ok_or("the result has more than 64 bits")?)
            }
            (one, two) => Number::Float(float(one.float(), two.float())),
        };
    }
    match result {
        Number::Whole(whole) => Ok(Json::integer(whole).into()),
        Number::Float(float) => Value::float(float),
    }
}

fn not_by_zero(given: &Arguments<'_, '_>) -> Result<(), String> {
    if Number::of(given, 1)?.float() == 0.0 { Err("division by zero".into()) } else { Ok(()) }
}

fn extreme<'d>(given: &Arguments<'_, 'd>, wanted: std::cmp::Ordering) -> Made<'d> {
    let mut best = given.value(0);
    Number::of(given, 0)?;
    for (index, other) in given.values.iter().enumerate().skip(1) {
        Number::of(given, index)?;
        if ordered(other, best)? == wanted {
            best = other;
        }
    }
    Ok(best.clone())
}

/// `round NUMBER PLACES`.
fn round<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let (value, places) = (Number::of(given, 0)?.float(), given.count(1)?.min(300));
    Value::float(number(&format!("{:.places$}", rounded_up(value, places))))
}

/// Halves go away from zero; formatting alone would round them to even.
fn rounded_up(value: f64, places: usize) -> f64 {
    let scale = 10f64.powi(i32::try_from(places).unwrap_or(i32::MAX));
    let scaled = value * scale;
    if scaled.abs() < 1e15 { scaled.round() / scale } else { value }
}

/// What stands before the point.
fn whole<'d>(given: &Arguments<'_, 'd>) -> Made<'d> {
    let whole = match Number::of(given, 0)? {
        Number::Whole(whole) => whole,
        Number::Float(float) if float.abs() < 9.2e18 => float.trunc() as i64,
        Number::Float(_) => return Err("the number has more than 64 bits".into()),
    };
    Ok(Json::integer(whole).into())
}
