//! From the reply message to data.
//!
//! The types of `google.protobuf` that have a JSON form of their own have it here, times apart: those are objects
//! unless the configuration wants text. Numbers are numbers, 64 bits too; bytes are base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, SerializeOptions, Value,
};

use super::{Convention, Settings};
use crate::json::{Json, Object, Text};

/// Own JSON forms that prost-reflect writes. Others of their package are messages like any.
const WITH_JSON_FORM: [&str; 14] = [
    "Any",
    "Struct",
    "Value",
    "ListValue",
    "FieldMask",
    "BoolValue",
    "StringValue",
    "BytesValue",
    "DoubleValue",
    "FloatValue",
    "Int32Value",
    "Int64Value",
    "UInt32Value",
    "UInt64Value",
];

/// How the reply message becomes data.
pub(super) struct Output {
    kind: MessageDescriptor,
    is_camel: bool,
    enums_are_text: bool,
    timestamps_are_text: bool,
    durations_are_text: bool,
    leaves_out_unset: bool,
}

impl Output {
    pub fn new(kind: MessageDescriptor, settings: &Settings) -> Self {
        Self {
            kind,
            is_camel: settings.response_naming_convention == Some(Convention::Camel),
            enums_are_text: settings.output_enum_as_string,
            timestamps_are_text: settings.output_timestamp_as_string,
            durations_are_text: settings.output_duration_as_string,
            leaves_out_unset: settings.output_remove_unset_values,
        }
    }

    /// The data of a reply; what is no object stands under `content`, as with other backends.
    ///
    /// # Errors
    ///
    /// A sentence when the bytes are no message of the type.
    pub fn data(&self, message: Bytes) -> Result<Json, String> {
        let message = DynamicMessage::decode(self.kind.clone(), message);
        let message = message.map_err(|error| format!("the reply is no {}: {error}", self.kind.full_name()))?;
        let data = self.message(&message)?;
        Ok(if data.is_object() { data } else { Json::field("content", data) })
    }

    fn message(&self, message: &DynamicMessage) -> Result<Json, String> {
        if self.has_form_of_its_own(message.descriptor().full_name()) {
            return self.well_known(message);
        }
        let descriptor = message.descriptor();
        let mut object = Object::new();
        for field in descriptor.fields() {
            let name = if self.is_camel { field.json_name() } else { field.name() };
            if message.has_field(&field) {
                object.insert(name, self.value(&field.kind(), &message.get_field(&field), Some(&field))?);
            } else if let Some(unset) = self.unset(message, &field)? {
                object.insert(name, unset);
            }
        }
        Ok(object.into())
    }

    /// What stands for a field that the reply does not set: its default, null for a message, nothing for a part of a
    /// choice or what says itself whether it is set.
    fn unset(&self, message: &DynamicMessage, field: &FieldDescriptor) -> Result<Option<Json>, String> {
        if self.leaves_out_unset || field.containing_oneof().is_some() {
            return Ok(None);
        }
        if field.supports_presence() {
            return Ok(field.kind().as_message().map(|_| Json::NULL));
        }
        self.value(&field.kind(), &message.get_field(field), Some(field)).map(Some)
    }

    fn has_form_of_its_own(&self, name: &str) -> bool {
        match name.strip_prefix("google.protobuf.") {
            Some("Timestamp") => self.timestamps_are_text,
            Some("Duration") => self.durations_are_text,
            Some(name) => WITH_JSON_FORM.contains(&name),
            None => false,
        }
    }

    fn well_known(&self, message: &DynamicMessage) -> Result<Json, String> {
        let options = SerializeOptions::new()
            .stringify_64_bit_integers(false)
            .use_enum_numbers(!self.enums_are_text)
            .use_proto_field_name(!self.is_camel)
            .skip_default_fields(self.leaves_out_unset);
        let mut text = Vec::new();
        let written = message.serialize_with_options(&mut serde_json::Serializer::new(&mut text), &options);
        written.map_err(|error| error.to_string())?;
        Json::parse(&text).map_err(|error| error.to_string())
    }

    /// `field`: where a list or a map may stand.
    fn value(&self, kind: &Kind, value: &Value, field: Option<&FieldDescriptor>) -> Result<Json, String> {
        Ok(match value {
            Value::Bool(value) => Json::bool(*value),
            Value::I32(number) => Json::integer((*number).into()),
            Value::I64(number) => Json::integer(*number),
            Value::U32(number) => Json::integer((*number).into()),
            Value::U64(number) => number_of(&number.to_string()),
            Value::F32(number) => float(number.is_finite(), &format!("{number:?}")),
            Value::F64(number) => float(number.is_finite(), &format!("{number:?}")),
            Value::String(text) => Json::string(text.as_str()),
            Value::Bytes(bytes) => Json::string(STANDARD.encode(bytes)),
            Value::EnumNumber(number) => self.enumerated(kind, *number),
            Value::Message(message) => self.message(message)?,
            Value::List(items) => {
                let items = items.iter().map(|item| self.value(kind, item, None));
                Json::array(items.collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => self.map(entries.iter(), field)?,
        })
    }

    /// In the order of the keys: that of the message is lost.
    fn map<'v>(
        &self,
        entries: impl Iterator<Item = (&'v MapKey, &'v Value)>,
        field: Option<&FieldDescriptor>,
    ) -> Result<Json, String> {
        let entry = field.and_then(|field| field.kind().as_message().cloned());
        let entry = entry.ok_or("a map stands where none can")?;
        let kind = entry.map_entry_value_field().kind();
        let mut entries: Vec<_> = entries.collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let pairs =
            entries.into_iter().map(|(key, value)| Ok((Text::from(key_of(key)), self.value(&kind, value, None)?)));
        Ok(Json::object(pairs.collect::<Result<Object, String>>()?))
    }

    /// A number that the type does not name stays one.
    fn enumerated(&self, kind: &Kind, number: i32) -> Json {
        let name = kind.as_enum().filter(|_| self.enums_are_text).and_then(|known| known.get_value(number));
        name.map_or_else(|| Json::integer(number.into()), |value| Json::string(value.name()))
    }
}

fn key_of(key: &MapKey) -> String {
    match key {
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(number) => number.to_string(),
        MapKey::I64(number) => number.to_string(),
        MapKey::U32(number) => number.to_string(),
        MapKey::U64(number) => number.to_string(),
        MapKey::String(text) => text.clone(),
    }
}

/// `text`: as Rust writes it: `1.0`, `1e300`, `NaN`, `inf`. JSON has no number for the last two.
fn float(is_finite: bool, text: &str) -> Json {
    match text {
        _ if is_finite => number_of(text.strip_suffix(".0").unwrap_or(text)),
        "inf" => Json::string("Infinity"),
        "-inf" => Json::string("-Infinity"),
        _ => Json::string("NaN"),
    }
}

fn number_of(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_what_json_has_no_number_for_is_text() {
        let of = |number: f64| float(number.is_finite(), &format!("{number:?}")).to_string();
        let numbers = [1.0, -0.5, 1e300, 0.1 + 0.2, f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(of);
        let expected = ["1", "-0.5", "1e300", "0.30000000000000004", "\"Infinity\"", "\"-Infinity\"", "\"NaN\""];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn keys_of_maps_are_text() {
        let keys = [MapKey::Bool(true), MapKey::I32(-1), MapKey::U64(u64::MAX), MapKey::String("a.b".into())];
        assert_eq!(keys.map(|key| key_of(&key)), ["true", "-1", "18446744073709551615", "a.b"]);
    }
}
