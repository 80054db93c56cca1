//! `request.load()` of scripts (components-scripting.md §4.4).

use std::sync::Arc;

use ::http::{Method, Uri};
use form_urlencoded::Serializer;
use mlua::{Lua, LuaString, MultiValue, UserData, UserDataMethods, Value};

use super::allowance::Allowance;
use super::arguments::{Arguments, lua_text};
use super::data::{Item, Node};
use super::event::{Event, Shared};
use super::headers::{Access, header_list, headers};
use super::tables::TableHandle;
use crate::components::Level;
use crate::hosts::is_callable;
use crate::json::Json;

/// The one request of an event. It has nothing of its own: the state knows the event.
pub(super) struct RequestHandle;

impl UserData for RequestHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("method", |lua, _, values| on(lua, "method", values, method));
        methods.add_method("path", |lua, _, values| on(lua, "path", values, path));
        methods.add_method("query", |lua, _, values| on(lua, "query", values, query));
        methods.add_method("url", |lua, _, values| on(lua, "url", values, url));
        methods.add_method("params", |lua, _, values| on(lua, "params", values, params));
        methods.add_method("headers", |lua, _, values| {
            on(lua, "headers", values, |lua, event, arguments| {
                headers(lua, Access::Shared(&mut event.request.headers), &mut event.hands, arguments)
            })
        });
        methods.add_method("headerList", |lua, _, values| {
            on(lua, "headerList", values, |lua, event, arguments| {
                header_list(lua, Access::Shared(&mut event.request.headers), &mut event.hands, arguments)
            })
        });
        methods.add_method("body", |lua, _, values| on(lua, "body", values, body));
    }
}

/// A method of the request, with its event and arguments.
fn on(
    lua: &Lua,
    name: &'static str,
    values: MultiValue,
    act: impl FnOnce(&Lua, &mut Event, &Arguments) -> mlua::Result<Value>,
) -> mlua::Result<Value> {
    let arguments = Arguments::of_method(name, values);
    Shared::of(lua, |event| act(lua, event, &arguments))
}

fn text(lua: &Lua, text: &str) -> mlua::Result<Value> {
    lua_text(lua, text).map(Value::String)
}

fn method(lua: &Lua, event: &mut Event, arguments: &Arguments) -> mlua::Result<Value> {
    if arguments.count() == 0 {
        return match (&event.written.method, event.level) {
            (Some(method), _) => text(lua, method),
            (None, Level::Agent) => text(lua, ""),
            (None, Level::Backend) => text(lua, event.request.method.as_str()),
        };
    }
    let given = arguments.text(0)?;
    if event.level == Level::Backend {
        let method = Method::from_bytes(given.to_ascii_uppercase().as_bytes());
        event.request.method = method.map_err(|_| wrong("net/http: invalid method", &given))?;
    }
    event.written.method = Some(given);
    Ok(Value::Nil)
}

fn path(lua: &Lua, event: &mut Event, arguments: &Arguments) -> mlua::Result<Value> {
    if arguments.count() == 0 {
        let given = event.written.path.as_deref();
        return text(lua, given.or(event.url().map(Uri::path)).unwrap_or_default());
    }
    event.written.path = Some(arguments.text(0)?);
    Ok(Value::Nil)
}

/// Encoded and sorted by key.
fn query(lua: &Lua, event: &mut Event, arguments: &Arguments) -> mlua::Result<Value> {
    if arguments.count() == 0 {
        let mut pairs: Vec<_> = event.request.query.iter().collect();
        pairs.sort_by(|(one, _), (two, _)| one.cmp(two));
        return text(lua, &Serializer::new(String::new()).extend_pairs(pairs.into_iter().map(pair)).finish());
    }
    event.request.query = form_urlencoded::parse(&arguments.bytes(0)?).into_owned().collect();
    Ok(Value::Nil)
}

fn pair((key, value): &(String, String)) -> (&str, &str) {
    (key, value)
}

fn url(lua: &Lua, event: &mut Event, arguments: &Arguments) -> mlua::Result<Value> {
    if arguments.count() == 0 {
        let whole = event.written.url.clone().or_else(|| event.url().map(ToString::to_string));
        return text(lua, &whole.unwrap_or_default());
    }
    let given = arguments.text(0)?;
    if event.level == Level::Backend {
        event.request.url = callable(&given).ok_or_else(|| wrong("no URL that can be called:", &given))?;
    }
    event.written.url = Some(given);
    Ok(Value::Nil)
}

/// A whole URL of HTTP.
pub(super) fn callable(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    Some(url).filter(|url| is_http && url.authority().is_some_and(is_callable))
}

/// Names begin with a capital letter, however the script spells the first one.
fn params(lua: &Lua, event: &mut Event, arguments: &Arguments) -> mlua::Result<Value> {
    match arguments.count() {
        0 => {
            let bytes = event.request.params.iter().map(|(name, value)| name.len() + value.len()).sum();
            let fields =
                event.request.params.iter().map(|(name, value)| (name.into(), Item::Plain(Json::string(value))));
            let table = Node::of_fields(fields.collect());
            event.hands.note(&table, bytes)?;
            lua.create_userdata(TableHandle(table)).map(Value::UserData)
        }
        1 => {
            let (name, params) = (arguments.text(0)?, &event.request.params);
            let value = params.get(&name).or_else(|| params.get(&capitalised(&name)));
            text(lua, value.unwrap_or_default())
        }
        _ => {
            let (name, value) = (arguments.text(0)?, arguments.text(1)?);
            let bytes = Allowance::VALUE + name.len() + value.len();
            event.hands.added.spend(bytes).map_err(mlua::Error::runtime)?;
            Arc::make_mut(&mut event.request.params).insert(name, value);
            Ok(Value::Nil)
        }
    }
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at_checked(1).unwrap_or((name, ""));
    first.to_ascii_uppercase() + rest
}

fn body(lua: &Lua, event: &mut Event, arguments: &Arguments) -> mlua::Result<Value> {
    if arguments.count() == 1 {
        event.request.body = arguments.bytes(0)?.into();
        return Ok(Value::Nil);
    }
    let body: LuaString = lua_text(lua, &event.request.body)?;
    Ok(Value::String(body))
}

fn wrong(what: &str, given: &str) -> mlua::Error {
    mlua::Error::runtime(format!("{what} \"{}\"", crate::error::shortened(siphon_telemetry::redact::url(given))))
}
