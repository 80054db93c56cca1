//! How much there is of a value, for bounds of what may be made of it.

use super::tape::{Document, Node, Tag};
use super::{Json, Repr};

/// Texts that are looked for from either end of a part of a parsed text.
const SCAN_LIMIT: u32 = 64;

/// How much there is of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Values that a copy makes anew; what was parsed is shared, so a part of it is one.
    pub nodes: usize,
    /// Bytes of all texts, keys and numbers; of what was parsed about as many as it has in its source.
    pub bytes: usize,
    /// Levels of containers that were built, around scalars and what was parsed.
    pub depth: usize,
}

impl Json {
    /// Goes through all that was built, and through nothing that was parsed.
    pub(crate) fn extent(&self) -> Extent {
        let scalar = |bytes| Extent { nodes: 1, bytes, depth: 0 };
        match &self.0 {
            Repr::Null | Repr::Bool(_) => scalar(0),
            Repr::Number(text) | Repr::String(text) => scalar(text.as_str().len()),
            Repr::Array(items) => around(items.iter().map(Self::extent)),
            Repr::Object(object) => around(object.fields().iter().map(|(key, value)| {
                let extent = value.extent();
                Extent { bytes: extent.bytes.saturating_add(key.as_str().len()), ..extent }
            })),
            Repr::Parsed(document, node) => scalar(parsed(document, *node)),
        }
    }
}

/// A container around these.
fn around(parts: impl Iterator<Item = Extent>) -> Extent {
    parts.fold(Extent { nodes: 1, bytes: 0, depth: 1 }, |whole, part| Extent {
        nodes: whole.nodes.saturating_add(part.nodes),
        bytes: whole.bytes.saturating_add(part.bytes),
        depth: whole.depth.max(part.depth + 1),
    })
}

/// Bytes of the part of a document that begins at a node.
fn parsed(document: &Document, node: u32) -> usize {
    let (first, after) = (node, document.after(node));
    if after - first <= 2 * SCAN_LIMIT {
        return (first..after).map(|index| document.text(index).len()).sum();
    }
    let is_in_source = |node: Node| matches!(node.tag, Tag::Number | Tag::Plain);
    let begin = (first..first + SCAN_LIMIT).map(|index| document.node(index)).find(|&node| is_in_source(node));
    let end = (after - SCAN_LIMIT..after).rev().map(|index| document.node(index)).find(|&node| is_in_source(node));
    match (begin, end) {
        (Some(begin), Some(end)) => (end.end - begin.start) as usize,
        _ => document.source.len(),
    }
}

#[cfg(test)]
mod tests {
    use crate::json::{Json, Object};

    #[test]
    fn what_was_built_counts_each_time_it_is_there() {
        let pair = |of: &Json| Json::array(vec![of.clone(), of.clone()]);
        let made = pair(&pair(&Json::string("abc")));
        assert_eq!((made.extent().nodes, made.extent().bytes, made.extent().depth), (7, 12, 2));
        let object = Json::object(Object::from_iter([("key".into(), Json::integer(10))]));
        assert_eq!((object.extent().nodes, object.extent().bytes, object.extent().depth), (2, 5, 1));
    }

    #[test]
    fn a_part_of_a_text_counts_about_as_it_stands_there() {
        let text = format!(r#"{{"small":["ab",1],"large":[{}]}}"#, vec!["12345"; 1000].join(","));
        let whole = Json::parse(text.as_bytes()).expect("valid");
        let part = |key| whole.get(key).map(|part| part.to_json().extent()).expect(key);
        assert_eq!((part("small").nodes, part("small").bytes), (1, 3));
        assert_eq!((part("large").nodes, part("large").bytes), (1, 5999));
    }
}
