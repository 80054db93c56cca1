//! Why a text is no JSON, and where.

use std::borrow::Cow;
use std::fmt;

use crate::place::Place;

/// The reference's words, then the place: `invalid character '<' looking for beginning of value at line 1, column 1`.
/// Lines and columns count from 1, columns in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    message: Cow<'static, str>,
    place: Option<Place>,
}

impl JsonError {
    pub(super) fn at(text: &[u8], offset: usize, message: Cow<'static, str>) -> Self {
        Self { message, place: Some(Place::of(text, offset)) }
    }

    pub(super) fn whole_text(message: &'static str) -> Self {
        Self { message: message.into(), place: None }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.place {
            Some(place) => write!(f, " at {place}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for JsonError {}
