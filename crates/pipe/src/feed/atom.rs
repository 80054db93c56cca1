//! Atom (RFC 4287).

use super::elements::{attribute, child_text, named, text};
use super::extensions::{Extensions, person};
use super::{Enclosure, Feed, Item, first};
use crate::xml::Element;

pub(super) fn feed(root: &Element<'_>) -> Feed {
    let own = |name: &str| child_text(root, name);
    let logo = own("logo");
    Feed {
        kind: "atom",
        title: own("title"),
        description: own("subtitle"),
        language: attribute(root, "xml:lang"),
        copyright: own("rights"),
        published: String::new(),
        updated: own("updated"),
        author: named(root, "author").map(person).next(),
        categories: categories(root),
        image: (!logo.is_empty()).then_some(logo),
        items: named(root, "entry").map(entry).collect(),
    }
}

fn entry(element: &Element<'_>) -> Item {
    let own = |name: &str| child_text(element, name);
    let links = |kinds: &'static [&'static str]| {
        named(element, "link").filter(move |link| kinds.contains(&attribute(link, "rel").as_str()))
    };
    let pages: Vec<_> = links(&["", "alternate"]).map(|link| attribute(link, "href")).collect();
    let authors: Vec<_> = named(element, "author").map(person).collect();
    Item {
        title: own("title"),
        description: own("summary"),
        content: own("content"),
        link: pages.first().cloned().unwrap_or_default(),
        links: pages,
        updated: own("updated"),
        published: first([own("published"), own("updated")]),
        author: authors.first().cloned(),
        authors,
        guid: own("id"),
        categories: categories(element),
        enclosures: links(&["enclosure"]).map(enclosure).collect(),
        extensions: Extensions::of(element),
        ..Item::default()
    }
}

/// The label for people, else the term.
fn categories(element: &Element<'_>) -> Vec<String> {
    named(element, "category").map(|one| first([attribute(one, "label"), attribute(one, "term"), text(one)])).collect()
}

fn enclosure(link: &Element<'_>) -> Enclosure {
    Enclosure { url: attribute(link, "href"), length: attribute(link, "length"), kind: attribute(link, "type") }
}
