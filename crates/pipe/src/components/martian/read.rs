//! From a configuration to what is done: the table of modifiers, and how each is found in its object.
//!
//! The value is an object with one key, which names a modifier; modifiers stand inside groups and filters in the same form.

use siphon_config::model::Component;
use siphon_config::nearest;
use siphon_config::tree::{Node, Value, join};

use super::message::Acts;
use super::scope::{self, BOTH, REQUEST, RESPONSE, Sides};
use super::static_file::Folder;
use super::{body, cookie, filter, group, header, schema, stash, static_file, status, url};
use crate::components::Checked;

/// One modifier.
pub(super) struct Kind {
    pub name: &'static str,
    /// Where it can act.
    pub sides: Sides,
    /// Schema of its own keys.
    pub schema: fn() -> serde_json::Value,
    pub holds: Holds,
    /// From its object and the sides on which it is to act.
    read: Read,
}

type Read = fn(&mut Reader, &Component, Sides) -> Checked<Acts>;

/// Which keys of a modifier hold others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Nothing,
    /// `modifier`.
    One,
    /// `modifier` and `else`.
    Either,
    /// `modifiers`, one after another.
    Many,
    /// `modifiers`, each with its `priority`.
    Ranked,
}

const fn kind(name: &'static str, sides: Sides, schema: fn() -> serde_json::Value, holds: Holds, read: Read) -> Kind {
    Kind { name, sides, schema, holds, read }
}

/// Every modifier.
pub(super) static KINDS: &[Kind] = &[
    kind("header.Modifier", BOTH, schema::of::<header::Pair>, Holds::Nothing, header::modifier),
    kind("header.Append", BOTH, schema::of::<header::Pair>, Holds::Nothing, header::append),
    kind("header.Blacklist", BOTH, schema::of::<header::Names>, Holds::Nothing, header::blacklist),
    kind("header.Copy", BOTH, schema::of::<header::FromTo>, Holds::Nothing, header::copy),
    kind("header.Id", REQUEST, schema::of::<header::Id>, Holds::Nothing, header::id),
    kind("header.Verifier", BOTH, schema::of::<header::Verifier>, Holds::Nothing, header::verifier),
    kind("body.Modifier", BOTH, schema::of::<body::Settings>, Holds::Nothing, body::modifier),
    kind("cookie.Modifier", BOTH, schema::of::<cookie::Settings>, Holds::Nothing, cookie::modifier),
    kind("url.Modifier", REQUEST, schema::of::<url::Parts>, Holds::Nothing, url::modifier),
    kind("querystring.Modifier", REQUEST, schema::of::<url::Parameter>, Holds::Nothing, url::parameter),
    kind("port.Modifier", REQUEST, schema::of::<url::Port>, Holds::Nothing, url::port),
    kind("stash.Modifier", BOTH, schema::of::<stash::Settings>, Holds::Nothing, stash::modifier),
    kind("status.Modifier", RESPONSE, schema::of::<status::Settings>, Holds::Nothing, status::modifier),
    kind("static.Modifier", BOTH, schema::of::<static_file::Settings>, Holds::Nothing, static_file::modifier),
    kind("fifo.Group", BOTH, schema::of::<group::Fifo>, Holds::Many, group::fifo),
    kind("priority.Group", BOTH, schema::of::<group::Priority>, Holds::Ranked, group::priority),
    kind("header.Filter", BOTH, schema::of::<filter::Header>, Holds::Either, filter::header),
    kind("header.RegexFilter", BOTH, schema::of::<filter::HeaderRegex>, Holds::One, filter::header_regex),
    kind("cookie.Filter", BOTH, schema::of::<filter::Named>, Holds::Either, filter::cookie),
    kind("querystring.Filter", BOTH, schema::of::<filter::Named>, Holds::Either, filter::parameter),
    kind("url.Filter", BOTH, schema::of::<filter::Url>, Holds::Either, filter::url),
    kind("url.RegexFilter", BOTH, schema::of::<filter::UrlRegex>, Holds::Either, filter::url_regex),
    kind("port.Filter", BOTH, schema::of::<filter::Port>, Holds::One, filter::port),
];

/// What was met while reading.
pub(super) struct Reader {
    /// Of `static.Modifier`s that act on answers, in the order in which they were read.
    pub folders: Vec<Folder>,
    /// A modifier leads calls to https.
    pub needs_tls: bool,
    /// Sides on which the groups and filters act that are being read.
    within: Sides,
}

impl Default for Reader {
    fn default() -> Self {
        Self { folders: Vec::new(), needs_tls: false, within: BOTH }
    }
}

impl Reader {
    /// The modifier in the object at `place`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it and with those inside it.
    pub fn modifier(&mut self, place: &Component) -> Checked<Acts> {
        let name = one_key(place).map_err(|message| vec![place.problem("", &message)])?;
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
            return Err(vec![place.problem(name, &format!("parse: unknown modifier: {name}{}", instead_of(name)))]);
        };
        let inner = below(place, name).expect("the key was found");
        let sides = scope::of(&inner, name, kind.sides)?.within(self.within, &inner)?;
        let around = std::mem::replace(&mut self.within, sides);
        let acts = (kind.read)(self, &inner, sides);
        self.within = around;
        let acts = acts?;
        Ok(Acts {
            on_call: acts.on_call.filter(|_| sides.request),
            on_answer: acts.on_answer.filter(|_| sides.response),
        })
    }

    /// The modifier at `key` of `place`; `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`modifier`](Self::modifier).
    pub fn at(&mut self, place: &Component, key: &str) -> Checked<Option<Acts>> {
        below(place, key).map(|inner| self.modifier(&inner)).transpose()
    }
}

/// What may be meant by a name that no modifier has: the nearest, else all.
fn instead_of(name: &str) -> String {
    let names = || KINDS.iter().map(|kind| kind.name);
    match nearest::hint(name, names()) {
        hint if hint.is_empty() => format!("; this build has {}", names().collect::<Vec<_>>().join(", ")),
        hint => hint,
    }
}

/// The name of the modifier in an object. Comments beside it do not count.
fn one_key(place: &Component) -> Result<&str, String> {
    let Value::Map(entries) = &place.settings.value else {
        return Err(format!("expected an object with one modifier, found {}", place.settings.kind()));
    };
    let keys: Vec<_> = entries.iter().filter(|entry| !entry.is_comment()).map(|entry| entry.key.as_str()).collect();
    match keys.as_slice() {
        [one] => Ok(one),
        [] => Err("parse: expected one modifier, received 0; write one as {\"header.Modifier\": {…}}".to_owned()),
        several => {
            let (count, names) = (several.len(), several.join(", "));
            Err(format!("parse: expected one modifier, received {count}: {names}; put them into a fifo.Group"))
        }
    }
}

/// What stands at `key` of `place`, as a component of its own.
fn below(place: &Component, key: &str) -> Option<Component> {
    place.settings.get(key).map(|node| inside(place, key, node))
}

/// The elements of the list at `key` of `place`; none where there is no list.
///
/// # Errors
///
/// Something else than a list.
pub(super) fn elements(place: &Component, key: &str) -> Checked<Vec<Component>> {
    let Some(list) = below(place, key) else { return Ok(Vec::new()) };
    let Value::List(items) = &list.settings.value else {
        let message = format!("expected a list of modifiers, found {}", list.settings.kind());
        return Err(vec![list.problem("", &message)]);
    };
    Ok(items.iter().enumerate().map(|(index, item)| inside(&list, &format!("[{index}]"), item)).collect())
}

fn inside(place: &Component, key: &str, node: &Node) -> Component {
    Component { namespace: place.namespace.clone(), path: join(&place.path, key), settings: node.clone() }
}

/// The settings of a modifier.
///
/// # Errors
///
/// The first value that does not fit.
pub(super) fn settings<T: serde::de::DeserializeOwned>(place: &Component) -> Checked<T> {
    place.read().map_err(|problem| vec![problem])
}

/// Turns a sentence about the value at a key into a problem with its place.
pub(super) fn refuse(place: &Component, key: &str) -> impl Fn(String) -> Vec<siphon_config::Problem> {
    let place = place.clone();
    let key = key.to_owned();
    move |message| vec![place.problem(&key, &message)]
}
