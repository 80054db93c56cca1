//! The words of a Lua text.

/// A word and where it stands, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    pub start: usize,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Keyword,
    Number,
    String,
    Symbol,
}

const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
    "repeat", "return", "then", "true", "until", "while",
];

/// The longest first.
const SYMBOLS: [&str; 28] = [
    "...", "..", "==", "~=", "<=", ">=", "::", "+", "-", "*", "/", "%", "^", "#", "<", ">", "=", "(", ")", "{", "}",
    "[", "]", ";", ":", ",", ".", "~",
];

/// `None` where something is not closed, or is no Lua.
pub(super) fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut place = after_shebang(text);
    while let Some(start) = next_word(text, place)? {
        let rest = &text[start..];
        let (kind, length) = word(rest)?;
        tokens.push(Token { kind, text: &rest[..length], start });
        place = start + length;
    }
    Some(tokens)
}

fn after_shebang(text: &str) -> usize {
    if text.starts_with('#') { text.find('\n').unwrap_or(text.len()) } else { 0 }
}

/// Where the next word begins, behind blanks and comments; the inner `None`: nowhere.
fn next_word(text: &str, place: usize) -> Option<Option<usize>> {
    let mut place = place;
    loop {
        let rest = &text[place..];
        let Some(blank) = rest.find(|letter: char| !letter.is_ascii_whitespace() && letter != '\u{b}') else {
            return Some(None);
        };
        place += blank;
        let Some(comment) = text[place..].strip_prefix("--") else { return Some(Some(place)) };
        place += 2;
        place += match level(comment) {
            Some(level) => long(comment, level)?,
            None => comment.find('\n').unwrap_or(comment.len()),
        };
    }
}

/// Kind and length of the word at the beginning of `rest`.
fn word(rest: &str) -> Option<(Kind, usize)> {
    let first = *rest.as_bytes().first()?;
    let second = rest.as_bytes().get(1).copied().unwrap_or_default();
    if is_letter(first) {
        let length = rest.bytes().position(|byte| !is_letter(byte) && !byte.is_ascii_digit()).unwrap_or(rest.len());
        let kind = if KEYWORDS.contains(&&rest[..length]) { Kind::Keyword } else { Kind::Name };
        return Some((kind, length));
    }
    if first.is_ascii_digit() || (first == b'.' && second.is_ascii_digit()) {
        return Some((Kind::Number, number(rest)));
    }
    match first {
        b'"' | b'\'' => short(rest, first).map(|length| (Kind::String, length)),
        b'[' if level(rest).is_some() => long(rest, level(rest)?).map(|length| (Kind::String, length)),
        _ => {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol))?;
            Some((Kind::Symbol, symbol.len()))
        }
    }
}

/// As Lua reads one: letters too, and a sign behind an exponent.
fn number(rest: &str) -> usize {
    let is_hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
    let mut last = b' ';
    let goes_on = |byte: u8, last: u8| {
        let is_exponent = matches!(last, b'p' | b'P') || (!is_hexadecimal && matches!(last, b'e' | b'E'));
        byte.is_ascii_alphanumeric() || byte == b'.' || (matches!(byte, b'+' | b'-') && is_exponent)
    };
    for (place, byte) in rest.bytes().enumerate() {
        // `1..2` is a number that Lua does not read; `1 ..2` and `a..1` are two.
        if !goes_on(byte, last) {
            return place;
        }
        last = byte;
    }
    rest.len()
}

fn short(rest: &str, quote: u8) -> Option<usize> {
    let mut is_escaped = false;
    for (place, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'\n' => return None,
            _ if byte == quote => return Some(place + 1),
            _ => {}
        }
    }
    None
}

/// The number of `=` of `[==[`.
fn level(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('[')?;
    let level = inner.bytes().take_while(|byte| *byte == b'=').count();
    inner[level..].starts_with('[').then_some(level)
}

fn long(rest: &str, level: usize) -> Option<usize> {
    let close = format!("]{}]", "=".repeat(level));
    let opening = level + 2;
    rest[opening..].find(&close).map(|place| opening + place + close.len())
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}
