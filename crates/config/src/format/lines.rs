//! Byte offsets to lines and columns.

use crate::tree::Position;

/// Where the lines of a text begin.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(index, _)| index + 1);
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// Line and column of the byte at `offset`; what lies past the end counts as the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = floor_boundary(self.text, offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = self.text[start..offset].chars().count() + 1;
        Position { line: narrow(line), column: narrow(column) }
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// Lines and columns past four thousand million are shown as that.
pub(crate) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, offset: usize, line: u32, column: u32) {
        assert_eq!(Lines::new(text).position(offset), Position { line, column });
    }

    #[test]
    fn columns_count_characters() {
        check("aé\nü{", 0, 1, 1);
        check("aé\nü{", 3, 1, 3);
        check("aé\nü{", 6, 2, 2);
        check("aé\nü{", 99, 2, 3);
        check("", 0, 1, 1);
    }
}
