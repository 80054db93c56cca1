//! Keys that one object has twice: one of the two values would be lost without a word.

use super::SyntaxError;
use crate::tree::{Entry, Node, Value};
use std::collections::HashMap;

/// Every key that repeats an earlier one of the same object, spelt exactly alike.
pub(crate) fn of(node: &Node) -> Vec<SyntaxError> {
    let mut found = Vec::new();
    search(node, &mut found);
    found
}

/// The same for the keys of this map alone.
pub(crate) fn of_one(node: &Node) -> Vec<SyntaxError> {
    let mut found = Vec::new();
    repeated(node.entries(), &mut found);
    found
}

fn search(node: &Node, found: &mut Vec<SyntaxError>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| search(item, found)),
        Value::Map(entries) => {
            repeated(entries, found);
            entries.iter().for_each(|entry| search(&entry.value, found));
        }
        _ => {}
    }
}

fn repeated(entries: &[Entry], found: &mut Vec<SyntaxError>) {
    let mut first: HashMap<&str, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        match first.get(entry.key.as_str()) {
            Some(earlier) => found.push(SyntaxError::new(entry.at, given_twice(&entry.key, earlier.at))),
            None => {
                first.insert(&entry.key, entry);
            }
        }
    }
}

/// The text of the error, also for TOML, which finds its own repetitions.
pub(crate) fn given_twice(key: &str, earlier: crate::tree::Position) -> String {
    format!("the key {key:?} is given twice, first in line {} column {}; keep one", earlier.line, earlier.column)
}
