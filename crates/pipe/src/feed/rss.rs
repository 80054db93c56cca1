//! RSS 0.9x, 1.0 (RDF) and 2.0.

use std::collections::BTreeMap;

use super::elements::{attribute, child_text, children, extension_prefix, named, text};
use super::extensions::Extensions;
use super::{Enclosure, Feed, Image, Item, Person, first};
use crate::json::{Json, Object, Text};
use crate::xml::Element;

/// Elements of an item that have a place in the data, or that the reference leaves out.
const KNOWN: [&str; 13] = [
    "title",
    "description",
    "content",
    "content:encoded",
    "link",
    "author",
    "comments",
    "pubdate",
    "source",
    "enclosure",
    "guid",
    "category",
    "image",
];

/// The feed in `<rss>` or `<rdf:RDF>`. RSS 1.0 has items and image beside the channel.
pub(super) fn feed(root: &Element<'_>) -> Feed {
    let Some(channel) = named(root, "channel").last() else {
        return Feed { kind: "rss", items: named(root, "item").map(item).collect(), ..Feed::default() };
    };
    let more = Extensions::of(channel);
    let own = |name: &str| child_text(channel, name);
    let image = named(root, "image").last().or_else(|| named(channel, "image").last());
    Feed {
        kind: "rss",
        title: first([own("title"), more.first_dublin_core("title")]),
        description: first([own("description"), more.itunes("summary")]),
        language: first([own("language"), more.first_dublin_core("language")]),
        copyright: first([own("copyright"), more.first_dublin_core("rights")]),
        published: own("pubdate"),
        updated: first([own("lastbuilddate"), more.first_dublin_core("date")]),
        author: author([own("managingeditor"), own("webmaster")], &more),
        categories: categories(channel, &more),
        image: image.map(|image| child_text(image, "url")).or_else(|| more.itunes_image()),
        items: named(channel, "item").chain(named(root, "item")).map(item).collect(),
    }
}

fn item(element: &Element<'_>) -> Item {
    let more = Extensions::of(element);
    let own = |name: &str| child_text(element, name);
    let links: Vec<_> = named(element, "link").map(text).filter(|link| !link.is_empty()).collect();
    Item {
        title: first([own("title"), more.first_dublin_core("title")]),
        description: first([own("description"), more.first_dublin_core("description"), more.itunes("summary")]),
        content: first([own("content:encoded"), own("content")]),
        link: links.last().cloned().unwrap_or_default(),
        links,
        updated: more.first_dublin_core("date"),
        published: first([own("pubdate"), more.first_dublin_core("date")]),
        author: author([own("author")], &more),
        authors: Vec::new(),
        guid: own("guid"),
        image: image(element, &more),
        categories: categories(element, &more),
        enclosures: named(element, "enclosure").map(enclosure).collect(),
        custom: custom(element),
        extensions: more,
    }
}

fn author<const N: usize>(own: [String; N], more: &Extensions) -> Option<Person> {
    let others = ["author", "creator"].map(|name| more.first_dublin_core(name));
    let text = first([first(own), first(others), more.itunes("author")]);
    (!text.is_empty()).then(|| Person::parse(&text))
}

fn categories(element: &Element<'_>, more: &Extensions) -> Vec<String> {
    let keywords = more.itunes("keywords");
    let keywords = keywords.split(',').filter(|keyword| !keyword.is_empty()).map(str::to_owned);
    named(element, "category").map(text).chain(keywords).chain(more.dublin_core("subject")).collect()
}

fn image(element: &Element<'_>, more: &Extensions) -> Option<Image> {
    if let Some(url) = more.itunes_image() {
        return Some(Image { url, title: String::new() });
    }
    let own = named(element, "image").last()?;
    Some(Image { url: child_text(own, "url"), title: child_text(own, "title") })
}

fn enclosure(element: &Element<'_>) -> Enclosure {
    Enclosure { url: attribute(element, "url"), length: attribute(element, "length"), kind: attribute(element, "type") }
}

fn custom(element: &Element<'_>) -> Object {
    let is_known = |child: &&Element<'_>| KNOWN.iter().any(|known| child.name.eq_ignore_ascii_case(known));
    let strangers = children(element).filter(|child| extension_prefix(child).is_none() && !is_known(child));
    // A table, as nobody bounds how many different ones there are.
    let texts: BTreeMap<_, _> = strangers.map(|child| (child.name, text(child))).collect();
    texts.into_iter().map(|(name, text)| (Text::from(name), Json::string(text))).collect()
}
