//! The attributes and children of an element, by name.

use std::collections::HashMap;

use crate::json::{Json, Object, Text};

/// Elements with more different names than this find them with a table.
const SCAN_LIMIT: usize = 16;

/// In the order in which each name came first.
#[derive(Debug, Default)]
pub(super) struct Fields {
    fields: Vec<(Text, Field)>,
    places: HashMap<Text, usize>,
}

#[derive(Debug)]
enum Field {
    One(Json),
    Several(Vec<Json>),
}

impl Fields {
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// An attribute or a text: of several the last one counts.
    pub fn set(&mut self, name: String, value: Json) {
        match self.position(&name) {
            Some(at) => self.fields[at].1 = Field::One(value),
            None => self.push(name.into(), value),
        }
    }

    /// A child: several of a name are a list.
    pub fn add(&mut self, name: &str, value: Json) {
        let Some(at) = self.position(name) else { return self.push(name.into(), value) };
        match &mut self.fields[at].1 {
            Field::Several(list) => list.push(value),
            field => {
                let Field::One(first) = std::mem::replace(field, Field::Several(Vec::new())) else { return };
                *field = Field::Several(vec![first, value]);
            }
        }
    }

    pub fn into_json(self) -> Json {
        let json = |field| match field {
            Field::One(value) => value,
            Field::Several(list) => Json::array(list),
        };
        Json::object(self.fields.into_iter().map(|(name, field)| (name, json(field))).collect::<Object>())
    }

    fn push(&mut self, name: Text, value: Json) {
        self.fields.push((name, Field::One(value)));
        if self.fields.len() > SCAN_LIMIT {
            let from = self.places.len();
            let added = self.fields[from..].iter().map(|(name, _)| name.clone()).zip(from..);
            self.places.extend(added);
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.fields.len() > SCAN_LIMIT {
            return self.places.get(&Text::from(name)).copied();
        }
        self.fields.iter().position(|(known, _)| known.as_str() == name)
    }
}
