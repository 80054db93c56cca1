//! Headers in the hands of scripts: names in their usual spelling, values as bytes.

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use mlua::{AnyUserData, Lua, Value};

use super::arguments::{Arguments, lua_text};
use super::data::{Content, Item, Node};
use super::tables::{ListHandle, TableHandle};
use crate::json::{Json, View};

/// `headers()`, `headers(name)`, `headers(name, value)`; a `nil` for the value takes the header away.
pub(super) fn headers(lua: &Lua, map: Access<'_>, arguments: &Arguments) -> mlua::Result<Value> {
    match arguments.count() {
        0 => lua.create_userdata(TableHandle(all(map.read()))).map(Value::UserData),
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
                map.write().insert(name, value);
            }
            Ok(Value::Nil)
        }
    }
}

/// `headerList(name)`, `headerList(name, list)`.
pub(super) fn header_list(lua: &Lua, map: Access<'_>, arguments: &Arguments) -> mlua::Result<Value> {
    arguments.at_least(1)?;
    let name = name_of(&arguments.text(0)?)?;
    if arguments.count() == 1 {
        let list = Node::list(values(map.read(), &name));
        return lua.create_userdata(ListHandle(list)).map(Value::UserData);
    }
    let list = arguments.value(1).as_userdata().and_then(|list| AnyUserData::borrow::<ListHandle>(list).ok());
    let list = list.ok_or_else(|| mlua::Error::runtime("invalid header value, must be a luaList"))?;
    let values = texts(&list.0).iter().map(|value| value_of(&name, value.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let map = map.write();
    map.remove(&name);
    for value in values {
        map.append(name.clone(), value);
    }
    Ok(Value::Nil)
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

fn all(map: &HeaderMap) -> Node {
    let list = |name: &HeaderName| Item::Open(Node::list(values(map, name)));
    let fields = map.keys().map(|name| (usual(name.as_str()).into(), list(name)));
    let table = Node::table();
    *table.content() = Content::Table(fields.collect());
    table
}

fn values(map: &HeaderMap, name: &HeaderName) -> Vec<Item> {
    let text = |value: &HeaderValue| Json::string(String::from_utf8_lossy(value.as_bytes()).into_owned());
    map.get_all(name).iter().map(|value| Item::Plain(text(value))).collect()
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
    let wrong = |_| format!("the value for {} has a character that no header may have", usual(name.as_str()));
    HeaderValue::from_bytes(value).map_err(wrong).map_err(mlua::Error::runtime)
}

/// `x-request-id` as `X-Request-Id`.
fn usual(name: &str) -> String {
    let mut begins = true;
    let spell = |letter: char| {
        let spelt = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = letter == '-';
        spelt
    };
    name.chars().map(spell).collect()
}
