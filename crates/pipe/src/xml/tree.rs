//! An XML text as a tree of elements.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, Event};

use crate::place::Place;

/// Elements inside each other, as deep as JSON may be: what walks the data recurses.
const DEPTH_LIMIT: usize = 512;

/// Elements of one text. One takes up to 600 bytes of memory, however short it is written: without a bound a reply of a
/// few megabytes would fill it.
const ELEMENT_LIMIT: usize = 250_000;

/// An element; names are as written, with their prefix.
#[derive(Debug)]
pub(crate) struct Element<'t> {
    pub name: &'t str,
    pub attributes: Vec<(&'t str, Cow<'t, str>)>,
    pub content: Vec<Content<'t>>,
    /// What stands between its tags, as it was written.
    pub inner: &'t str,
}

/// A comment or a CDATA section ends a text, so that two may follow each other.
#[derive(Debug)]
pub(crate) enum Content<'t> {
    Element(Element<'t>),
    Text(Cow<'t, str>),
}

/// What happens to `&nbsp;`, `a & b` and other entities that XML does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// An error.
    Strict,
    /// They stay as they are written: feeds are full of them.
    Forgiving,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("EOF at {place}")]
    NoElement { place: Place },
    #[error("XML syntax error on line {}: {what} at {place}", .place.line)]
    Syntax { what: String, place: Place },
}

/// Reads the first element of a text; what stands before it and behind it is not looked at.
///
/// # Errors
///
/// No element, or none that is well-formed.
pub(crate) fn read(text: &str, reading: Reading) -> Result<Element<'_>, XmlError> {
    // The reader passes over one by itself, and then its places are not those of the text.
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = reading == Reading::Forgiving;
    Tree { text, reading, reader, open: Vec::new(), elements: 0, chunk: None }.read()
}

/// A name without its prefix.
pub(crate) fn local_name(name: &str) -> &str {
    match name.split_once(':') {
        Some((prefix, local)) if !prefix.is_empty() && !local.is_empty() => local,
        _ => name,
    }
}

struct Tree<'t> {
    text: &'t str,
    reading: Reading,
    reader: Reader<&'t [u8]>,
    /// Elements whose end has not come, with the place where their inside begins.
    open: Vec<(Element<'t>, usize)>,
    elements: usize,
    /// The text that is being collected.
    chunk: Option<Cow<'t, str>>,
}

/// Where, in bytes, and what.
type Failure = (usize, String);

impl<'t> Tree<'t> {
    fn read(mut self) -> Result<Element<'t>, XmlError> {
        let root = self.root();
        root.and_then(|root| root.ok_or((self.text.len(), String::new()))).map_err(|(offset, what)| {
            let place = Place::of(self.text.as_bytes(), offset);
            if what.is_empty() { XmlError::NoElement { place } } else { XmlError::Syntax { what, place } }
        })
    }

    /// `None`: the text has no element.
    fn root(&mut self) -> Result<Option<Element<'t>>, Failure> {
        loop {
            let from = self.offset();
            let event = self.reader.read_event().map_err(|error| self.explained(&error))?;
            let to = self.offset();
            if let Some(root) = match event {
                Event::Start(start) => self.begin(from, to - 1, start.name().as_ref().len()).map(|()| None)?,
                Event::Empty(start) => {
                    self.begin(from, to - 2, start.name().as_ref().len())?;
                    self.end(to)
                }
                Event::End(_) => self.end(from),
                Event::Text(_) => self.characters(from, to).map(|()| None)?,
                Event::GeneralRef(reference) => self.reference(&reference, from, to).map(|()| None)?,
                Event::CData(_) => self.section(from, to).map(|()| None)?,
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {
                    self.flush();
                    None
                }
                Event::Eof if self.open.is_empty() => return Ok(None),
                Event::Eof => return Err((to, "unexpected EOF".into())),
            } {
                return Ok(Some(root));
            }
        }
    }

    fn offset(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX).min(self.text.len())
    }

    /// A start tag: `<` stands at `from`, its end at `to`.
    fn begin(&mut self, from: usize, to: usize, name_length: usize) -> Result<(), Failure> {
        self.flush();
        if self.open.len() == DEPTH_LIMIT {
            return Err((from, "exceeded max depth".into()));
        }
        self.elements += 1;
        if self.elements > ELEMENT_LIMIT {
            return Err((from, format!("more than {ELEMENT_LIMIT} elements")));
        }
        let tag = &self.text[from + 1..to];
        let name = &tag[..name_length];
        if !is_name(name) {
            return Err((from + 1, "expected element name after <".into()));
        }
        let mut attributes = Vec::new();
        let mut given = Attributes::new(tag, name_length);
        // The later of two counts, as for the reference.
        for attribute in given.with_checks(false) {
            let attribute = attribute.map_err(|error| (from, format!("attributes of <{name}>: {error}")))?;
            let key = attribute.key.into_inner();
            if !is_name(key) {
                return Err((from, format!("expected attribute name in element <{name}>")));
            }
            attributes.push((key, self.attribute(attribute.value, from)?));
        }
        // The inside of an empty element is empty, wherever it is looked for.
        let inside = (to + 1).min(self.text.len());
        self.open.push((Element { name, attributes, content: Vec::new(), inner: "" }, inside));
        Ok(())
    }

    /// A value; what is wrong with it is wrong at `at`, where its element begins.
    fn attribute(&self, value: Cow<'t, str>, at: usize) -> Result<Cow<'t, str>, Failure> {
        if value.contains('<') {
            return Err((at, "unescaped < inside quoted string".into()));
        }
        let unescaped = match unescape(&value) {
            Ok(Cow::Borrowed(_)) => None,
            Ok(Cow::Owned(text)) => Some(text),
            Err(_) if self.reading == Reading::Forgiving => None,
            Err(error) => return Err((at, format!("invalid character entity: {error}"))),
        };
        let text = unescaped.map_or(value, Cow::Owned);
        allowed(&text, at).map_err(|(_, what)| (at, what))?;
        Ok(with_plain_newlines(text))
    }

    /// The end of the innermost element, whose inside ends at `to`; the root when it was that.
    fn end(&mut self, to: usize) -> Option<Element<'t>> {
        self.flush();
        let (mut element, from) = self.open.pop()?;
        element.inner = self.text.get(from..to).unwrap_or_default();
        match self.open.last_mut() {
            Some((parent, _)) => parent.content.push(Content::Element(element)),
            None => return Some(element),
        }
        None
    }

    fn characters(&mut self, from: usize, to: usize) -> Result<(), Failure> {
        if self.open.is_empty() {
            return Ok(());
        }
        let text = &self.text[from..to];
        if let Some(end) = text.find("]]>") {
            return Err((from + end, "unescaped ]]> not in CDATA section".into()));
        }
        allowed(text, from)?;
        self.add(with_plain_newlines(text.into()));
        Ok(())
    }

    /// `<![CDATA[…]]>`.
    fn section(&mut self, from: usize, to: usize) -> Result<(), Failure> {
        self.flush();
        if self.open.is_empty() {
            return Ok(());
        }
        let (from, to) = (from + "<![CDATA[".len(), to - "]]>".len());
        let text = &self.text[from..to];
        allowed(text, from)?;
        self.add(with_plain_newlines(text.into()));
        self.flush();
        Ok(())
    }

    /// `&amp;`, `&#233;`.
    fn reference(&mut self, reference: &BytesRef<'_>, from: usize, to: usize) -> Result<(), Failure> {
        if self.open.is_empty() {
            return Ok(());
        }
        let written = &self.text[from..to];
        let text = match unescape(written) {
            Ok(text) => text,
            Err(_) if self.reading == Reading::Forgiving && !reference.is_char_ref() => written.into(),
            Err(_) => return Err((from, format!("invalid character entity {}", shortened(written)))),
        };
        allowed(&text, from)?;
        self.add(text);
        Ok(())
    }

    fn add(&mut self, text: Cow<'t, str>) {
        match &mut self.chunk {
            Some(chunk) => chunk.to_mut().push_str(&text),
            None => self.chunk = Some(text),
        }
    }

    fn flush(&mut self) {
        if let (Some(text), Some((element, _))) = (self.chunk.take(), self.open.last_mut()) {
            element.content.push(Content::Text(text));
        }
    }

    fn explained(&self, error: &Error) -> Failure {
        let offset = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
        let what = match error {
            Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                format!("element <{}> closed by </{}>", shortened(expected), shortened(found))
            }
            Error::IllFormed(IllFormedError::UnmatchedEndTag(found)) => {
                format!("unexpected end element </{}>", shortened(found))
            }
            Error::IllFormed(IllFormedError::UnclosedReference) => "invalid character entity & (no semicolon)".into(),
            Error::Syntax(_) => format!("unexpected EOF, {error}"),
            other => other.to_string(),
        };
        (offset, what)
    }
}

/// Letters, `_` and `:`, then digits, `-` and `.` too; what is not ASCII is taken for a letter. At most one colon.
fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':') || !c.is_ascii();
    let is_part = |c: char| is_letter(c) || c.is_ascii_digit() || matches!(c, '-' | '.');
    name.starts_with(is_letter) && name.chars().all(is_part) && name.matches(':').count() < 2
}

/// XML has no control characters but tab and line ends.
fn allowed(text: &str, at: usize) -> Result<(), Failure> {
    let is_illegal =
        |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}'..='\u{ffff}');
    let Some((index, character)) = text.char_indices().find(|(_, c)| is_illegal(*c)) else { return Ok(()) };
    Err((at + index, format!("illegal character code U+{:04X}", u32::from(character))))
}

/// Every line ends with `\n` alone.
fn with_plain_newlines(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains('\r') {
        return text;
    }
    text.replace("\r\n", "\n").replace('\r', "\n").into()
}

/// Errors show no more of a reply than a name has.
fn shortened(text: &str) -> String {
    const LIMIT: usize = 60;
    if text.chars().count() <= LIMIT { text.to_owned() } else { text.chars().take(LIMIT).chain(['…']).collect() }
}
