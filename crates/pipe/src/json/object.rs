//! The fields of an object that is being changed.

use std::collections::HashMap;

use super::{Json, JsonRef, Text};

/// Objects with more fields than this get a table while another one is laid over them.
const SCAN_LIMIT: usize = 32;

/// Fields in their order. Each key is there once.
#[derive(Debug, Clone, Default)]
pub struct Object {
    fields: Vec<(Text, Json)>,
}

impl Object {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn get(&self, key: &str) -> Option<JsonRef<'_>> {
        self.position(key).map(|at| JsonRef::from(&self.fields[at].1))
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        self.position(key).map(|at| &mut self.fields[at].1)
    }

    /// Sets a field, in the place of one that has its key.
    pub fn insert(&mut self, key: impl Into<Text>, value: Json) {
        let key = key.into();
        match self.position(key.as_str()) {
            Some(at) => self.fields[at].1 = value,
            None => self.fields.push((key, value)),
        }
    }

    pub fn remove(&mut self, key: &str) -> Option<Json> {
        self.position(key).map(|at| self.fields.remove(at).1)
    }

    /// Lays `other` over this one: its fields win.
    pub fn extend(&mut self, other: Object) {
        if self.len() <= SCAN_LIMIT {
            return other.fields.into_iter().for_each(|(key, value)| self.insert(key, value));
        }
        let places: HashMap<Text, usize> = self.fields.iter().map(|(key, _)| key.clone()).zip(0..).collect();
        for (key, value) in other.fields {
            match places.get(&key) {
                Some(&at) => self.fields[at].1 = value,
                None => self.fields.push((key, value)),
            }
        }
    }

    pub fn fields(&self) -> &[(Text, Json)] {
        &self.fields
    }

    /// The fields, owned.
    pub fn into_fields(self) -> Vec<(Text, Json)> {
        self.fields
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.fields.iter().position(|(name, _)| name.as_str() == key)
    }
}

/// The caller vouches that no key comes twice; [`Object::insert`] is for the rest.
impl FromIterator<(Text, Json)> for Object {
    fn from_iter<T: IntoIterator<Item = (Text, Json)>>(fields: T) -> Self {
        Self { fields: fields.into_iter().collect() }
    }
}
