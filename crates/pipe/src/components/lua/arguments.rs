//! What scripts give to our functions (components-scripting.md §4.3): numbers pass for texts and texts for numbers.

use mlua::{Lua, LuaString, MultiValue, Value};

use super::number;

/// The arguments of one call. Their count tells a getter from a setter, so a `nil` at the end counts.
pub(super) struct Arguments {
    function: &'static str,
    /// The number of the first one in errors: methods count their object.
    first: usize,
    values: MultiValue,
}

impl Arguments {
    pub fn of_method(function: &'static str, values: MultiValue) -> Self {
        Self { function, first: 2, values }
    }

    pub fn of_function(function: &'static str, values: MultiValue) -> Self {
        Self { function, first: 1, values }
    }

    pub fn count(&self) -> usize {
        self.values.len()
    }

    pub fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Nil)
    }

    /// # Errors
    ///
    /// Where there are fewer than `count`.
    pub fn at_least(&self, count: usize) -> mlua::Result<()> {
        if self.count() < count { Err(mlua::Error::runtime("need arguments")) } else { Ok(()) }
    }

    pub fn bytes(&self, index: usize) -> mlua::Result<Vec<u8>> {
        let value = self.value(index);
        bytes_of(value).ok_or_else(|| self.wrong(index, "string"))
    }

    /// Bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self, index: usize) -> mlua::Result<String> {
        let bytes = self.bytes(index)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    pub fn number(&self, index: usize) -> mlua::Result<f64> {
        number_of(self.value(index)).ok_or_else(|| self.wrong(index, "number"))
    }

    /// A number without its fraction.
    pub fn integer(&self, index: usize) -> mlua::Result<i64> {
        self.number(index).map(|number| number as i64)
    }

    pub fn boolean(&self, index: usize) -> mlua::Result<bool> {
        self.value(index).as_boolean().ok_or_else(|| self.wrong(index, "boolean"))
    }

    fn wrong(&self, index: usize, expected: &str) -> mlua::Error {
        let (number, got) = (index + self.first, type_name(self.value(index)));
        mlua::Error::runtime(format!("bad argument #{number} to {} ({expected} expected, got {got})", self.function))
    }
}

/// The text of a text or number.
pub(super) fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        Value::Number(number) => Some(number::text(*number).into_bytes()),
        _ => None,
    }
}

/// The number of a number, or of a text that is one.
pub(super) fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(text) => String::from_utf8_lossy(&text.as_bytes()).trim().parse().ok(),
        _ => None,
    }
}

/// As Lua's own `type`.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Number(_) => "number",
        Value::UserData(_) | Value::LightUserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}

pub(super) fn lua_text(lua: &Lua, text: impl AsRef<[u8]>) -> mlua::Result<LuaString> {
    lua.create_string(text)
}
