//! JSON text to a tape, in one pass and without recursion, so that no reply can exhaust the stack.
//!
//! The verdicts and their words are those of the reference's decoder (pipeline.md §7.4): only the first value of the
//! text is read, a byte order mark is an error, invalid UTF-8 and lone surrogates become U+FFFD.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::JsonError;
use super::tape::{Document, Node, Tag};

/// Containers inside each other. The reference stops at 10,000; whatever walks a value here recurses (filters,
/// scripts, the writer), and 512 levels fit any thread's stack.
const DEPTH_LIMIT: usize = 512;

/// Offsets are 32 bits wide.
const TEXT_LIMIT: usize = u32::MAX as usize;

/// Objects with more fields than this look for duplicate keys with a table instead of by comparing all pairs.
const PAIRWISE_LIMIT: u32 = 16;

/// A guess for the first allocation of the tape: most replies have a node for every 8 bytes or fewer.
const BYTES_PER_NODE: usize = 6;

/// Reads the first value of `text`.
///
/// # Errors
///
/// [`JsonError`] with the reference's words and the place: `EOF` for a text without a value, `unexpected EOF` for one
/// that is cut, `invalid character '<' looking for beginning of value` and its siblings, `exceeded max depth`.
///
/// With `is_alone`, `invalid character 'x' after top-level value` too.
pub(super) fn parse(text: &[u8], is_alone: bool) -> Result<Document, JsonError> {
    if text.len() > TEXT_LIMIT {
        return Err(JsonError::whole_text("a text of 4 GiB or more cannot be read"));
    }
    // Checked first for speed: the lossy conversion takes three times as long over a valid text.
    let source = std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed);
    let mut parser = Parser::new(source.as_bytes());
    let end = if is_alone { Parser::end } else { |_: &mut Parser<'_>| Ok(()) };
    if let Err((offset, message)) = parser.run().and_then(|()| end(&mut parser)) {
        return Err(JsonError::at(source.as_bytes(), offset, message));
    }
    let Parser { unescaped, nodes, .. } = parser;
    Ok(Document { source: source.into_owned(), unescaped, nodes })
}

/// Where it went wrong, in bytes, and why.
pub(super) type Failure = (usize, Cow<'static, str>);

pub(super) struct Parser<'t> {
    pub(super) bytes: &'t [u8],
    pub(super) at: usize,
    pub(super) unescaped: String,
    nodes: Vec<Node>,
    open: Vec<Open>,
}

/// A container whose end has not come yet.
struct Open {
    node: usize,
    is_object: bool,
    children: u32,
    /// One bit for each kind of key seen, so that objects without equal keys need no comparison.
    seen: u64,
    may_repeat: bool,
}

impl<'t> Parser<'t> {
    fn new(bytes: &'t [u8]) -> Self {
        let nodes = Vec::with_capacity(bytes.len() / BYTES_PER_NODE + 1);
        Self { bytes, at: 0, unescaped: String::new(), nodes, open: Vec::new() }
    }

    fn run(&mut self) -> Result<(), Failure> {
        if self.skip_space().is_none() {
            return Err((self.at, "EOF".into()));
        }
        loop {
            let opened = self.value()?;
            if opened && !self.first_child()? {
                continue;
            }
            if !self.next_child()? {
                return Ok(());
            }
        }
    }

    /// Nothing but white space is left.
    fn end(&mut self) -> Result<(), Failure> {
        if self.skip_space().is_some() { Err(self.unexpected("after top-level value")) } else { Ok(()) }
    }

    /// The next byte that is no white space, without taking it.
    fn skip_space(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes a scalar, or the beginning of a container (`true`).
    fn value(&mut self) -> Result<bool, Failure> {
        match self.skip_space() {
            Some(b'"') => self.string(),
            Some(b'{') => return self.begin(Tag::Object),
            Some(b'[') => return self.begin(Tag::Array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Tag::True),
            Some(b'f') => self.literal("false", Tag::False),
            Some(b'n') => self.literal("null", Tag::Null),
            _ => Err(self.unexpected("looking for beginning of value")),
        }?;
        Ok(false)
    }

    fn begin(&mut self, tag: Tag) -> Result<bool, Failure> {
        if self.open.len() == DEPTH_LIMIT {
            return Err((self.at, "exceeded max depth".into()));
        }
        self.at += 1;
        let is_object = tag == Tag::Object;
        self.open.push(Open { node: self.nodes.len(), is_object, children: 0, seen: 0, may_repeat: false });
        self.nodes.push(Node { tag, start: 0, end: 0 });
        Ok(true)
    }

    /// After `{` or `[`: an end (`true`), or all that comes before the first value.
    fn first_child(&mut self) -> Result<bool, Failure> {
        let is_object = self.open.last().is_some_and(|open| open.is_object);
        match (self.skip_space(), is_object) {
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.close();
                Ok(true)
            }
            (_, true) => self.key().map(|()| false),
            (_, false) => {
                self.count_child();
                Ok(false)
            }
        }
    }

    /// After a value: closes what ends here. `false`: the whole text is read.
    fn next_child(&mut self) -> Result<bool, Failure> {
        loop {
            let Some(open) = self.open.last() else { return Ok(false) };
            let is_object = open.is_object;
            match (self.skip_space(), is_object) {
                (Some(b','), false) => {
                    self.at += 1;
                    self.count_child();
                    return Ok(true);
                }
                (Some(b','), true) => {
                    self.at += 1;
                    return self.key().map(|()| true);
                }
                (Some(b']'), false) | (Some(b'}'), true) => self.close(),
                (_, false) => return Err(self.unexpected("after array element")),
                (_, true) => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }

    fn count_child(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.children += 1;
        }
    }

    /// Takes `"key" :`.
    fn key(&mut self) -> Result<(), Failure> {
        if self.skip_space() != Some(b'"') {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let key = self.nodes.len();
        self.string()?;
        let bit = self.fingerprint(key);
        if let Some(open) = self.open.last_mut() {
            open.children += 1;
            open.may_repeat |= open.seen & bit != 0;
            open.seen |= bit;
        }
        if self.skip_space() != Some(b':') {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    /// One of 64 bits, the same for equal keys.
    fn fingerprint(&self, key: usize) -> u64 {
        let text = self.text(self.nodes[key]);
        let ends = text.first().zip(text.last()).map_or(0, |(first, last)| *first as usize * 5 + *last as usize * 11);
        1 << ((text.len() * 7 + ends) & 63)
    }

    fn text(&self, node: Node) -> &[u8] {
        let range = node.start as usize..node.end as usize;
        match node.tag {
            Tag::Escaped => &self.unescaped.as_bytes()[range],
            _ => &self.bytes[range],
        }
    }

    fn close(&mut self) {
        self.at += 1;
        let Some(mut open) = self.open.pop() else { return };
        let end = self.nodes.len() as u32;
        if open.may_repeat {
            open.children -= self.shadow_repeated_keys(&open);
        }
        let node = &mut self.nodes[open.node];
        (node.start, node.end) = (open.children, end);
    }

    /// Marks every key of the object that comes again; returns how many.
    fn shadow_repeated_keys(&mut self, open: &Open) -> u32 {
        let keys = self.keys_of(open);
        let repeated = if open.children <= PAIRWISE_LIMIT {
            let later = |i: usize| keys[i + 1..].iter().any(|&other| self.same_key(keys[i], other));
            (0..keys.len()).filter(|&i| later(i)).map(|i| keys[i]).collect::<Vec<_>>()
        } else {
            let mut last = HashMap::with_capacity(keys.len());
            keys.iter().filter_map(|&key| last.insert(self.text(self.nodes[key]), key)).collect()
        };
        for &key in &repeated {
            self.nodes[key].tag = Tag::Shadowed;
        }
        repeated.len() as u32
    }

    fn same_key(&self, one: usize, other: usize) -> bool {
        self.text(self.nodes[one]) == self.text(self.nodes[other])
    }

    fn keys_of(&self, open: &Open) -> Vec<usize> {
        let mut keys = Vec::with_capacity(open.children as usize);
        let mut index = open.node + 1;
        while index < self.nodes.len() {
            keys.push(index);
            index = match self.nodes[index + 1] {
                Node { tag: Tag::Array | Tag::Object, end, .. } => end as usize,
                _ => index + 2,
            };
        }
        keys
    }

    fn literal(&mut self, word: &'static str, tag: Tag) -> Result<(), Failure> {
        for expected in word.bytes() {
            if self.bytes.get(self.at) != Some(&expected) {
                let context = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(self.unexpected(&context));
            }
            self.at += 1;
        }
        self.nodes.push(Node { tag, start: 0, end: 0 });
        Ok(())
    }

    fn number(&mut self) -> Result<(), Failure> {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        self.push_text(Tag::Number, start, self.at);
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self, context: &'static str) -> Result<(), Failure> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected(context)) } else { Ok(()) }
    }

    pub(super) fn push_text(&mut self, tag: Tag, start: usize, end: usize) {
        self.nodes.push(Node { tag, start: start as u32, end: end as u32 });
    }

    /// The failure for the byte that stands here.
    pub(super) fn unexpected(&self, context: &str) -> Failure {
        let message = match self.bytes.get(self.at) {
            None => "unexpected EOF".into(),
            Some(&byte) => format!("invalid character {} {context}", quoted(byte)).into(),
        };
        (self.at, message)
    }
}

/// A byte as the reference shows it: quoted, the bytes of a longer character one by one.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        byte if byte.is_ascii_control() => format!("'\\x{byte:02x}'"),
        byte => format!("'{}'", char::from(byte)),
    }
}
