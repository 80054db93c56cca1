//! The data of a reply while a script changes it: objects and arrays that several hands hold.
//!
//! A value stays as it was parsed until a script looks into it; then its level alone is taken apart, and whoever gets
//! it again gets the same object. Nothing contains itself, so the data is always a text in the end.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::allowance::Allowance;
use super::fields::Fields;
use crate::json::{Json, Object, View};

/// Levels that data of a script may have; as deep as a reply may be.
const DEPTH_LIMIT: usize = 512;

/// A value of the data.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// As it was parsed, or a text, number, boolean or null.
    Plain(Json),
    /// An object or array that was looked into.
    Open(Node),
}

/// An object or an array. Cloning gives another hand on the same.
#[derive(Debug, Clone)]
pub(super) struct Node(Arc<Mutex<Content>>);

#[derive(Debug)]
pub(super) enum Content {
    Table(Fields),
    List(Vec<Item>),
}

impl Item {
    pub const NULL: Self = Self::Plain(Json::NULL);

    /// The object or array in this place, taken apart; `None` for anything else.
    pub fn open(&mut self) -> Option<Node> {
        if let Self::Plain(json) = self {
            *self = Self::Open(Node::of(json)?);
        }
        match self {
            Self::Open(node) => Some(node.clone()),
            Self::Plain(_) => None,
        }
    }

    /// The value as it will be written.
    ///
    /// # Errors
    ///
    /// A sentence when it nests too deep, or is too large because parts of it come again and again.
    pub fn to_json(&self, allowance: &mut Allowance) -> Result<Json, String> {
        self.closed(DEPTH_LIMIT, allowance)
    }

    fn closed(&self, levels: usize, allowance: &mut Allowance) -> Result<Json, String> {
        match self {
            Self::Plain(json) => Ok(json.clone()),
            Self::Open(node) => node.closed(levels, allowance),
        }
    }
}

impl Node {
    pub fn table() -> Self {
        Self::of_fields(Fields::default())
    }

    pub fn of_fields(fields: Fields) -> Self {
        Self::new(Content::Table(fields))
    }

    pub fn list(items: Vec<Item>) -> Self {
        Self::new(Content::List(items))
    }

    /// The first level of an object or array; `None` for anything else.
    pub fn of(json: &Json) -> Option<Self> {
        match json.view() {
            View::Object(_) => {
                let fields = json.clone().into_object().unwrap_or_default().into_fields();
                let fields = fields.into_iter().map(|(key, value)| (key, Item::Plain(value)));
                Some(Self::of_fields(fields.collect()))
            }
            View::Array(items) => Some(Self::list(items.map(|item| Item::Plain(item.to_json())).collect())),
            _ => None,
        }
    }

    fn new(content: Content) -> Self {
        Self(Arc::new(Mutex::new(content)))
    }

    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_list(&self) -> bool {
        matches!(*self.content(), Content::List(_))
    }

    /// Whether `item` is this node or has it somewhere inside: it must not be put into it.
    pub fn is_within(&self, item: &Item) -> bool {
        let Item::Open(node) = item else { return false };
        let (mut open, mut seen) = (vec![node.clone()], HashSet::new());
        while let Some(node) = open.pop() {
            if Arc::ptr_eq(&node.0, &self.0) {
                return true;
            }
            if seen.insert(Arc::as_ptr(&node.0)) {
                open.extend(node.content().nodes().cloned());
            }
        }
        false
    }

    /// Lets go of what is in it, though somebody may still have a hand on it.
    pub fn clear(&self) {
        let old = self.content().take();
        drop(Self::list(old));
    }

    /// Values in it, at its first level.
    pub fn len(&self) -> usize {
        match &*self.content() {
            Content::Table(fields) => fields.len(),
            Content::List(items) => items.len(),
        }
    }

    /// A hand that keeps nothing.
    pub fn weak(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.0))
    }

    fn closed(&self, levels: usize, allowance: &mut Allowance) -> Result<Json, String> {
        let below = levels.checked_sub(1).ok_or_else(|| format!("the data nests deeper than {DEPTH_LIMIT} levels"))?;
        let mut close = |item: &Item| {
            allowance.spend(size_of::<Json>())?;
            item.closed(below, allowance)
        };
        match &*self.content() {
            Content::Table(fields) => {
                let fields = fields.iter().map(|(key, item)| close(item).map(|value| (key.clone(), value)));
                fields.collect::<Result<Object, _>>().map(Json::object)
            }
            Content::List(items) => items.iter().map(close).collect::<Result<_, _>>().map(Json::array),
        }
    }
}

/// A hand on a node that may be gone.
#[derive(Debug)]
pub(super) struct WeakNode(Weak<Mutex<Content>>);

impl WeakNode {
    /// As [`Node::clear`].
    pub fn clear(&self) {
        if let Some(content) = self.0.upgrade() {
            Node(content).clear();
        }
    }
}

impl Content {
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        let (fields, items) = match self {
            Self::Table(fields) => (Some(fields), [].as_slice()),
            Self::List(items) => (None, items.as_slice()),
        };
        let all = fields.into_iter().flat_map(Fields::iter).map(|(_, item)| item).chain(items);
        all.filter_map(|item| match item {
            Item::Open(node) => Some(node),
            Item::Plain(_) => None,
        })
    }

    fn take(&mut self) -> Vec<Item> {
        match self {
            Self::Table(fields) => fields.take(),
            Self::List(items) => std::mem::take(items),
        }
    }
}

/// Level by level: a script can build data that is too deep for the stack.
impl Drop for Content {
    fn drop(&mut self) {
        if self.nodes().next().is_none() {
            return;
        }
        let mut items = self.take();
        while let Some(item) = items.pop() {
            if let Item::Open(node) = item
                && let Some(content) = Arc::into_inner(node.0)
            {
                items.append(&mut content.into_inner().unwrap_or_else(PoisonError::into_inner).take());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::of(&Json::parse(text.as_bytes()).expect(text)).expect(text)
    }

    fn put(node: &Node, key: &'static str, item: Item) {
        match &mut *node.content() {
            Content::Table(fields) => drop(fields.insert(key, item)),
            Content::List(items) => items.push(item),
        }
    }

    fn text(node: &Node) -> Result<String, String> {
        Item::Open(node.clone()).to_json(&mut Allowance::default()).map(|json| json.to_string())
    }

    #[test]
    fn what_nobody_looked_into_keeps_its_text() {
        let root = node(r#"{"big":12345678901234567890,"l":[1.50,{"k":1e2}]}"#);
        assert_eq!(text(&root).as_deref(), Ok(r#"{"big":12345678901234567890,"l":[1.50,{"k":1e2}]}"#));
    }

    #[test]
    fn every_hand_sees_a_change() {
        let root = node(r#"{"o":{}}"#);
        let open = || match &mut *root.content() {
            Content::Table(fields) => fields.get_mut("o").and_then(Item::open).expect("an object"),
            Content::List(_) => unreachable!("it is an object"),
        };
        put(&open(), "a", Item::Plain(Json::bool(true)));
        put(&open(), "b", Item::NULL);
        assert_eq!(text(&root).as_deref(), Ok(r#"{"o":{"a":true,"b":null}}"#));
    }

    #[test]
    fn what_was_let_go_of_is_empty_in_every_hand() {
        let root = node(r#"{"a":[1]}"#);
        let hand = root.clone();
        root.clear();
        assert_eq!(text(&hand).as_deref(), Ok("{}"));
    }

    #[test]
    fn nothing_is_put_into_itself() {
        let (outer, inner) = (Node::table(), Node::list(Vec::new()));
        put(&outer, "inner", Item::Open(inner.clone()));
        assert!(outer.is_within(&Item::Open(outer.clone())) && inner.is_within(&Item::Open(outer.clone())));
        assert!(!outer.is_within(&Item::Open(inner)) && !outer.is_within(&Item::NULL));
    }

    #[test]
    fn data_that_is_too_deep_is_refused_and_let_go_of() {
        let root = Node::table();
        let mut last = root.clone();
        for _ in 0..200_000 {
            let next = Node::table();
            put(&last, "c", Item::Open(next.clone()));
            last = next;
        }
        drop(last);
        assert_eq!(text(&root), Err("the data nests deeper than 512 levels".to_owned()));
        drop(root);
    }

    #[test]
    fn data_that_repeats_itself_without_end_is_refused() {
        let mut node = Node::table();
        for _ in 0..60 {
            let twice = Node::table();
            put(&twice, "a", Item::Open(node.clone()));
            put(&twice, "b", Item::Open(node));
            node = twice;
        }
        assert!(text(&node).is_err_and(|why| why.contains("bytes to the data")));
        assert!(!Node::table().is_within(&Item::Open(node)));
    }
}
