//! Elements of other vocabularies inside an item: Dublin Core, iTunes, Media RSS and whatever a feed brings.
//!
//! They go by the prefix that the feed writes, as nearly every feed uses the customary ones.

use std::collections::BTreeMap;

use super::elements::{attribute, child_text, children, extension_prefix, text};
use super::{list, put};
use crate::json::{Json, Object, Text};
use crate::xml::{Element, local_name};

const DUBLIN_CORE: &str = "dc";
const ITUNES: &str = "itunes";

/// What Dublin Core describes something with; each may come several times.
const DUBLIN_CORE_NAMES: [&str; 16] = [
    "title",
    "creator",
    "author",
    "subject",
    "description",
    "publisher",
    "contributor",
    "date",
    "type",
    "format",
    "identifier",
    "source",
    "language",
    "relation",
    "coverage",
    "rights",
];

const ITUNES_NAMES: [&str; 9] =
    ["author", "block", "duration", "explicit", "keywords", "subtitle", "summary", "isClosedCaptioned", "order"];

/// By prefix, then by name without prefix.
#[derive(Debug, Default)]
pub(super) struct Extensions(BTreeMap<String, BTreeMap<String, Vec<Extension>>>);

#[derive(Debug)]
struct Extension {
    value: String,
    /// `href` of an iTunes image.
    href: String,
    json: Json,
}

impl Extensions {
    pub fn of(element: &Element<'_>) -> Self {
        let mut all = Self::default();
        for child in children(element) {
            let Some(prefix) = extension_prefix(child) else { continue };
            let name = local_name(child.name).to_owned();
            let extension = Extension { value: text(child), href: attribute(child, "href"), json: json(child) };
            all.0.entry(prefix).or_default().entry(name).or_default().push(extension);
        }
        all
    }

    /// The values of `dc:name`.
    pub fn dublin_core(&self, name: &str) -> Vec<String> {
        self.values(DUBLIN_CORE, name).map(str::to_owned).collect()
    }

    /// The first value of `dc:name`; empty without one.
    pub fn first_dublin_core(&self, name: &str) -> String {
        self.values(DUBLIN_CORE, name).next().unwrap_or_default().to_owned()
    }

    /// The value of `itunes:name`; empty without one.
    pub fn itunes(&self, name: &str) -> String {
        self.values(ITUNES, name).next().unwrap_or_default().to_owned()
    }

    pub fn itunes_image(&self) -> Option<String> {
        let image = self.0.get(ITUNES)?.get("image")?.first()?;
        (!image.href.is_empty()).then(|| image.href.clone())
    }

    fn values(&self, prefix: &str, name: &str) -> impl Iterator<Item = &str> {
        let found = self.0.get(prefix).and_then(|names| names.get(name));
        found.into_iter().flatten().map(|extension| extension.value.as_str())
    }

    /// `dcExt`, `itunesExt` and `extensions`, as far as there are any.
    pub fn put_into(self, out: &mut Object) {
        if self.0.contains_key(DUBLIN_CORE) {
            let mut fields = Object::new();
            for name in DUBLIN_CORE_NAMES {
                list(&mut fields, name, self.values(DUBLIN_CORE, name).map(Json::string));
            }
            out.insert("dcExt", Json::object(fields));
        }
        if self.0.contains_key(ITUNES) {
            let mut fields = Object::new();
            for name in ITUNES_NAMES {
                put(&mut fields, name, self.itunes(name));
            }
            put(&mut fields, "image", self.itunes_image().unwrap_or_default());
            out.insert("itunesExt", Json::object(fields));
        }
        if !self.0.is_empty() {
            let names = |names: BTreeMap<String, Vec<Extension>>| {
                let lists = names.into_iter().map(|(name, list)| {
                    (Text::from(name), Json::array(list.into_iter().map(|extension| extension.json).collect()))
                });
                Json::object(lists.collect::<Object>())
            };
            let all = self.0.into_iter().map(|(prefix, inner)| (Text::from(prefix), names(inner)));
            out.insert("extensions", Json::object(all.collect::<Object>()));
        }
    }
}

/// `{name, value, attrs, children: {name: […]}}`. Recurses as deep as the reader lets elements nest.
fn json(element: &Element<'_>) -> Json {
    let attributes: BTreeMap<_, _> = element.attributes.iter().map(|(name, value)| (local_name(name), value)).collect();
    let attributes = attributes.into_iter().map(|(name, value)| (Text::from(name), Json::string(value.as_ref())));
    let mut inside: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    for child in children(element) {
        inside.entry(local_name(child.name)).or_default().push(json(child));
    }
    let inside = inside.into_iter().map(|(name, list)| (Text::from(name), Json::array(list)));
    let value = if children(element).next().is_some() { String::new() } else { text(element) };
    Json::object(Object::from_iter([
        (Text::from("name"), Json::string(local_name(element.name))),
        (Text::from("value"), Json::string(value)),
        (Text::from("attrs"), Json::object(attributes.collect::<Object>())),
        (Text::from("children"), Json::object(inside.collect::<Object>())),
    ]))
}

/// The person in an Atom `author`, wherever it stands.
pub(super) fn person(element: &Element<'_>) -> super::Person {
    super::Person { name: child_text(element, "name"), email: child_text(element, "email") }
}
