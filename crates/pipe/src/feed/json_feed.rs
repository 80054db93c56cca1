//! JSON Feed, versions 1 and 1.1 (<https://www.jsonfeed.org/version/1.1/>).

use super::{Enclosure, Feed, Image, Item, Person, first};
use crate::json::{Json, JsonRef, View};

/// The feed in a JSON object; what it does not have is empty.
///
/// # Errors
///
/// No JSON, with the place.
pub(super) fn decode(body: &[u8]) -> Result<Feed, String> {
    let json = Json::parse(body).map_err(|error| error.to_string())?;
    let root = JsonRef::from(&json);
    let items: Vec<_> = elements(root, "items").map(item).collect();
    let of_first = |text: fn(&Item) -> &String| items.first().map(text).cloned().unwrap_or_default();
    let image = first([text(root, "icon"), text(root, "favicon")]);
    Ok(Feed {
        kind: "json",
        title: text(root, "title"),
        description: text(root, "description"),
        language: text(root, "language"),
        copyright: String::new(),
        published: of_first(|item| &item.published),
        updated: of_first(|item| &item.updated),
        author: people(root).into_iter().next(),
        categories: Vec::new(),
        image: (!image.is_empty()).then_some(image),
        items,
    })
}

fn item(value: JsonRef<'_>) -> Item {
    let own = |name: &str| text(value, name);
    let authors = people(value);
    let image = first([own("image"), own("banner_image")]);
    Item {
        title: own("title"),
        description: own("summary"),
        content: first([own("content_html"), own("content_text")]),
        link: own("url"),
        links: [own("url"), own("external_url")].into_iter().filter(|link| !link.is_empty()).collect(),
        updated: own("date_modified"),
        published: own("date_published"),
        author: authors.first().cloned(),
        authors,
        guid: own("id"),
        image: (!image.is_empty()).then(|| Image { url: image, title: String::new() }),
        categories: elements(value, "tags").map(shown).filter(|tag| !tag.is_empty()).collect(),
        enclosures: elements(value, "attachments").map(enclosure).collect(),
        ..Item::default()
    }
}

fn enclosure(value: JsonRef<'_>) -> Enclosure {
    Enclosure { url: text(value, "url"), length: text(value, "size_in_bytes"), kind: text(value, "mime_type") }
}

/// `authors` of version 1.1, else the one `author` of version 1.
fn people(value: JsonRef<'_>) -> Vec<Person> {
    let named = |person: JsonRef<'_>| Some(text(person, "name")).filter(|name| !name.is_empty());
    let mut people: Vec<_> = elements(value, "authors").filter_map(named).collect();
    if people.is_empty() {
        people.extend(value.get("author").and_then(named));
    }
    people.iter().map(|name| Person::parse(name)).collect()
}

fn elements<'j>(value: JsonRef<'j>, key: &str) -> impl Iterator<Item = JsonRef<'j>> {
    let items = match value.get(key).map(JsonRef::view) {
        Some(View::Array(items)) => Some(items),
        _ => None,
    };
    items.into_iter().flatten()
}

fn text(value: JsonRef<'_>, key: &str) -> String {
    value.get(key).map(shown).unwrap_or_default()
}

/// Texts, and numbers as they are written: ids are often numbers.
fn shown(value: JsonRef<'_>) -> String {
    match value.view() {
        View::String(text) | View::Number(text) => text.to_owned(),
        _ => String::new(),
    }
}
