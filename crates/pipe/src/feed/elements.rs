//! Looking at the elements of a feed.

use crate::xml::{Content, Element};

/// Prefixes whose elements belong to the feed itself.
const OWN_PREFIXES: [&str; 4] = ["rss", "rdf", "content", "xhtml"];

/// The prefix that makes an element an extension, in small letters; `None` for elements of the feed.
pub(super) fn extension_prefix(element: &Element<'_>) -> Option<String> {
    let prefix = element.name.split_once(':')?.0.to_ascii_lowercase();
    (!OWN_PREFIXES.contains(&prefix.as_str())).then_some(prefix)
}

/// The elements inside, in their order.
pub(super) fn children<'e, 't>(element: &'e Element<'t>) -> impl Iterator<Item = &'e Element<'t>> {
    element.content.iter().filter_map(|content| match content {
        Content::Element(child) => Some(child),
        Content::Text(_) => None,
    })
}

/// The feed's own children of a name, whatever its letter case.
pub(super) fn named<'e, 't>(element: &'e Element<'t>, name: &str) -> impl Iterator<Item = &'e Element<'t>> {
    children(element).filter(move |child| child.name.eq_ignore_ascii_case(name))
}

/// The text of the last child of a name; empty without one.
pub(super) fn child_text(element: &Element<'_>, name: &str) -> String {
    named(element, name).last().map(text).unwrap_or_default()
}

/// The value of an attribute; empty without it.
pub(super) fn attribute(element: &Element<'_>, name: &str) -> String {
    let found = element.attributes.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.clone().into_owned()).unwrap_or_default()
}

/// What stands inside: all texts, or, where elements are among them (XHTML), the markup as it was written.
pub(super) fn text(element: &Element<'_>) -> String {
    if children(element).next().is_some() {
        return element.inner.trim().to_owned();
    }
    let texts = element.content.iter().filter_map(|content| match content {
        Content::Text(text) => Some(text.as_ref()),
        Content::Element(_) => None,
    });
    texts.collect::<String>().trim().to_owned()
}
