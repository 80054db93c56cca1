//! A template's text, cut into texts and the words of its actions.

use super::Fault;

/// What Go takes for white space in a template.
const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'s> {
    Text(&'s str),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// A keyword or the name of a function.
    Word(&'s str),
    /// `.name`
    Field(&'s str),
    Dot,
    /// `$` (empty) or `$name`.
    Variable(&'s str),
    String(String),
    /// As JSON has it.
    Number(String),
    Declare,
    Assign,
    Pipe,
    Comma,
    LeftParenthesis,
    RightParenthesis,
}

/// A token and the byte at which it begins.
#[derive(Debug)]
pub(super) struct Lexeme<'s> {
    pub token: Token<'s>,
    pub at: usize,
    /// Whether white space stands before it.
    pub is_apart: bool,
}

pub(super) fn lex(source: &str) -> Result<Vec<Lexeme<'_>>, Fault> {
    let mut lexer = Lexer { source, at: 0, found: Vec::new(), trims: false };
    while let Some(offset) = source[lexer.at..].find("{{") {
        lexer.opened(lexer.at + offset)?;
    }
    lexer.text(source.len(), false);
    Ok(lexer.found)
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    found: Vec<Lexeme<'s>>,
    /// Whether the text to come loses the white space at its beginning.
    trims: bool,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn push(&mut self, token: Token<'s>, at: usize, is_apart: bool) {
        self.found.push(Lexeme { token, at, is_apart });
    }

    fn text(&mut self, end: usize, trims_end: bool) {
        let (at, mut text) = (self.at, &self.source[self.at..end]);
        if self.trims {
            text = text.trim_start_matches(WHITE);
        }
        if trims_end {
            text = text.trim_end_matches(WHITE);
        }
        if !text.is_empty() {
            self.push(Token::Text(text), at, false);
        }
        self.at = end;
    }

    /// The text before `{{` at `start`, and the action or comment in it.
    fn opened(&mut self, start: usize) -> Result<(), Fault> {
        let inside = &self.source[start + 2..];
        let trims_before = inside.starts_with('-') && inside[1..].starts_with(WHITE);
        self.text(start, trims_before);
        self.at = start + 2 + usize::from(trims_before);
        let content = self.rest().trim_start_matches(WHITE);
        if content.starts_with("/*") {
            return self.comment(start);
        }
        self.push(Token::Open, start, false);
        while !self.word(start)? {}
        Ok(())
    }

    fn comment(&mut self, start: usize) -> Result<(), Fault> {
        let end = self.rest().find("*/").ok_or_else(|| Fault::new(start, "the comment is not closed; write */}}"))?;
        self.at += end + 2;
        let after = self.rest().trim_start_matches(WHITE);
        let is_apart = after.len() < self.rest().len();
        self.at = self.source.len() - after.len();
        if !self.is_closed(is_apart) {
            return Err(Fault::new(self.at, "a comment stands alone in its action; write }} behind */"));
        }
        Ok(())
    }

    /// Steps over `}}` or `-}}`, if that is next.
    fn is_closed(&mut self, is_apart: bool) -> bool {
        let trims = is_apart && self.rest().starts_with("-}}");
        if !trims && !self.rest().starts_with("}}") {
            return false;
        }
        self.trims = trims;
        self.at += if trims { 3 } else { 2 };
        true
    }

    /// One token of an action; whether it was the last.
    fn word(&mut self, start: usize) -> Result<bool, Fault> {
        let content = self.rest().trim_start_matches(WHITE);
        let is_apart = content.len() < self.rest().len();
        self.at = self.source.len() - content.len();
        let at = self.at;
        if self.is_closed(is_apart) {
            self.push(Token::Close, at, is_apart);
            return Ok(true);
        }
        let Some(first) = content.chars().next() else {
            return Err(Fault::new(start, "the action is not closed; write }}"));
        };
        let (token, length) = token(content, first).map_err(|message| Fault::new(at, message))?;
        self.at += length;
        self.push(token, at, is_apart);
        Ok(false)
    }
}

/// The token at the beginning of `text`, and its length in bytes.
fn token(text: &str, first: char) -> Result<(Token<'_>, usize), String> {
    let single = |token| Ok((token, 1));
    match first {
        '|' => single(Token::Pipe),
        ',' => single(Token::Comma),
        '(' => single(Token::LeftParenthesis),
        ')' => single(Token::RightParenthesis),
        '=' if text.starts_with("==") => Err("== is no word of a template; write eq A B".into()),
        '=' => single(Token::Assign),
        ':' if text.starts_with(":=") => Ok((Token::Declare, 2)),
        '$' => {
            let name = name(&text[1..]);
            Ok((Token::Variable(name), 1 + name.len()))
        }
        '.' if text[1..].starts_with(|next: char| next.is_ascii_digit()) => number(text),
        '.' => {
            let name = name(&text[1..]);
            Ok((if name.is_empty() { Token::Dot } else { Token::Field(name) }, 1 + name.len()))
        }
        '"' => quoted(text),
        '`' => {
            let end = text[1..].find('`').ok_or("the text is not closed; write `")?;
            Ok((Token::String(text[1..=end].to_owned()), end + 2))
        }
        '\'' => character(text),
        '0'..='9' | '+' | '-' => number(text),
        _ if is_name(first) => {
            let name = name(text);
            Ok((Token::Word(name), name.len()))
        }
        _ => Err(format!("unexpected {first:?} in an action{}", advice(first))),
    }
}

fn advice(character: char) -> &'static str {
    match character {
        '!' => "; write not A, or ne A B",
        '<' | '>' => "; write lt A B, le A B, gt A B or ge A B",
        '&' => "; write and A B",
        '[' => "; write index LIST NUMBER",
        '{' => "; braces are literal only outside of {{ and }}",
        _ => "",
    }
}

fn is_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn name(text: &str) -> &str {
    &text[..text.find(|character| !is_name(character)).unwrap_or(text.len())]
}

/// A number in Go's spelling: `12`, `1_000`, `0x1f`, `0b1`, `017`, `1.5e3`.
fn number(text: &str) -> Result<(Token<'_>, usize), String> {
    let is_hex = text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
    let mut before = '+';
    let end = text.find(|next: char| {
        let is_sign = matches!(next, '+' | '-') && (before == '+' || (!is_hex && matches!(before, 'e' | 'E')));
        let is_part = is_name(next) || next == '.' || is_sign;
        before = if is_sign { ' ' } else { next };
        !is_part
    });
    let spelt = &text[..end.unwrap_or(text.len())];
    let read = integer(&spelt.replace('_', "")).map(|number| number.to_string()).or_else(|| decimal(spelt));
    read.map(|number| (Token::Number(number), spelt.len())).ok_or_else(|| match text.chars().next() {
        Some('-') => format!(
            "{spelt:?} is no number; to subtract, write sub A B; a name with - needs index, as in index .data \"a-b\""
        ),
        _ => format!("{spelt:?} is no number"),
    })
}

fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = [("0x", 16), ("0b", 2), ("0o", 8)]
        .iter()
        .find_map(|(prefix, radix)| Some((lower.strip_prefix(prefix)?, *radix)))
        .unwrap_or(if lower.len() > 1 && lower.starts_with('0') { (&lower[1..], 8) } else { (&lower, 10) });
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    i128::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

fn decimal(text: &str) -> Option<String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-._eE".contains(&byte));
    let value: f64 = text.replace('_', "").parse().ok().filter(|_| is_plain)?;
    let is_whole = value.fract() == 0.0 && text.contains('.');
    value.is_finite().then(|| if is_whole { format!("{value:.1}") } else { value.to_string() })
}

/// `'x'` is the number of a character.
fn character(text: &str) -> Result<(Token<'_>, usize), String> {
    let (content, length) = unquoted(text, '\'')?;
    let mut characters = content.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => Ok((Token::Number(u32::from(one).to_string()), length)),
        _ => Err("one character stands between ' and '; write \" around a text".into()),
    }
}

fn quoted(text: &str) -> Result<(Token<'_>, usize), String> {
    unquoted(text, '"').map(|(content, length)| (Token::String(content), length))
}

/// The content between two `quote`s with its escapes resolved, and the length of the whole in bytes.
fn unquoted(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                let (_, letter) = characters.next().ok_or("the text ends inside an escape")?;
                content.push(escaped(letter, &mut characters)?);
            }
            '\n' => break,
            _ if character == quote => return Ok((content, at + 1)),
            _ => content.push(character),
        }
    }
    Err(format!("the text is not closed; write {quote}"))
}

fn escaped(letter: char, rest: &mut impl Iterator<Item = (usize, char)>) -> Result<char, String> {
    let mut coded = |length: usize, radix: u32, begun: String| {
        let digits: String = begun.chars().chain(rest.take(length).map(|(_, digit)| digit)).collect();
        let code = u32::from_str_radix(&digits, radix).ok();
        code.and_then(char::from_u32).ok_or_else(|| format!("\\{letter}… is no character"))
    };
    Ok(match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'v' => '\x0b',
        '\\' | '"' | '\'' => letter,
        'x' => coded(2, 16, String::new())?,
        'u' => coded(4, 16, String::new())?,
        'U' => coded(8, 16, String::new())?,
        '0'..='7' => coded(2, 8, letter.to_string())?,
        _ => return Err(format!("\\{letter} is no escape of a text; a backslash is \\\\, and `…` has no escapes")),
    })
}
