//! Where in a text something is: lines and columns count from 1, columns in bytes.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// Of the byte at `offset`; past the end it is the end.
    pub fn of(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        Self { line, column: before.len() - line_start + 1 }
    }

    /// Of the first byte that is no white space.
    pub fn of_content(text: &[u8]) -> Self {
        Self::of(text, text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(text.len()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
