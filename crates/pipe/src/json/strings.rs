//! The strings of a JSON text: found eight bytes at a time, copied only when they have escapes.

use super::parse::{Failure, Parser};
use super::tape::Tag;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Bit 7 of each byte of `word` that ends a run: a quote, a backslash, a control character. Bytes after the first hit
/// may be marked wrongly, bytes before it never are (the usual "has a zero byte" arithmetic).
fn stops(word: u64) -> u64 {
    let zero = |value: u64| value.wrapping_sub(ONES) & !value;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64)) | control) & HIGH_BITS
}

fn is_stop(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes from the beginning of `bytes` need no attention.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    while let Some(chunk) = bytes[run..].first_chunk::<8>() {
        let hits = stops(u64::from_le_bytes(*chunk));
        if hits != 0 {
            return run + hits.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    run + bytes[run..].iter().position(|&byte| is_stop(byte)).unwrap_or(bytes.len() - run)
}

impl Parser<'_> {
    /// Takes a string with both of its quotes.
    pub(super) fn string(&mut self) -> Result<(), Failure> {
        let start = self.at + 1;
        self.at = start + plain_run(&self.bytes[start..]);
        if self.bytes.get(self.at) == Some(&b'"') {
            self.push_text(Tag::Plain, start, self.at);
            self.at += 1;
            return Ok(());
        }
        self.escaped_string(start)
    }

    /// The rest of a string that has something beside plain text; `at` stands on it.
    fn escaped_string(&mut self, start: usize) -> Result<(), Failure> {
        let begin = self.unescaped.len();
        self.keep(start);
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(self.unexpected("in string literal")),
            }
            let run = self.at;
            self.at += plain_run(&self.bytes[run..]);
            self.keep(run);
        }
        self.at += 1;
        self.push_text(Tag::Escaped, begin, self.unescaped.len());
        Ok(())
    }

    /// Copies the plain text from `start` to here. The source is valid UTF-8 and stops are ASCII, so nothing is lost.
    fn keep(&mut self, start: usize) {
        self.unescaped.push_str(&String::from_utf8_lossy(&self.bytes[start..self.at]));
    }

    fn escape(&mut self) -> Result<(), Failure> {
        self.at += 1;
        let plain = match self.bytes.get(self.at) {
            Some(b'u') => return self.unicode_escape(),
            Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.unescaped.push(plain);
        self.at += 1;
        Ok(())
    }

    /// `\uXXXX`, with its second half where it is a surrogate; half of a pair becomes U+FFFD.
    fn unicode_escape(&mut self) -> Result<(), Failure> {
        let unit = self.hex()?;
        let character = match unit {
            0xd800..0xdc00 => self.low_surrogate()?.map(|low| 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)),
            _ => Some(unit),
        };
        self.unescaped.push(character.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    /// The second half of a pair; anything else is left where it is.
    fn low_surrogate(&mut self) -> Result<Option<u32>, Failure> {
        if !self.bytes[self.at..].starts_with(b"\\u") {
            return Ok(None);
        }
        let before = self.at;
        self.at += 1;
        let unit = self.hex()?;
        if (0xdc00..0xe000).contains(&unit) {
            return Ok(Some(unit));
        }
        self.at = before;
        Ok(None)
    }

    /// The four digits after the `u` that stands here.
    fn hex(&mut self) -> Result<u32, Failure> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.bytes.get(self.at).and_then(|&byte| char::from(byte).to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| self.unexpected("in \\u hexadecimal character escape"))?;
            self.at += 1;
        }
        Ok(unit)
    }
}
