//! The functions of a template: those of Go, and the ones of Sprig that bodies need.
//!
//! An argument that does not fit is an error of the run. Where Sprig gives an empty text or a zero instead, nobody would
//! learn of it.

mod dates;
mod encodings;
mod escapes;
mod layout;
mod lists;
mod logic;
mod numbers;
mod objects;
mod printf;
mod text;

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use time::OffsetDateTime;

use super::run::SIZE_LIMIT;
use super::value::Value;
use crate::json::Object;

/// Bytes that a compiled regular expression may have.
const REGEX_LIMIT: usize = 1 << 20;

/// A function: its name, and how many arguments it takes.
#[derive(Debug)]
pub(super) struct Function {
    pub name: &'static str,
    least: usize,
    most: usize,
    /// Arguments come in pairs.
    is_paired: bool,
    /// The first argument is a regular expression.
    pub wants_regex: bool,
    pub work: Work,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    Eager(for<'a, 'd> fn(&Arguments<'a, 'd>) -> Made<'d>),
    /// Looks at its arguments one by one.
    Lazy(Lazy),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lazy {
    And,
    Or,
}

/// What a function gives, or why it cannot.
type Made<'d> = Result<Value<'d>, String>;

type Eager = for<'a, 'd> fn(&Arguments<'a, 'd>) -> Made<'d>;

const MANY: usize = usize::MAX;

const fn function(name: &'static str, least: usize, most: usize, work: Eager) -> Function {
    Function { name, least, most, is_paired: false, wants_regex: false, work: Work::Eager(work) }
}

const TABLES: &[&[Function]] = &[
    logic::TABLE,
    text::TABLE,
    numbers::TABLE,
    lists::TABLE,
    objects::TABLE,
    encodings::TABLE,
    escapes::TABLE,
    dates::TABLE,
];

pub(super) fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().copied().flatten()
}

pub(super) fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// # Errors
///
/// What is wrong with it, on one line.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_LIMIT).build().map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{pattern:?} is no regular expression: {reason}")
    })
}

fn too_large() -> String {
    format!("the result is larger than {SIZE_LIMIT} bytes")
}

impl Function {
    pub fn takes(&self, count: usize) -> bool {
        (self.least..=self.most).contains(&count) && (!self.is_paired || count.is_multiple_of(2))
    }

    /// How many arguments, in words.
    pub fn arity(&self) -> String {
        let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
        match (self.least, self.most) {
            _ if self.is_paired => "keys and values in turn".into(),
            (0, MANY) => "any number of arguments".into(),
            (least, MANY) => format!("{least} or more arguments"),
            (least, most) if least == most => format!("{least} {}", plural(least)),
            (least, most) => format!("{least} to {most} arguments"),
        }
    }
}

/// What a function is called with.
pub(super) struct Arguments<'a, 'd> {
    pub values: &'a [Value<'d>],
    pub now: OffsetDateTime,
    /// The first argument, compiled at load.
    pub regex: Option<&'a Regex>,
}

impl<'a, 'd> Arguments<'a, 'd> {
    fn value(&self, index: usize) -> &'a Value<'d> {
        &self.values[index]
    }

    fn refused(&self, index: usize, wanted: &str) -> String {
        let found = self.value(index);
        let advice = if found.is_nothing() { "; default stands in for what is missing" } else { "" };
        format!("argument {} is {}, not {wanted}{advice}", index + 1, found.type_name())
    }

    /// A text; a number or a boolean is taken by its text.
    fn text(&self, index: usize) -> Result<Cow<'a, str>, String> {
        self.value(index).scalar().ok_or_else(|| self.refused(index, "a text"))
    }

    /// A whole number; a text that is one counts.
    fn integer(&self, index: usize) -> Result<i64, String> {
        let text = self.value(index).scalar();
        let number = text.as_deref().and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| self.refused(index, "a whole number"))
    }

    /// One that counts something.
    fn count(&self, index: usize) -> Result<usize, String> {
        let refused = || format!("argument {} must not be negative", index + 1);
        usize::try_from(self.integer(index)?).map_err(|_| refused())
    }

    fn list(&self, index: usize) -> Result<Vec<Value<'d>>, String> {
        self.value(index).items().ok_or_else(|| self.refused(index, "a list"))
    }

    fn object(&self, index: usize) -> Result<Object, String> {
        self.value(index).to_json().into_object().ok_or_else(|| self.refused(index, "an object"))
    }
}
