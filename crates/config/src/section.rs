//! One object of the file, read field by field: keys in any letter case, weakly typed values, unknown keys named.

use std::cell::RefCell;

use crate::nearest;
use crate::problem::{Report, Severity};
use crate::redact::shown;
use crate::tree::{Entry, Node, Position, Value, join};
use crate::weak::{self, Note};

/// An object and where it stands. Remembers which keys were asked for; [`Section::finish`] names the others.
pub(crate) struct Section<'a> {
    pub path: String,
    pub at: Position,
    pub report: &'a Report<'a>,
    entries: Vec<&'a Entry>,
    known: RefCell<Vec<&'static str>>,
}

/// A value, where it stands, and where to report what is wrong with it.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    pub node: &'a Node,
    pub path: String,
    pub report: &'a Report<'a>,
}

impl<'a> Section<'a> {
    /// The object `node`. `None`, after an error, when it is something else; null counts as an empty object.
    pub fn open(node: &'a Node, path: &str, report: &'a Report<'a>) -> Option<Self> {
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                report.error(node.at, path, format!("expected an object, found {}", shown(path, node)));
                return None;
            }
        };
        let entries = entries.iter().filter(|entry| !entry.is_comment()).collect();
        let section = Self { path: path.to_owned(), at: node.at, report, entries, known: RefCell::default() };
        section.report_repeated();
        Some(section)
    }

    /// An object without keys, standing where its parent does.
    pub fn empty(at: Position, path: &str, report: &'a Report<'a>) -> Self {
        Self { path: path.to_owned(), at, report, entries: Vec::new(), known: RefCell::default() }
    }

    fn report_repeated(&self) {
        for (index, entry) in self.entries.iter().enumerate() {
            let same = |other: &&&Entry| other.key.eq_ignore_ascii_case(&entry.key);
            if let Some(earlier) = self.entries[..index].iter().find(same) {
                let message = format!(
                    "is the same key as {:?} in line {}, letter case does not count; keep one",
                    earlier.key, earlier.at.line
                );
                self.report.error(entry.at, &join(&self.path, &entry.key), message);
            }
        }
    }

    /// The value of `key`; null counts as absent.
    pub fn field(&self, key: &'static str) -> Option<Field<'a>> {
        self.known.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(key))?;
        let field = Field { node: &entry.value, path: join(&self.path, key), report: self.report };
        (entry.value.value != Value::Null).then_some(field)
    }

    /// The object under `key`; an empty one where it is missing or no object.
    pub fn section(&self, key: &'static str) -> Self {
        self.field(key)
            .and_then(|field| Section::open(field.node, &field.path, field.report))
            .unwrap_or_else(|| Section::empty(self.at, &join(&self.path, key), self.report))
    }

    pub fn text(&self, key: &'static str) -> Option<String> {
        self.field(key)?.read(weak::text)
    }

    pub fn boolean(&self, key: &'static str) -> bool {
        self.field(key).and_then(|field| field.read(weak::boolean)).unwrap_or(false)
    }

    pub fn texts(&self, key: &'static str) -> Vec<String> {
        let items = self.field(key).map(|field| field.items()).unwrap_or_default();
        items.iter().filter_map(|item| item.read(weak::text)).collect()
    }

    /// Those of `keys` that the object has, in the order of `keys`, without looking at their values.
    pub fn present(&self, keys: &[&'static str]) -> Vec<&'static str> {
        keys.iter().copied().filter(|key| self.field(key).is_some()).collect()
    }

    /// Names every key that nobody asked for.
    pub fn finish(self, severity: Severity) {
        let known = self.known.borrow();
        for entry in &self.entries {
            if known.iter().any(|key| key.eq_ignore_ascii_case(&entry.key)) {
                continue;
            }
            let effect = if severity == Severity::Error { "remove it" } else { "it has no effect" };
            let hint = nearest::hint(&entry.key, known.iter().copied());
            let message = format!("unknown key, {effect}{hint}");
            self.report.add(severity, entry.at, &join(&self.path, &entry.key), &message);
        }
    }
}

impl<'a> Field<'a> {
    /// The value as `convert` reads it; `None` after an error.
    pub fn read<T>(&self, convert: fn(&Node) -> weak::Read<T>) -> Option<T> {
        match convert(self.node) {
            Ok((value, None)) => Some(value),
            Ok((value, Some(Note(note)))) => {
                self.warning(format!("{} {note}", self.shown()));
                Some(value)
            }
            Err(why) => {
                self.error(format!("{} {why}", self.shown()));
                None
            }
        }
    }

    /// The elements of a list; anything else counts as a list of that one.
    pub fn items(&self) -> Vec<Field<'a>> {
        let Value::List(items) = &self.node.value else { return vec![self.clone()] };
        let path = |index: usize| format!("{}[{index}]", self.path);
        let item = |(index, node): (usize, &'a Node)| Field { node, path: path(index), report: self.report };
        items.iter().enumerate().map(item).collect()
    }

    /// The value for a message.
    pub fn shown(&self) -> String {
        shown(&self.path, self.node)
    }

    pub fn error(&self, message: impl AsRef<str>) {
        self.report.error(self.node.at, &self.path, message);
    }

    pub fn warning(&self, message: impl AsRef<str>) {
        self.report.warning(self.node.at, &self.path, message);
    }

    pub fn notice(&self, message: impl AsRef<str>) {
        self.report.notice(self.node.at, &self.path, message);
    }
}
