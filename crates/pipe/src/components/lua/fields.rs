//! The fields of an object of a script's data: in their order, found by their keys.

use std::collections::HashMap;

use super::data::Item;
use crate::json::Text;

/// Objects with more fields than this get a table of their keys once somebody looks for one.
const SCAN_LIMIT: usize = 16;

/// Fields in their order. What was removed leaves an empty place, until half of the places are empty.
#[derive(Debug, Default)]
pub(super) struct Fields {
    places: Vec<Option<(Text, Item)>>,
    /// Where the keys are. Empty where nobody has looked yet, and below the limit.
    index: HashMap<Text, usize>,
    filled: usize,
}

impl Fields {
    pub fn len(&self) -> usize {
        self.filled
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Item)> {
        self.places.iter().flatten().map(|(key, item)| (key, item))
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Item> {
        let at = self.position(key)?;
        self.places[at].as_mut().map(|(_, item)| item)
    }

    pub fn contains(&mut self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Sets a field, in the place of one that has its key. Gives what was there.
    pub fn insert(&mut self, key: &str, item: Item) -> Option<Item> {
        if let Some(old) = self.get_mut(key) {
            return Some(std::mem::replace(old, item));
        }
        let key = Text::from(key);
        if !self.index.is_empty() {
            self.index.insert(key.clone(), self.places.len());
        }
        self.places.push(Some((key, item)));
        self.filled += 1;
        None
    }

    pub fn remove(&mut self, key: &str) -> Option<Item> {
        let at = self.position(key)?;
        let (_, item) = self.places[at].take()?;
        self.index.remove(key);
        self.filled -= 1;
        if self.places.len() > SCAN_LIMIT && self.filled <= self.places.len() / 2 {
            self.places.retain(Option::is_some);
            self.index.clear();
        }
        Some(item)
    }

    /// Takes all items out.
    pub fn take(&mut self) -> Vec<Item> {
        std::mem::take(self).places.into_iter().flatten().map(|(_, item)| item).collect()
    }

    fn position(&mut self, key: &str) -> Option<usize> {
        if self.places.len() <= SCAN_LIMIT {
            return self.places.iter().position(|place| place.as_ref().is_some_and(|(name, _)| name.as_str() == key));
        }
        if self.index.is_empty() {
            let keys = self.places.iter().zip(0..).filter_map(|(place, at)| place.as_ref().map(|(key, _)| (key, at)));
            self.index = keys.map(|(key, at)| (key.clone(), at)).collect();
        }
        self.index.get(key).copied()
    }
}

/// No key comes twice.
impl FromIterator<(Text, Item)> for Fields {
    fn from_iter<T: IntoIterator<Item = (Text, Item)>>(fields: T) -> Self {
        let places: Vec<_> = fields.into_iter().map(Some).collect();
        Self { filled: places.len(), places, index: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn number(value: i64) -> Item {
        Item::Plain(Json::integer(value))
    }

    fn texts(fields: &Fields) -> Vec<String> {
        let text = |(key, item): (&Text, &Item)| match item {
            Item::Plain(json) => format!("{}={json}", key.as_str()),
            Item::Open(_) => key.as_str().to_owned(),
        };
        fields.iter().map(text).collect()
    }

    #[test]
    fn fields_keep_their_order_however_many_there_are() {
        for count in [3, SCAN_LIMIT as i64, SCAN_LIMIT as i64 + 1, 1000] {
            let mut fields = Fields::default();
            (0..count).for_each(|at| assert!(fields.insert(&at.to_string(), number(at)).is_none()));
            assert!(fields.insert("1", number(-1)).is_some());
            assert!(fields.remove("0").is_some() && fields.remove("0").is_none() && !fields.contains("0"));
            fields.insert("0", number(0));
            let mut expected: Vec<_> = (1..count).map(|at| format!("{at}={at}")).chain(["0=0".into()]).collect();
            expected[0] = "1=-1".into();
            assert_eq!((texts(&fields), fields.len()), (expected, count as usize));
        }
    }

    #[test]
    fn removed_fields_make_room() {
        let mut fields: Fields = (0..1000).map(|at| (at.to_string().into(), number(at))).collect();
        (0..995).for_each(|at| assert!(fields.remove(&at.to_string()).is_some(), "{at}"));
        assert!(fields.places.len() <= SCAN_LIMIT);
        fields.insert("995", number(5));
        fields.insert("new", number(6));
        assert_eq!(texts(&fields), ["995=5", "996=996", "997=997", "998=998", "999=999", "new=6"]);
        assert_eq!((fields.take().len(), fields.len()), (6, 0));
    }
}
