//! A reply while it is being rearranged: only what an operation walks through is taken apart.
//!
//! Elements of an array keep the number that they came with until the whole is put together again, so that `del a.0 a.1`
//! removes the first two, and not the first and the third.

use super::Segment;
use crate::json::{Json, Text, View};

/// A value: as it came, or opened.
#[derive(Debug)]
pub(super) enum Node {
    Whole(Json),
    Open(Branch),
}

/// A container that has been walked through.
#[derive(Debug)]
pub(super) struct Branch {
    is_array: bool,
    children: Vec<(Label, Node)>,
}

/// What a child is called in its container.
#[derive(Debug, Clone)]
pub(super) enum Label {
    Name(Text),
    Index(usize),
}

impl Label {
    /// Whether `segment` means this child; `*` means all.
    fn is_meant_by(&self, segment: &Segment) -> bool {
        segment.is_any
            || match self {
                Self::Name(name) => *name == segment.text,
                Self::Index(index) => segment.index == Some(*index),
            }
    }

    fn index(&self) -> Option<usize> {
        match self {
            Self::Index(index) => Some(*index),
            Self::Name(_) => None,
        }
    }

    fn to_segment(&self) -> Segment {
        match self {
            Self::Name(name) => Segment { is_any: false, ..Segment::new(name.as_str()) },
            Self::Index(index) => Segment::new(&index.to_string()),
        }
    }
}

impl From<Json> for Node {
    fn from(json: Json) -> Self {
        Self::Whole(json)
    }
}

impl Node {
    /// The value again. A container that lost all its children is null.
    pub fn into_json(self) -> Json {
        let Branch { is_array, children } = match self {
            Self::Whole(json) => return json,
            Self::Open(branch) => branch,
        };
        if children.is_empty() {
            return Json::NULL;
        }
        if is_array {
            return Json::array(children.into_iter().map(|(_, child)| child.into_json()).collect());
        }
        let field = |(label, child): (Label, Self)| match label {
            Label::Name(name) => (name, child.into_json()),
            Label::Index(index) => (index.to_string().into(), child.into_json()),
        };
        Json::object(children.into_iter().map(field).collect())
    }

    pub fn is_array(&self) -> bool {
        match self {
            Self::Whole(json) => matches!(json.view(), View::Array(_)),
            Self::Open(branch) => branch.is_array,
        }
    }

    /// The children of a container; scalars and empty containers have none and stay as they are.
    fn open(&mut self) -> Option<&mut Branch> {
        if let Self::Whole(json) = self {
            let branch = Branch::of(json).filter(|branch| !branch.children.is_empty())?;
            *self = Self::Open(branch);
        }
        match self {
            Self::Open(branch) => Some(branch),
            Self::Whole(_) => None,
        }
    }

    /// The container that something is put into: what is none becomes an object.
    fn open_or_replace(&mut self) -> &mut Branch {
        if self.open().is_none() {
            *self = Self::Open(Branch { is_array: false, children: Vec::new() });
        }
        match self {
            Self::Open(branch) => branch,
            Self::Whole(_) => unreachable!("it was opened or replaced above"),
        }
    }

    pub fn into_children(mut self) -> Vec<Node> {
        let children = self.open().map(|branch| std::mem::take(&mut branch.children)).unwrap_or_default();
        children.into_iter().map(|(_, child)| child).collect()
    }

    /// The one node that `path` leads to; `*` is a name here.
    pub fn find(&mut self, path: &[Segment]) -> Option<&mut Node> {
        path.iter().try_fold(self, |node, segment| {
            let branch = node.open()?;
            branch.place(segment).map(|place| &mut branch.children[place].1)
        })
    }

    /// Hands every node that `path` leads to over to `act`, with the labels on the way.
    pub fn visit(&mut self, path: &[Segment], way: &mut Vec<Label>, act: &mut dyn FnMut(&mut Node, &[Label])) {
        let Some((first, rest)) = path.split_first() else { return act(self, way) };
        let Some(branch) = self.open() else { return };
        for (label, child) in branch.children.iter_mut().filter(|(label, _)| label.is_meant_by(first)) {
            way.push(label.clone());
            child.visit(rest, way, act);
            way.pop();
        }
    }

    /// Takes out everything that `path` leads to.
    pub fn take(&mut self, path: &[Segment], taken: &mut dyn FnMut(Node)) {
        let Some((last, parents)) = path.split_last() else { return };
        self.visit(parents, &mut Vec::new(), &mut |parent, _| {
            if let Some(branch) = parent.open() {
                let meant = branch.children.extract_if(.., |(label, _)| label.is_meant_by(last));
                meant.for_each(|(_, child)| taken(child));
            }
        });
    }

    pub fn detach(&mut self, name: &Segment) -> Option<Node> {
        let branch = self.open()?;
        branch.place(name).map(|place| branch.children.remove(place).1)
    }

    /// A sibling that has the new name already is replaced. Elements of an array have no names: nothing changes.
    pub fn rename(&mut self, from: &Segment, to: &Segment) {
        let Some(branch) = self.open().filter(|branch| !branch.is_array && from.text != to.text) else { return };
        let Some(place) = branch.place(from) else { return };
        let other = branch.place(to);
        branch.children[place].0 = Label::Name(to.text.clone());
        if let Some(other) = other {
            branch.children.remove(other);
        }
    }

    /// Puts `node` below this one; what is missing on the way is made.
    pub fn embed(&mut self, path: &[Segment], node: Node) {
        let Some((last, way)) = path.split_last() else { return };
        let parent = way.iter().fold(self, |node, segment| {
            let branch = node.open_or_replace();
            let place = branch.place(segment).unwrap_or_else(|| {
                let child = Node::Open(Branch { is_array: false, children: Vec::new() });
                branch.children.push((Label::Name(segment.text.clone()), child));
                branch.children.len() - 1
            });
            &mut branch.children[place].1
        });
        parent.attach(last, node);
    }

    /// Puts `node` nearer to this one, the root. `*` in `path` is what stood there on the way to the source; a missing step ends the walk.
    pub fn promote(&mut self, path: &[Segment], source: &[Label], node: Node) {
        let Some((last, way)) = path.split_last() else { return };
        let mut parent = self;
        for (segment, label) in way.iter().zip(source) {
            let segment = if segment.is_any { &label.to_segment() } else { segment };
            let Some(place) = parent.open().and_then(|branch| branch.place(segment)) else { break };
            parent = &mut parent.open_or_replace().children[place].1;
        }
        parent.attach(last, node);
    }

    /// An array gets one more element; in an object the name is taken over.
    fn attach(&mut self, name: &Segment, node: Node) {
        let branch = self.open_or_replace();
        match branch.place(name).filter(|_| !branch.is_array) {
            Some(place) => branch.children[place].1 = node,
            None => branch.children.push((Label::Name(name.text.clone()), node)),
        }
    }

    /// Puts elements behind those of an array.
    pub fn extend(&mut self, items: Vec<Node>) {
        if let (Self::Whole(_), false) = (&*self, items.is_empty()) {
            let children = std::mem::take(self).into_children();
            let children =
                children.into_iter().enumerate().map(|(index, child)| (Label::Index(index), child)).collect();
            *self = Self::Open(Branch { is_array: true, children });
        }
        if let Self::Open(branch) = self {
            let next = branch.children.iter().filter_map(|(label, _)| label.index()).max().map_or(0, |last| last + 1);
            branch
                .children
                .extend(items.into_iter().enumerate().map(|(index, item)| (Label::Index(next + index), item)));
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::Whole(Json::NULL)
    }
}

impl Branch {
    /// One level of a container, its children as they came.
    fn of(json: &Json) -> Option<Self> {
        if let View::Array(items) = json.view() {
            let children =
                items.enumerate().map(|(index, item)| (Label::Index(index), item.to_json().into())).collect();
            return Some(Self { is_array: true, children });
        }
        let fields = json.clone().into_object()?.into_fields().into_iter();
        Some(Self { is_array: false, children: fields.map(|(key, value)| (Label::Name(key), value.into())).collect() })
    }

    fn place(&self, name: &Segment) -> Option<usize> {
        let is_it = |label: &Label| match label {
            Label::Name(own) => *own == name.text,
            Label::Index(own) => name.index == Some(*own),
        };
        self.children.iter().position(|(label, _)| is_it(label))
    }
}
