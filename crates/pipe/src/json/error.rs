//! Why a text is no JSON, and where.

use std::borrow::Cow;
use std::fmt;

/// The reference's words, then the place: `invalid character '<' looking for beginning of value at line 1, column 1`.
/// Lines and columns count from 1, columns in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    message: Cow<'static, str>,
    place: Option<(usize, usize)>,
}

impl JsonError {
    pub(super) fn at(text: &[u8], offset: usize, message: Cow<'static, str>) -> Self {
        let before = &text[..offset.min(text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        Self { message, place: Some((line, before.len() - line_start + 1)) }
    }

    pub(super) fn whole_text(message: &'static str) -> Self {
        Self { message: message.into(), place: None }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.place {
            Some((line, column)) => write!(f, " at line {line}, column {column}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for JsonError {}
