//! What of a reply stays: `target`, then `allow` or `deny`, then `mapping`, then `group` (pipeline.md §7.5). With
//! `flatmap_filter` its operations stand in the place of `allow`, `deny` and `mapping`.

use siphon_config::model::Backend;

use crate::components::{Checked, proxy};
use crate::flatmap::Flatmap;
use crate::json::{Json, JsonRef, Object, View};

/// The filters of one backend. Without any it changes nothing and costs nothing.
#[derive(Debug)]
pub(crate) struct Filter {
    target: Vec<String>,
    /// Instead of what follows, up to `group`.
    flatmap: Option<Flatmap>,
    select: Select,
    mapping: Vec<(String, String)>,
    group: Option<String>,
}

#[derive(Debug)]
enum Select {
    Everything,
    Allow(Tree),
    Deny(Tree),
}

impl Filter {
    /// # Errors
    ///
    /// What is wrong with the operations of `flatmap_filter`.
    pub fn new(backend: &Backend) -> Checked<Self> {
        let flatmap = proxy::flatmap_of(backend)?;
        let select = match (backend.allow.as_slice(), backend.deny.as_slice()) {
            ([], []) => Select::Everything,
            ([], deny) => Select::Deny(Tree::of(deny, Overlap::ParentWins)),
            (allow, _) => Select::Allow(Tree::of(allow, Overlap::LaterWins)),
        };
        let target = if backend.target.is_empty() { Vec::new() } else { segments(&backend.target) };
        let group = (!backend.group.is_empty()).then(|| backend.group.clone());
        Ok(Self { target, flatmap, select, mapping: mapping_of(backend), group })
    }

    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        let keeps_all = matches!(self.select, Select::Everything) && self.flatmap.is_none();
        self.target.is_empty() && keeps_all && self.mapping.is_empty() && self.group.is_none()
    }

    /// `data` is an object or null.
    pub fn apply(&self, data: Json) -> Json {
        let mut data = self.extract(data);
        if let Some(flatmap) = &self.flatmap {
            data = flatmap.apply(data);
        } else if has_fields(&data) {
            data = self.select(data);
            self.rename(&mut data);
        }
        match &self.group {
            Some(group) => Json::field(group.as_str(), data),
            None => data,
        }
    }

    fn extract(&self, data: Json) -> Json {
        if self.target.is_empty() {
            return data;
        }
        let found = self.target.iter().try_fold(JsonRef::from(&data), |at, segment| at.get(segment));
        match found.map(JsonRef::to_json).filter(Json::is_object) {
            Some(object) => object,
            None => Json::object(Object::new()),
        }
    }

    fn select(&self, data: Json) -> Json {
        match &self.select {
            Select::Everything => data,
            Select::Allow(tree) => Json::object(allowed((&data).into(), tree)),
            Select::Deny(tree) => {
                let mut data = data;
                deny(&mut data, tree);
                data
            }
        }
    }

    fn rename(&self, data: &mut Json) {
        if self.mapping.is_empty() {
            return;
        }
        let Some(object) = data.object_mut() else { return };
        for (from, to) in &self.mapping {
            match object.remove(from) {
                Some(value) if from != to => object.insert(to.as_str(), value),
                _ => {}
            }
        }
    }
}

fn has_fields(data: &Json) -> bool {
    match data.view() {
        View::Object(mut fields) => fields.next().is_some(),
        _ => false,
    }
}

/// Only the first segment of a destination counts; a source with a dot never matches.
fn mapping_of(backend: &Backend) -> Vec<(String, String)> {
    let first = |to: &str| to.split('.').next().unwrap_or_default().to_owned();
    backend.mapping.iter().filter(|(from, _)| !from.contains('.')).map(|(from, to)| (from.clone(), first(to))).collect()
}

fn segments(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// Dotted paths, as a tree of their segments.
#[derive(Debug, Default)]
struct Tree(Vec<(String, Branch)>);

#[derive(Debug)]
enum Branch {
    /// A path ends here: the whole value.
    Whole,
    Below(Tree),
}

/// What counts when one path begins with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overlap {
    LaterWins,
    ParentWins,
}

impl Tree {
    fn of(paths: &[String], overlap: Overlap) -> Self {
        let mut tree = Self::default();
        for path in paths {
            tree.insert(&segments(path), overlap);
        }
        tree
    }

    fn insert(&mut self, path: &[String], overlap: Overlap) {
        let Some((first, rest)) = path.split_first() else { return };
        let branch = self.branch(first);
        match branch {
            Branch::Whole if overlap == Overlap::ParentWins => {}
            _ if rest.is_empty() => *branch = Branch::Whole,
            Branch::Below(tree) => tree.insert(rest, overlap),
            Branch::Whole => {
                let mut tree = Self::default();
                tree.insert(rest, overlap);
                *branch = Branch::Below(tree);
            }
        }
    }

    fn branch(&mut self, segment: &str) -> &mut Branch {
        let found = self.0.iter().position(|(name, _)| name == segment);
        let at = found.unwrap_or_else(|| {
            self.0.push((segment.to_owned(), Branch::Below(Self::default())));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    fn get(&self, segment: &str) -> Option<&Branch> {
        self.0.iter().find(|(name, _)| name == segment).map(|(_, branch)| branch)
    }
}

/// The listed paths of an object. Never reaches into arrays; objects that would be empty are left out.
fn allowed(data: JsonRef<'_>, tree: &Tree) -> Object {
    let View::Object(fields) = data.view() else { return Object::new() };
    fields.filter_map(|(key, value)| Some((key.into(), kept(value, tree.get(key)?)?))).collect()
}

fn kept(value: JsonRef<'_>, branch: &Branch) -> Option<Json> {
    match branch {
        Branch::Whole => Some(value.to_json()),
        Branch::Below(tree) => Some(allowed(value, tree)).filter(|object| !object.is_empty()).map(Json::object),
    }
}

fn deny(data: &mut Json, tree: &Tree) {
    let Some(object) = data.object_mut() else { return };
    for (segment, branch) in &tree.0 {
        match branch {
            Branch::Whole => _ = object.remove(segment),
            Branch::Below(tree) => {
                if let Some(value) = object.get_mut(segment) {
                    deny(value, tree);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
