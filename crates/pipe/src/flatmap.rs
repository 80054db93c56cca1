//! `flatmap_filter`: removes, moves and joins parts of a reply, arrays included (pipeline.md §8).
//!
//! Where the filters stop at arrays, these operations go through them: `*` stands for every child of a level, a
//! number for one element. What is wrong with an operation is found at load, so that none can fail on an event.

mod tree;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::json::{Json, Text};
use tree::Node;

/// Operations, run in their order. At least one.
#[derive(Debug)]
pub(crate) struct Flatmap(Vec<Operation>);

/// One entry of `flatmap_filter`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct OperationSettings {
    /// `move`, `del` or `append`.
    #[serde(rename = "type")]
    kind: Kind,
    /// Dotted paths. `del`: one or more; `move` and `append`: from where, to where.
    args: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Move,
    Del,
    Append,
}

#[derive(Debug)]
enum Operation {
    Delete(Vec<Path>),
    Move { from: Path, to: Path },
    Append { from: Path, to: Path },
}

/// A dotted path; never empty.
#[derive(Debug, Clone)]
struct Path(Vec<Segment>);

#[derive(Debug, Clone)]
struct Segment {
    text: Text,
    /// What the text is as an index of an array: digits without leading zeros.
    index: Option<usize>,
    /// `*`.
    is_any: bool,
}

/// What is wrong, and where below `flatmap_filter`: `[0].args[1]`.
pub(crate) type Wrong = (String, String);

impl Flatmap {
    /// `None` for an empty list: then there is nothing to do, and other filters count.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the operations.
    pub fn new(settings: &[OperationSettings]) -> Result<Option<Self>, Vec<Wrong>> {
        let mut operations = Vec::with_capacity(settings.len());
        let mut wrong = Vec::new();
        for (index, one) in settings.iter().enumerate() {
            let place = |(at, message): Wrong| (format!("[{index}].args{at}"), message);
            match Operation::new(one) {
                Ok(operation) => operations.push(operation),
                Err(found) => wrong.push(place(found)),
            }
        }
        if wrong.is_empty() { Ok(Some(Self(operations)).filter(|flatmap| !flatmap.0.is_empty())) } else { Err(wrong) }
    }

    /// `data` after all operations. What is no object stays as it is; an object that loses every field becomes null.
    pub fn apply(&self, data: Json) -> Json {
        if !data.is_object() {
            return data;
        }
        let mut root = Node::from(data);
        self.0.iter().for_each(|operation| operation.run(&mut root));
        root.into_json()
    }
}

impl Operation {
    fn new(settings: &OperationSettings) -> Result<Self, Wrong> {
        let paths = settings.args.iter().enumerate().map(|(index, text)| {
            Path::parse(text)
                .ok_or_else(|| (format!("[{index}]"), "must not be empty; write a path such as a.b".into()))
        });
        let paths: Vec<_> = paths.collect::<Result<_, _>>()?;
        if settings.kind == Kind::Del {
            return if paths.is_empty() {
                Err(wrong("", "del needs at least one path"))
            } else {
                Ok(Self::Delete(paths))
            };
        }
        let name = if settings.kind == Kind::Move { "move" } else { "append" };
        let [from, to] = <[Path; 2]>::try_from(paths)
            .map_err(|paths| wrong("", &format!("{name} needs two paths, from and to; there are {}", paths.len())))?;
        if settings.kind == Kind::Move { Self::moving(from, to) } else { Self::appending(from, to) }
    }

    fn moving(from: Path, to: Path) -> Result<Self, Wrong> {
        if from.last().is_any {
            return Err(wrong("[0]", "a path that move takes something from cannot end with *; name what is moved"));
        }
        let created = if from.len() <= to.len() { &to.0[from.len() - 1..] } else { &to.0[to.len() - 1..] };
        if created.iter().any(|segment| segment.is_any) {
            return Err(wrong("[1]", "* cannot be the name of what is made here; write a name"));
        }
        Ok(Self::Move { from, to })
    }

    fn appending(from: Path, to: Path) -> Result<Self, Wrong> {
        if to.0.iter().any(|segment| segment.is_any) {
            return Err(wrong("[1]", "append has one destination; write an index or a name instead of *"));
        }
        if from.holds(&to) {
            return Err(wrong("[1]", "the destination of append is what is appended, or inside it"));
        }
        Ok(Self::Append { from, to })
    }

    fn run(&self, root: &mut Node) {
        match self {
            Self::Delete(paths) => paths.iter().for_each(|path| root.take(&path.0, &mut |_| {})),
            Self::Move { from, to } => relocate(root, &from.0, &to.0),
            Self::Append { from, to } => append(root, from, to),
        }
    }
}

fn wrong(at: &str, message: &str) -> Wrong {
    (at.to_owned(), message.to_owned())
}

/// Equal lengths rename, a longer destination embeds, a shorter one promotes.
fn relocate(root: &mut Node, from: &[Segment], to: &[Segment]) {
    let Some((last, parents)) = from.split_last() else { return };
    if from.len() > to.len() {
        let mut taken = Vec::new();
        root.visit(parents, &mut Vec::new(), &mut |parent, way| {
            taken.extend(parent.detach(last).map(|node| (way.to_vec(), node)));
        });
        return taken.into_iter().for_each(|(way, node)| root.promote(to, &way, node));
    }
    let target = &to[parents.len()..];
    root.visit(parents, &mut Vec::new(), &mut |parent, _| match target {
        [name] => parent.rename(last, name),
        deeper => {
            if let Some(node) = parent.detach(last) {
                parent.embed(deeper, node);
            }
        }
    });
}

/// Only an array is appended, and only to an array. With `*` the matches are the array.
fn append(root: &mut Node, from: &Path, to: &Path) {
    let is_array = |node: Option<&mut Node>| node.is_some_and(|node| node.is_array());
    let has_wildcard = from.0.iter().any(|segment| segment.is_any);
    if !is_array(root.find(&to.0)) || !(has_wildcard || is_array(root.find(&from.0))) {
        return;
    }
    let mut taken = Vec::new();
    root.take(&from.0, &mut |node| taken.push(node));
    let items = if has_wildcard { taken } else { taken.into_iter().flat_map(Node::into_children).collect() };
    if let Some(target) = root.find(&to.0) {
        target.extend(items);
    }
}

impl Path {
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.split('.').map(Segment::new).collect()))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn last(&self) -> &Segment {
        &self.0[self.0.len() - 1]
    }

    /// Whether `other` is what this path leads to, or below it.
    fn holds(&self, other: &Self) -> bool {
        let same = |(own, other): (&Segment, &Segment)| own.is_any || own.text == other.text;
        self.len() <= other.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Segment {
    fn new(text: &str) -> Self {
        let index = text.parse().ok().filter(|index: &usize| index.to_string() == text);
        Self { text: text.into(), index, is_any: text == "*" }
    }
}
