//! What a schema says and means differently: `$ref`s that lead nowhere or in a circle, and misspelt keywords. Each with
//! its place: the validator's own errors do not say in which file they are.
//!
//! Documents with an `$id` of their own, and anchors, are left to the validator.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{files, keywords};

/// What is wrong, and where in the configured schema the way to it begins (a JSON pointer).
#[derive(Debug)]
pub(super) struct Finding {
    pub pointer: String,
    pub message: String,
}

/// A schema of the configuration, or a file that it leads to.
pub(super) struct Document {
    pub uri: String,
    pub value: Value,
    /// The `$ref` in the configuration that led here; empty for the configured schema itself.
    pub from: String,
    has_embedded_id: bool,
}

impl Document {
    fn new(uri: &str, value: Value, from: String) -> Self {
        Self { uri: uri.to_owned(), has_embedded_id: has_embedded_id(&value), value, from }
    }
}

/// A schema: which document, and a JSON pointer into it.
type Position = (usize, String);

/// The documents that `schema` consists of, itself first, and what is wrong with them.
pub(super) fn follow(schema: &Value, base: &str) -> (Vec<Document>, Vec<Finding>) {
    let root = Document::new(base, schema.clone(), String::new());
    let mut walk = Walk { documents: vec![root], findings: Vec::new(), seen: BTreeSet::new() };
    let mut open = vec![(0, String::new())];
    while let Some(position) = open.pop() {
        if walk.seen.insert(position.clone()) {
            open.extend(walk.visit(&position));
        }
    }
    walk.refuse_circles();
    (walk.documents, walk.findings)
}

struct Walk {
    documents: Vec<Document>,
    findings: Vec<Finding>,
    seen: BTreeSet<Position>,
}

impl Walk {
    /// Says what is wrong at a schema; returns those that it leads to.
    fn visit(&mut self, position: &Position) -> Vec<Position> {
        let (document, pointer) = position;
        let Some(Value::Object(schema)) = self.documents[*document].value.pointer(pointer) else { return Vec::new() };
        let below = |inner: keywords::Inner| (*document, format!("{pointer}{}", inner.pointer));
        let mut next: Vec<_> = keywords::inner(schema).into_iter().map(below).collect();
        let wrongs = schema.keys().filter_map(|key| Some((key.clone(), keywords::misspelt(key)?)));
        let wrongs: Vec<_> = wrongs.collect();
        let reference = schema.get("$ref").and_then(Value::as_str).map(str::to_owned);
        for (key, hint) in wrongs {
            let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            self.find(*document, &pointer, &format!("is no keyword of JSON Schema{hint}"));
        }
        if let Some(reference) = reference {
            match self.target(*document, &reference, &format!("{pointer}/$ref")) {
                Ok(target) => next.extend(target),
                Err(message) => self.find(*document, &format!("{pointer}/$ref"), &message),
            }
        }
        next
    }

    fn find(&mut self, document: usize, pointer: &str, message: &str) {
        let finding = match document {
            0 => Finding { pointer: pointer.to_owned(), message: message.to_owned() },
            file => in_file(&self.documents[file], pointer, message),
        };
        self.findings.push(finding);
    }

    /// Where a `$ref` leads; `None` where the validator alone knows. Reads the file, if it is a new one.
    fn target(&mut self, document: usize, reference: &str, place: &str) -> Result<Option<Position>, String> {
        let from = &self.documents[document];
        let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let target = match file {
            "" if from.has_embedded_id => return Ok(None),
            "" => document,
            _ if own_id(&from.value).is_some() => return Ok(None),
            _ => match self.document(document, &resolved(&from.uri, file), place)? {
                Some(target) => target,
                None => return Ok(None),
            },
        };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return Ok(None);
        }
        let pointer = percent_decode_str(fragment).decode_utf8_lossy().into_owned();
        match self.documents[target].value.pointer(&pointer) {
            Some(_) => Ok(Some((target, pointer))),
            None => Err(format!("leads nowhere: there is no {reference}")),
        }
    }

    fn document(&mut self, from: usize, uri: &str, place: &str) -> Result<Option<usize>, String> {
        let is_built_in =
            ["http://json-schema.org/", "https://json-schema.org/"].iter().any(|own| uri.starts_with(own));
        if is_built_in {
            return Ok(None);
        }
        if let Some(known) = self.documents.iter().position(|document| document.uri == uri) {
            return Ok(Some(known));
        }
        let value = files::read(uri).map_err(|error| error.to_string())?;
        let from = if from == 0 { place.to_owned() } else { self.documents[from].from.clone() };
        self.documents.push(Document::new(uri, value, from));
        Ok(Some(self.documents.len() - 1))
    }

    /// A schema that asks for itself about the same value asks for nothing: the validator would take everything.
    fn refuse_circles(&mut self) {
        let with_reference: Vec<_> =
            self.seen.iter().filter(|position| self.reference(position).is_some()).cloned().collect();
        for start in with_reference {
            if self.comes_back(&start) {
                let place = format!("{}/$ref", start.1);
                self.find(start.0, &place, "leads back to itself: such a schema asks for nothing");
            }
        }
    }

    fn reference(&self, (document, pointer): &Position) -> Option<&str> {
        self.documents[*document].value.pointer(pointer)?.get("$ref")?.as_str()
    }

    fn comes_back(&mut self, start: &Position) -> bool {
        let (mut open, mut seen) = (self.in_place(start), BTreeSet::new());
        while let Some(position) = open.pop() {
            if position == *start {
                return true;
            }
            if seen.insert(position.clone()) {
                open.extend(self.in_place(&position));
            }
        }
        false
    }

    /// The schemas that are asked about the same value.
    fn in_place(&mut self, position: &Position) -> Vec<Position> {
        let (document, pointer) = position;
        let Some(Value::Object(schema)) = self.documents[*document].value.pointer(pointer) else { return Vec::new() };
        let inner = keywords::inner(schema).into_iter().filter(|inner| inner.is_in_place);
        let mut next: Vec<_> = inner.map(|inner| (*document, format!("{pointer}{}", inner.pointer))).collect();
        if let Some(reference) = self.reference(position).map(str::to_owned) {
            next.extend(self.target(*document, &reference, "").ok().flatten());
        }
        next
    }
}

/// Something in a file that the configuration leads to.
pub(super) fn in_file(file: &Document, pointer: &str, message: &str) -> Finding {
    let name = files::path_of(&file.uri).map_or_else(|| file.uri.clone(), |path| path.display().to_string());
    Finding { pointer: file.from.clone(), message: format!("{name}#{pointer}: {message}") }
}

fn own_id(document: &Value) -> Option<&str> {
    document.get("$id").or_else(|| document.get("id"))?.as_str()
}

/// Below its root.
fn has_embedded_id(document: &Value) -> bool {
    let mut open: Vec<&Value> = inside(document);
    while let Some(value) = open.pop() {
        if own_id(value).is_some() {
            return true;
        }
        open.extend(inside(value));
    }
    false
}

fn inside(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// `reference`, without fragment, as seen from the document at `base`.
fn resolved(base: &str, reference: &str) -> String {
    if reference.contains("://") || reference.starts_with("urn:") {
        return reference.to_owned();
    }
    let path = match reference.starts_with('/') {
        true => reference.to_owned(),
        false => {
            let folder = base.strip_prefix("file://").unwrap_or(base);
            format!("{}/{reference}", folder.rsplit_once('/').map_or("", |(folder, _)| folder))
        }
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    format!("file:///{}", segments.join("/"))
}
