//! `encoding: rss`: a feed becomes data (components-traffic.md §15.2). RSS 0.9x, 1.0 and 2.0, Atom and JSON Feed are
//! told apart by what they are, not by what they are called.

mod atom;
mod dates;
mod elements;
mod extensions;
mod json_feed;
mod rss;

use crate::json::{Json, Object};
use crate::place::Place;
use crate::xml::{self, Reading, XmlError, local_name};

/// The data of a feed: always `items`, `author`, `categories`, `custom`, `copyright`, `description`, `type`,
/// `language`, `title`, `published`, `updated`; `img_url` with an image.
///
/// # Errors
///
/// `Failed to detect feed type`, or what is wrong with the XML or JSON; with the place.
pub(crate) fn decode(body: &[u8]) -> Result<Json, String> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        return json_feed::decode(body).map(Feed::into_json);
    }
    let text = xml::to_text(body)?;
    let root = xml::read(&text, Reading::Forgiving).map_err(|error| match error {
        XmlError::NoElement { place } => undetected(place),
        XmlError::Syntax { .. } => error.to_string(),
    })?;
    match local_name(root.name).to_ascii_lowercase().as_str() {
        "rss" | "rdf" => Ok(rss::feed(&root).into_json()),
        "feed" => Ok(atom::feed(&root).into_json()),
        _ => Err(undetected(Place::of_content(text.as_bytes()))),
    }
}

fn undetected(place: Place) -> String {
    format!("Failed to detect feed type at {place}")
}

/// What all kinds of feeds have.
#[derive(Debug, Default)]
struct Feed {
    kind: &'static str,
    title: String,
    description: String,
    language: String,
    copyright: String,
    published: String,
    updated: String,
    author: Option<Person>,
    categories: Vec<String>,
    image: Option<String>,
    items: Vec<Item>,
}

impl Feed {
    fn into_json(self) -> Json {
        let mut out = Object::new();
        out.insert("items", Json::array(self.items.into_iter().map(Item::into_json).collect()));
        out.insert("author", self.author.map_or(Json::NULL, Person::into_json));
        out.insert("categories", if self.categories.is_empty() { Json::NULL } else { texts(self.categories) });
        // The reference has a place for it, and nothing that fills it.
        out.insert("custom", Json::NULL);
        let named = [
            ("copyright", self.copyright),
            ("description", self.description),
            ("type", self.kind.to_owned()),
            ("language", self.language),
            ("title", self.title),
            ("published", self.published),
            ("updated", self.updated),
        ];
        named.into_iter().for_each(|(key, text)| out.insert(key, Json::string(text)));
        if let Some(url) = self.image {
            out.insert("img_url", Json::string(url));
        }
        Json::object(out)
    }
}

/// One entry of a feed. What it does not have is left out of the data.
#[derive(Debug, Default)]
struct Item {
    title: String,
    description: String,
    content: String,
    link: String,
    links: Vec<String>,
    updated: String,
    published: String,
    author: Option<Person>,
    /// Empty where there is only `author`.
    authors: Vec<Person>,
    guid: String,
    image: Option<Image>,
    categories: Vec<String>,
    enclosures: Vec<Enclosure>,
    extensions: extensions::Extensions,
    /// Elements that no feed has, by their names.
    custom: Object,
}

impl Item {
    fn into_json(self) -> Json {
        let mut out = Object::new();
        put(&mut out, "title", self.title);
        put(&mut out, "description", self.description);
        put(&mut out, "content", self.content);
        put(&mut out, "link", self.link);
        list(&mut out, "links", self.links.into_iter().map(Json::string));
        dated(&mut out, "updated", "updatedParsed", self.updated);
        dated(&mut out, "published", "publishedParsed", self.published);
        let authors = if self.authors.is_empty() { self.author.iter().cloned().collect() } else { self.authors };
        if let Some(author) = self.author {
            out.insert("author", author.into_json());
        }
        list(&mut out, "authors", authors.into_iter().map(Person::into_json));
        put(&mut out, "guid", self.guid);
        if let Some(image) = self.image {
            out.insert("image", image.into_json());
        }
        list(&mut out, "categories", self.categories.into_iter().map(Json::string));
        list(&mut out, "enclosures", self.enclosures.into_iter().map(Enclosure::into_json));
        self.extensions.put_into(&mut out);
        if !self.custom.is_empty() {
            out.insert("custom", Json::object(self.custom));
        }
        Json::object(out)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Person {
    name: String,
    email: String,
}

impl Person {
    /// `a@b.example (Ann)`, `Ann (a@b.example)`, `Ann <a@b.example>`, or one of the two alone.
    fn parse(text: &str) -> Self {
        let text = text.trim();
        let (outside, inside) = match text.split_once(['(', '<']) {
            Some((outside, inside)) => (outside.trim(), inside.trim_end_matches([')', '>']).trim()),
            None => (text, ""),
        };
        let (email, name) = if outside.contains('@') { (outside, inside) } else { (inside, outside) };
        if email.is_empty() || email.contains('@') {
            return Self { name: name.into(), email: email.into() };
        }
        Self { name: text.into(), email: String::new() }
    }

    fn into_json(self) -> Json {
        let mut out = Object::new();
        put(&mut out, "name", self.name);
        put(&mut out, "email", self.email);
        Json::object(out)
    }
}

#[derive(Debug, Default)]
struct Image {
    url: String,
    title: String,
}

impl Image {
    fn into_json(self) -> Json {
        let mut out = Object::new();
        put(&mut out, "url", self.url);
        put(&mut out, "title", self.title);
        Json::object(out)
    }
}

#[derive(Debug, Default)]
struct Enclosure {
    url: String,
    length: String,
    kind: String,
}

impl Enclosure {
    fn into_json(self) -> Json {
        let mut out = Object::new();
        put(&mut out, "url", self.url);
        put(&mut out, "length", self.length);
        put(&mut out, "type", self.kind);
        Json::object(out)
    }
}

fn texts(list: Vec<String>) -> Json {
    Json::array(list.into_iter().map(Json::string).collect())
}

/// Puts a text that there is.
fn put(out: &mut Object, key: &'static str, text: String) {
    if !text.is_empty() {
        out.insert(key, Json::string(text));
    }
}

/// Puts a list that is not empty.
fn list(out: &mut Object, key: &'static str, items: impl Iterator<Item = Json>) {
    let items: Vec<_> = items.collect();
    if !items.is_empty() {
        out.insert(key, Json::array(items));
    }
}

/// Puts a date as it is written, and beside it in one form where it is understood.
fn dated(out: &mut Object, key: &'static str, parsed_key: &'static str, text: String) {
    let parsed = dates::normalised(&text);
    put(out, key, text);
    put(out, parsed_key, parsed.unwrap_or_default());
}

/// The first of several texts that is not empty.
fn first<const N: usize>(texts: [String; N]) -> String {
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
