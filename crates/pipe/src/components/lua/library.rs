//! What our side gives to `prelude.lua`, which makes the world of a script of it.

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};
use siphon_telemetry::{Label, ScriptPrinted};

use super::allowance::Allowance;
use super::arguments::{Arguments, bytes_of, lua_text, type_name};
use super::data::{Item, Node};
use super::event::Shared;
use super::limits::Limits;
use super::request::RequestHandle;
use super::response::ResponseHandle;
use super::tables::{Given, ListHandle, NilHandle, Place, TableHandle, to_lua};
use super::{call, concat, fault, number, program};
use crate::json::Json;

/// The function that [`concat`] puts around operands.
pub(super) const NUMBER_TEXT: &str = "number_text";

/// Texts from this length on take time where they are joined.
const LONG_TEXT: usize = 64 * 1024;

/// The functions, by the names that `prelude.lua` knows.
pub(super) fn natives(lua: &Lua, limits: &Limits, label: &Label) -> mlua::Result<Table> {
    let natives = lua.create_table()?;
    let request = lua.create_userdata(RequestHandle)?;
    natives.set("load_request", lua.create_function(move |_, ()| Ok(request.clone()))?)?;
    let response = lua.create_userdata(ResponseHandle)?;
    natives.set("load_response", lua.create_function(move |_, ()| Ok(response.clone()))?)?;
    natives.set("new_table", lua.create_function(|lua, ()| new(lua, Node::table()).map(TableHandle))?)?;
    natives.set("new_list", lua.create_function(|lua, ()| new(lua, Node::list(Vec::new())).map(ListHandle))?)?;
    natives.set("new_nil", lua.create_function(|lua, ()| lua.create_userdata(NilHandle))?)?;
    natives.set("start_call", lua.create_function(call::start)?)?;
    natives.set("drop_call", lua.create_function(call::drop_call)?)?;
    natives.set("finish_call", lua.create_function(call::finish)?)?;
    natives.set("custom", lua.create_function(custom)?)?;
    natives.set("encode", lua.create_function(encode)?)?;
    natives.set("decode", lua.create_function(decode)?)?;
    natives.set("look", lua.create_function(|lua, bytes: f64| Limits::work(lua, bytes as usize))?)?;
    natives.set(NUMBER_TEXT, number_text(lua)?)?;
    natives.set("printed", printed(lua, label)?)?;
    natives.set("caught", caught(lua, limits)?)?;
    natives.set("rewritten", lua.create_function(rewritten)?)?;
    natives.set("read", lua.create_function(read)?)?;
    natives.set("used", lua.create_function(|lua, ()| Ok(lua.used_memory() as f64 / 1024.0))?)?;
    natives.set("random", lua.create_function(random)?)?;
    natives.set("seed", lua.create_function(seed)?)?;
    natives.set("traceback", lua.create_function(traceback)?)?;
    Ok(natives)
}

fn new(lua: &Lua, node: Node) -> mlua::Result<Node> {
    Shared::of(lua, |event| {
        event.hands.added.spend(Allowance::VALUE).map_err(mlua::Error::runtime)?;
        event.hands.note(&node, 0)?;
        Ok(node)
    })
}

/// The text of a number; anything else as it is. Who joins long texts looks at the clock.
fn number_text(lua: &Lua) -> mlua::Result<Function> {
    lua.create_function(|lua, value: Value| match value {
        Value::Integer(number) => lua_text(lua, number.to_string()).map(Value::String),
        Value::Number(number) => lua_text(lua, number::text(number)).map(Value::String),
        Value::String(text) if text.as_bytes().len() >= LONG_TEXT => {
            Limits::work(lua, 0)?;
            Ok(Value::String(text))
        }
        other => Ok(other),
    })
}

fn printed(lua: &Lua, label: &Label) -> mlua::Result<Function> {
    let label = label.clone();
    lua.create_function(move |_, text: mlua::LuaString| {
        ScriptPrinted { text: &text.to_string_lossy() }.emit(&label);
        Ok(())
    })
}

/// What a caught error is for the script that caught it: ours become texts. A script that must stop catches nothing.
fn caught(lua: &Lua, limits: &Limits) -> mlua::Result<Function> {
    let limits = limits.clone();
    lua.create_function(move |lua, value: Value| match (limits.stop(), value) {
        (Some(stop), _) => Err(mlua::Error::external(stop)),
        (None, Value::Error(error)) => lua_text(lua, fault::text(&error)).map(Value::String),
        (None, other) => Ok(other),
    })
}

/// The text that `custom_error` raises.
fn custom(lua: &Lua, values: MultiValue) -> mlua::Result<Value> {
    let arguments = Arguments::of_function("custom_error", values);
    arguments.at_least(1)?;
    let mut text = arguments.bytes(0)?;
    let status = if arguments.count() > 1 { arguments.integer(1)? } else { fault::NO_STATUS };
    text.extend_from_slice(format!(" || {status}").as_bytes());
    if arguments.count() > 2 {
        text.extend_from_slice(b" || ");
        text.extend_from_slice(&arguments.bytes(2)?);
    }
    lua_text(lua, text).map(Value::String)
}

/// `json.encode`.
fn encode(lua: &Lua, value: Value) -> mlua::Result<Value> {
    let item = Shared::of(lua, |event| {
        Given { allowance: &mut event.hands.added }.item(&value, Place::Encoded, super::tables::NESTING_LIMIT)
    })?;
    let none = || mlua::Error::runtime(format!("json.encode: a {} has no text in JSON", type_name(&value)));
    let item = match (item, value.is_nil()) {
        (Some(item), _) => item,
        (None, true) => Item::NULL,
        (None, false) => return Err(none()),
    };
    let json = item.to_json(&mut Allowance::default()).map_err(mlua::Error::runtime)?;
    let text = json.to_vec();
    Limits::work(lua, text.len())?;
    lua_text(lua, text).map(Value::String)
}

/// `json.decode`.
fn decode(lua: &Lua, value: Value) -> mlua::Result<Value> {
    let wrong =
        || mlua::Error::runtime(format!("bad argument #1 to decode (string expected, got {})", type_name(&value)));
    let text = bytes_of(&value).ok_or_else(wrong)?;
    Limits::work(lua, text.len())?;
    let json = Json::parse_alone(&text).map_err(|error| mlua::Error::runtime(format!("json.decode: {error}")))?;
    Shared::of(lua, |event| event.hands.taken.spend(json.parsed_bytes()).map_err(mlua::Error::runtime))?;
    to_lua(lua, &mut Item::Plain(json))
}

/// A text of Lua as it has to be compiled; `nil` where that is the text itself.
fn rewritten(lua: &Lua, text: mlua::LuaString) -> mlua::Result<Option<mlua::LuaString>> {
    let rewritten = concat::rewritten(&text.to_string_lossy());
    rewritten.map(|text| lua_text(lua, text)).transpose()
}

/// A file's text, or nothing and why.
fn read(lua: &Lua, path: String) -> mlua::Result<MultiValue> {
    Limits::work(lua, 0)?;
    match program::bytes(&path) {
        Ok(text) => lua_text(lua, &text[program::start(&text)..])?.into_lua_multi(lua),
        Err(error) => (Value::Nil, format!("cannot open {path}: {error}")).into_lua_multi(lua),
    }
}

/// As `math.random`: nobody can tell from it what another event got.
fn random(lua: &Lua, (low, high): (Option<f64>, Option<f64>)) -> mlua::Result<f64> {
    let (low, high) = match (low, high) {
        (None, _) => return Shared::of(lua, |event| Ok(generator(event).f64())),
        (Some(high), None) => (1.0, high.floor()),
        (Some(low), Some(high)) => (low.floor(), high.floor()),
    };
    if (low..=high).is_empty() {
        return Err(mlua::Error::runtime("bad argument #1 to random (interval is empty)"));
    }
    Shared::of(lua, |event| Ok((low + (generator(event).f64() * (high - low + 1.0)).floor()).min(high)))
}

fn seed(lua: &Lua, seed: f64) -> mlua::Result<()> {
    Shared::of(lua, |event| {
        event.random = Some(fastrand::Rng::with_seed(seed.to_bits()));
        Ok(())
    })
}

fn generator(event: &mut super::event::Event) -> &mut fastrand::Rng {
    event.random.get_or_insert_with(fastrand::Rng::new)
}

fn traceback(lua: &Lua, (message, level): (Option<String>, Option<usize>)) -> mlua::Result<mlua::LuaString> {
    lua.traceback(message.as_deref(), level.unwrap_or(1))
}
