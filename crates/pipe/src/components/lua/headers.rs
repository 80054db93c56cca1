//! Headers in the hands of scripts: names in their usual spelling, values as bytes.

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use mlua::{AnyUserData, Lua, Value};
use siphon_config::canonical_header;

use super::allowance::Allowance;
use super::arguments::{Arguments, lua_text};
use super::data::{Content, Item, Node};
use super::event::Hands;
use super::tables::{ListHandle, TableHandle};
use crate::json::{Json, View};

/// `headers()`, `headers(name)`, `headers(name, value)`; a `nil` for the value takes the header away.
pub(super) fn headers(lua: &Lua, map: Access<'_>, hands: &mut Hands, arguments: &Arguments) -> mlua::Result<Value> {
    match arguments.count() {
        0 => {
            let lists = all(map.read(), hands)?;
            lua.create_userdata(TableHandle(lists)).map(Value::UserData)
        }
        1 => {
            let name = arguments.text(0)?;
            let value = name_of(&name).ok().and_then(|name| map.read().get(name));
            lua_text(lua, value.map(HeaderValue::as_bytes).unwrap_or_default()).map(Value::String)
        }
        _ => {
            let name = name_of(&arguments.text(0)?)?;
            if arguments.value(1).is_nil() {
                map.write().remove(name);
            } else {
                let value = value_of(&name, &arguments.bytes(1)?)?;
                spend(hands, &name, &value)?;
                insert(map.write(), &name, value)?;
            }
            Ok(Value::Nil)
        }
    }
}

/// `headerList(name)`, `headerList(name, list)`.
pub(super) fn header_list(lua: &Lua, map: Access<'_>, hands: &mut Hands, arguments: &Arguments) -> mlua::Result<Value> {
    arguments.at_least(1)?;
    let name = name_of(&arguments.text(0)?)?;
    if arguments.count() == 1 {
        let list = values(map.read(), &name, hands)?;
        return lua.create_userdata(ListHandle(list)).map(Value::UserData);
    }
    let list = arguments.value(1).as_userdata().and_then(|list| AnyUserData::borrow::<ListHandle>(list).ok());
    let list = list.ok_or_else(|| mlua::Error::runtime("invalid header value, must be a luaList"))?;
    let values = texts(&list.0).iter().map(|value| value_of(&name, value.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let map = map.write();
    map.remove(&name);
    for value in values {
        spend(hands, &name, &value)?;
        append(map, &name, value)?;
    }
    Ok(Value::Nil)
}

/// Values of headers that scripts may make. A map of headers has no room for many more.
const HEADER_LIMIT: usize = 10_000;

/// The one value of a header.
///
/// # Errors
///
/// As [`append`].
fn insert(map: &mut HeaderMap, name: &HeaderName, value: HeaderValue) -> mlua::Result<()> {
    match map.contains_key(name) {
        false => append(map, name, value),
        true => map.try_insert(name, value).map(drop).map_err(|_| too_many()),
    }
}

fn too_many() -> mlua::Error {
    mlua::Error::runtime(format!("more than {HEADER_LIMIT} headers"))
}

/// One more value.
///
/// # Errors
///
/// Where there is no room.
pub(super) fn append(map: &mut HeaderMap, name: &HeaderName, value: HeaderValue) -> mlua::Result<()> {
    let is_full = map.len() >= HEADER_LIMIT || map.try_append(name, value).is_err();
    if is_full { Err(too_many()) } else { Ok(()) }
}

fn spend(hands: &mut Hands, name: &HeaderName, value: &HeaderValue) -> mlua::Result<()> {
    let bytes = Allowance::VALUE + name.as_str().len() + value.len();
    hands.added.spend(bytes).map_err(mlua::Error::runtime)
}

/// Headers that are copied only when they are changed.
pub(super) enum Access<'m> {
    Shared(&'m mut std::sync::Arc<HeaderMap>),
    Own(&'m mut HeaderMap),
}

impl<'m> Access<'m> {
    fn read(&self) -> &HeaderMap {
        match self {
            Self::Shared(map) => map,
            Self::Own(map) => map,
        }
    }

    fn write(self) -> &'m mut HeaderMap {
        match self {
            Self::Shared(map) => std::sync::Arc::make_mut(map),
            Self::Own(map) => map,
        }
    }
}

fn all(map: &HeaderMap, hands: &mut Hands) -> mlua::Result<Node> {
    let mut list = |name: &HeaderName| values(map, name, hands).map(Item::Open);
    let fields = map.keys().map(|name| Ok((canonical_header(name.as_str()).into(), list(name)?)));
    let table = Node::of_fields(fields.collect::<mlua::Result<_>>()?);
    hands.note(&table, map.keys().map(|name| name.as_str().len()).sum())?;
    Ok(table)
}

fn values(map: &HeaderMap, name: &HeaderName, hands: &mut Hands) -> mlua::Result<Node> {
    let text = |value: &HeaderValue| Json::string(String::from_utf8_lossy(value.as_bytes()).into_owned());
    let list = Node::list(map.get_all(name).iter().map(|value| Item::Plain(text(value))).collect());
    hands.note(&list, map.get_all(name).iter().map(HeaderValue::len).sum())?;
    Ok(list)
}

/// Texts as they are, numbers and booleans as JSON writes them.
fn texts(list: &Node) -> Vec<String> {
    let text = |item: &Item| match item {
        Item::Plain(json) => match json.view() {
            View::String(text) => text.to_owned(),
            _ => json.to_string(),
        },
        Item::Open(_) => String::new(),
    };
    match &*list.content() {
        Content::List(items) => items.iter().map(text).collect(),
        Content::Table(_) => Vec::new(),
    }
}

pub(super) fn name_of(name: &str) -> mlua::Result<HeaderName> {
    HeaderName::try_from(name).map_err(|_| mlua::Error::runtime(format!("\"{name}\" is no name of a header")))
}

pub(super) fn value_of(name: &HeaderName, value: &[u8]) -> mlua::Result<HeaderValue> {
    let wrong =
        |_| format!("the value for {} has a character that no header may have", canonical_header(name.as_str()));
    HeaderValue::from_bytes(value).map_err(wrong).map_err(mlua::Error::runtime)
}
