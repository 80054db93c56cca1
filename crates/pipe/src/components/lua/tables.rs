//! `luaTable`, `luaList` and `luaNil`: the data of a reply as scripts hold it (components-scripting.md §4.6).

use mlua::{AnyUserData, Lua, MultiValue, Table, UserData, UserDataMethods, Value};

use super::allowance::Allowance;
use super::arguments::{Arguments, bytes_of, lua_text};
use super::data::{Content, Item, Node};
use super::event::Shared;
use super::fields::Fields;
use super::limits::Limits;
use super::number;
use crate::json::{Json, View};

/// An object of the data.
pub(super) struct TableHandle(pub Node);

/// An array of the data, counted from 0.
pub(super) struct ListHandle(pub Node);

/// A JSON null: Lua's `nil` means that there is nothing.
pub(super) struct NilHandle;

impl UserData for NilHandle {}

impl UserData for TableHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("get", |lua, this, values| this.get(lua, &one("get", values)?));
        methods.add_method("set", |lua, this, values| this.set(lua, &two("set", values)?));
        methods.add_method("len", |_, this, _: MultiValue| Ok(this.fields(|fields| fields.len())));
        methods.add_method("del", |_, this, values| {
            let key = one("del", values)?.text(0)?;
            drop(this.fields(|fields| fields.remove(&key)));
            Ok(())
        });
        methods.add_method("keys", |lua, this, _: MultiValue| this.keys(lua));
        methods.add_method("keyExists", |_, this, values| {
            let key = one("keyExists", values)?.text(0)?;
            Ok(this.fields(|fields| fields.contains(&key)))
        });
    }
}

impl TableHandle {
    fn fields<T>(&self, act: impl FnOnce(&mut Fields) -> T) -> T {
        match &mut *self.0.content() {
            Content::Table(fields) => act(fields),
            Content::List(_) => act(&mut Fields::default()),
        }
    }

    fn keys(&self, lua: &Lua) -> mlua::Result<ListHandle> {
        let mut keys = self.fields(|fields| fields.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>());
        Limits::work(lua, keys.len().saturating_mul(Allowance::VALUE))?;
        keys.sort_by(|one, two| one.as_str().cmp(two.as_str()));
        let bytes = keys.iter().map(|key| key.as_str().len()).sum();
        let keys = Node::list(keys.into_iter().map(|key| Item::Plain(Json::string(key))).collect());
        Shared::of(lua, |event| event.hands.note(&keys, bytes))?;
        Ok(ListHandle(keys))
    }

    fn get(&self, lua: &Lua, arguments: &Arguments) -> mlua::Result<Value> {
        let key = arguments.text(0)?;
        self.fields(|fields| match fields.get_mut(&key) {
            Some(item) => to_lua(lua, item),
            None => Ok(Value::Nil),
        })
    }

    /// What has no value in JSON changes nothing.
    fn set(&self, lua: &Lua, arguments: &Arguments) -> mlua::Result<()> {
        let key = arguments.text(0)?;
        let Some(item) = given(lua, arguments.value(1), key.len())? else { return Ok(()) };
        refuse_loop(&self.0, &item)?;
        drop(self.fields(|fields| fields.insert(&key, item)));
        Ok(())
    }
}

impl UserData for ListHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("get", |lua, this, values| {
            let index = usize::try_from(one("get", values)?.integer(0)?).ok();
            this.items(|items| match index.and_then(|index| items.get_mut(index)) {
                Some(item) => to_lua(lua, item),
                None => Ok(Value::Nil),
            })
        });
        methods.add_method("set", |lua, this, values| this.set(lua, &two("set", values)?));
        methods.add_method("len", |_, this, _: MultiValue| Ok(this.items(|items| items.len())));
        methods.add_method("del", |lua, this, values| {
            let index = usize::try_from(one("del", values)?.integer(0)?).ok();
            Limits::work(lua, this.items(|items| items.len()))?;
            let removed = this.items(|items| {
                let index = index.filter(|index| *index < items.len())?;
                Some(items.remove(index))
            });
            drop(removed);
            Ok(())
        });
    }
}

impl ListHandle {
    fn items<T>(&self, act: impl FnOnce(&mut Vec<Item>) -> T) -> T {
        match &mut *self.0.content() {
            Content::List(items) => act(items),
            Content::Table(_) => act(&mut Vec::new()),
        }
    }

    /// Past the end, what lies between is null; a negative index changes nothing.
    fn set(&self, lua: &Lua, arguments: &Arguments) -> mlua::Result<()> {
        let Ok(index) = usize::try_from(arguments.integer(0)?) else { return Ok(()) };
        let Some(item) = given(lua, arguments.value(1), 0)? else { return Ok(()) };
        refuse_loop(&self.0, &item)?;
        let missing = (index + 1).saturating_sub(self.items(|items| items.len()));
        let bytes = missing.saturating_mul(Allowance::VALUE);
        Shared::of(lua, |event| event.hands.added.spend(bytes).map_err(mlua::Error::runtime))?;
        let old = self.items(|items| {
            if missing > 0 {
                items.resize_with(index + 1, || Item::NULL);
            }
            std::mem::replace(&mut items[index], item)
        });
        drop(old);
        Ok(())
    }
}

fn one(name: &'static str, values: MultiValue) -> mlua::Result<Arguments> {
    let arguments = Arguments::of_method(name, values);
    arguments.at_least(1).map(|()| arguments)
}

fn two(name: &'static str, values: MultiValue) -> mlua::Result<Arguments> {
    let arguments = Arguments::of_method(name, values);
    arguments.at_least(2).map(|()| arguments)
}

fn refuse_loop(node: &Node, item: &Item) -> mlua::Result<()> {
    if node.is_within(item) { Err(mlua::Error::runtime("data cannot contain itself")) } else { Ok(()) }
}

/// A value of the data for a script.
pub(super) fn to_lua(lua: &Lua, item: &mut Item) -> mlua::Result<Value> {
    let is_new = matches!(item, Item::Plain(_));
    if let Some(node) = item.open() {
        if is_new {
            Shared::of(lua, |event| event.hands.note(&node, 0))?;
        }
        let handle =
            if node.is_list() { lua.create_userdata(ListHandle(node)) } else { lua.create_userdata(TableHandle(node)) };
        return handle.map(Value::UserData);
    }
    let Item::Plain(json) = item else { return Ok(Value::Nil) };
    match json.view() {
        View::Bool(value) => Ok(Value::Boolean(value)),
        View::Number(text) => Ok(Value::Number(text.parse().unwrap_or(f64::NAN))),
        View::String(text) => lua_text(lua, text).map(Value::String),
        View::Null | View::Array(_) | View::Object(_) => lua.create_userdata(NilHandle).map(Value::UserData),
    }
}

/// A value that a script sets; `None` for what JSON has no value for. `key`: bytes of the key it gets.
fn given(lua: &Lua, value: &Value, key: usize) -> mlua::Result<Option<Item>> {
    Shared::of(lua, |event| {
        event.hands.added.spend(Allowance::VALUE + key).map_err(mlua::Error::runtime)?;
        Given { allowance: &mut event.hands.added }.item(value, Place::Set, NESTING_LIMIT)
    })
}

/// Levels of Lua's own tables that are turned into data at once. A table may contain itself.
pub(super) const NESTING_LIMIT: usize = 100;

/// Where a table of Lua stands: there the reference makes different things of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Given to `set`: always an object.
    Set,
    /// Within another table: an array where all keys are numbers; an empty one is null.
    Inside,
    /// Given to `json.encode`: as inside, an empty one is an object.
    Encoded,
}

/// From Lua's values to those of the data.
pub(super) struct Given<'a> {
    pub allowance: &'a mut Allowance,
}

impl Given<'_> {
    pub fn item(&mut self, value: &Value, place: Place, levels: usize) -> mlua::Result<Option<Item>> {
        let json = match value {
            Value::Boolean(value) => Json::bool(*value),
            Value::Integer(number) => Json::integer(*number),
            Value::Number(number) => finite(*number)?,
            Value::String(text) => {
                let bytes = text.as_bytes();
                self.spend(bytes.len())?;
                Json::string(String::from_utf8_lossy(&bytes).into_owned())
            }
            Value::Table(table) => return self.table(table, place, levels).map(Some),
            Value::UserData(data) => return handle(data),
            _ => return Ok(None),
        };
        Ok(Some(Item::Plain(json)))
    }

    fn table(&mut self, table: &Table, place: Place, levels: usize) -> mlua::Result<Item> {
        let too_deep = || mlua::Error::runtime(format!("a table nests deeper than {NESTING_LIMIT} levels"));
        let below = levels.checked_sub(1).ok_or_else(too_deep)?;
        let mut fields = Vec::new();
        table.for_each(|key: Value, value: Value| {
            if let Some(item) = self.item(&value, Place::Inside, below)? {
                let key = key_of(&key)?;
                self.spend(Allowance::VALUE + key.len())?;
                fields.push((key, item));
            }
            Ok(())
        })?;
        if fields.is_empty() && place == Place::Inside {
            return Ok(Item::NULL);
        }
        let indices = |(key, _): &(String, Item)| key.parse::<i64>().ok();
        if place != Place::Set && !fields.is_empty() && fields.iter().all(|field| indices(field).is_some()) {
            fields.sort_by_key(indices);
            return Ok(Item::Open(Node::list(fields.into_iter().map(|(_, item)| item).collect())));
        }
        fields.sort_by(|(one, _), (two, _)| one.cmp(two));
        fields.dedup_by(|(one, _), (two, _)| one == two);
        let fields = fields.into_iter().map(|(key, item)| (key.into(), item)).collect();
        Ok(Item::Open(Node::of_fields(fields)))
    }

    fn spend(&mut self, bytes: usize) -> mlua::Result<()> {
        self.allowance.spend(bytes).map_err(mlua::Error::runtime)
    }
}

fn key_of(key: &Value) -> mlua::Result<String> {
    if let Value::Boolean(key) = key {
        return Ok(key.to_string());
    }
    let bytes = bytes_of(key).ok_or_else(|| mlua::Error::runtime("a key of data is a text or a number"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn finite(number: f64) -> mlua::Result<Json> {
    if number.is_finite() {
        return Ok(Json::number(number::text(number)));
    }
    Err(mlua::Error::runtime(format!("{} cannot be in data: JSON has no text for it", number::text(number))))
}

fn handle(data: &AnyUserData) -> mlua::Result<Option<Item>> {
    if let Ok(table) = data.borrow::<TableHandle>() {
        return Ok(Some(Item::Open(table.0.clone())));
    }
    if let Ok(list) = data.borrow::<ListHandle>() {
        return Ok(Some(Item::Open(list.0.clone())));
    }
    if data.is::<NilHandle>() {
        return Ok(Some(Item::NULL));
    }
    Err(mlua::Error::runtime("only texts, numbers, booleans, tables, luaTable, luaList and luaNil can be in data"))
}
