//! A parsed JSON text: its text once, and one small node for each value, in the order of the text.
//!
//! A tree of boxes would cost an allocation for each container and each string; the tape costs three for the whole
//! text, so that most of a reply is read, filtered at the top and written again without ever being taken apart.

use std::sync::Arc;

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Null,
    True,
    False,
    Number,
    /// A string (or key) whose text stands as it is in the source.
    Plain,
    /// A string (or key) that had escapes; its text is in [`Document::unescaped`].
    Escaped,
    /// A key that comes again later in its object: the later one counts.
    Shadowed,
    Array,
    Object,
}

/// A value or a key. Children follow their container; the value of a field follows its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub tag: Tag,
    /// Of a text: where it begins, in bytes. Of a container: the number of its children or fields.
    pub start: u32,
    /// Of a text: where it ends. Of a container: the index one past its last descendant.
    pub end: u32,
}

/// The whole text with its nodes; shared by every part that is still as it was parsed.
#[derive(Debug)]
pub(super) struct Document {
    pub source: String,
    pub unescaped: String,
    pub nodes: Vec<Node>,
}

impl Document {
    /// What it takes of the memory.
    pub fn bytes(&self) -> usize {
        self.source.len() + self.unescaped.len() + self.nodes.len() * size_of::<Node>()
    }

    pub fn node(&self, index: u32) -> Node {
        self.nodes[index as usize]
    }

    /// The text of a number, a string or a key; empty for everything else.
    pub fn text(&self, index: u32) -> &str {
        let node = self.node(index);
        let range = node.start as usize..node.end as usize;
        match node.tag {
            Tag::Number | Tag::Plain => &self.source[range],
            Tag::Escaped => &self.unescaped[range],
            _ => "",
        }
    }

    /// The index of what follows the value at `index`.
    pub fn after(&self, index: u32) -> u32 {
        match self.node(index) {
            Node { tag: Tag::Array | Tag::Object, end, .. } => end,
            _ => index + 1,
        }
    }
}

/// The children of an array of the tape.
#[derive(Debug, Clone)]
pub(super) struct TapeItems<'a> {
    pub document: &'a Arc<Document>,
    pub next: u32,
    pub end: u32,
}

impl<'a> TapeItems<'a> {
    pub fn of(document: &'a Arc<Document>, container: u32) -> Self {
        Self { document, next: container + 1, end: document.node(container).end }
    }
}

impl Iterator for TapeItems<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let index = (self.next < self.end).then_some(self.next)?;
        self.next = self.document.after(index);
        Some(index)
    }
}

/// The fields of an object of the tape: the index of each key; the value is the next node.
#[derive(Debug, Clone)]
pub(super) struct TapeFields<'a>(pub TapeItems<'a>);

impl Iterator for TapeFields<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            let key = self.0.next()?;
            self.0.next();
            if self.0.document.node(key).tag != Tag::Shadowed {
                return Some(key);
            }
        }
    }
}
