//! `response.load()` of scripts, after the call (components-scripting.md §4.5).

use mlua::{Lua, MultiValue, UserData, UserDataMethods, Value};

use super::arguments::{Arguments, lua_text};
use super::event::{Hands, Shared};
use super::headers::{Access, header_list, headers};
use super::tables::TableHandle;
use crate::message::Response;

/// The one response of an event.
pub(super) struct ResponseHandle;

impl UserData for ResponseHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("isComplete", |lua, _, values| on(lua, "isComplete", values, is_complete));
        methods.add_method("statusCode", |lua, _, values| on(lua, "statusCode", values, status_code));
        methods.add_method("headers", |lua, _, values| {
            let arguments = Arguments::of_method("headers", values);
            with_headers(lua, |map, hands| headers(lua, map, hands, &arguments))
        });
        methods.add_method("headerList", |lua, _, values| {
            let arguments = Arguments::of_method("headerList", values);
            with_headers(lua, |map, hands| header_list(lua, map, hands, &arguments))
        });
        methods.add_method("body", |lua, _, values| on(lua, "body", values, body));
        methods.add_method("data", |lua, _, _: MultiValue| {
            let data = Shared::of(lua, |event| event.data())?;
            lua.create_userdata(TableHandle(data))
        });
    }
}

fn on(
    lua: &Lua,
    name: &'static str,
    values: MultiValue,
    act: impl FnOnce(&Lua, &mut Response, &Arguments) -> mlua::Result<Value>,
) -> mlua::Result<Value> {
    let arguments = Arguments::of_method(name, values);
    Shared::of(lua, |event| act(lua, event.response.get_or_insert_default(), &arguments))
}

fn with_headers(lua: &Lua, act: impl FnOnce(Access<'_>, &mut Hands) -> mlua::Result<Value>) -> mlua::Result<Value> {
    Shared::of(lua, |event| {
        let response = event.response.get_or_insert_default();
        act(Access::Own(&mut response.headers), &mut event.hands)
    })
}

fn is_complete(_: &Lua, response: &mut Response, arguments: &Arguments) -> mlua::Result<Value> {
    if arguments.count() == 0 {
        return Ok(Value::Boolean(response.complete));
    }
    response.complete = arguments.boolean(0)?;
    Ok(Value::Nil)
}

/// 0 where the reply's status is not kept.
fn status_code(_: &Lua, response: &mut Response, arguments: &Arguments) -> mlua::Result<Value> {
    if arguments.count() == 0 {
        return Ok(Value::Number(response.status.unwrap_or_default().into()));
    }
    let status = arguments.integer(0)?;
    let wrong = |_| mlua::Error::runtime(format!("{status} is no status of a reply"));
    response.status = Some(u16::try_from(status).map_err(wrong)?);
    Ok(Value::Nil)
}

fn body(lua: &Lua, response: &mut Response, arguments: &Arguments) -> mlua::Result<Value> {
    if arguments.count() == 1 {
        response.raw = Some(arguments.bytes(0)?.into());
        return Ok(Value::Nil);
    }
    lua_text(lua, response.raw.as_deref().unwrap_or_default()).map(Value::String)
}
