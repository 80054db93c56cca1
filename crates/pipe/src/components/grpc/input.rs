//! From an event to the request message.

use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use super::Settings;
use crate::error::{PipeError, shortened};
use crate::message::Request;

/// How the request message is made.
pub(super) struct Input {
    kind: MessageDescriptor,
    uses_body: bool,
    allows_unknown: bool,
    mapping: Vec<Mapped>,
}

/// A value of the message's surroundings that fills a field.
struct Mapped {
    /// With a capital first letter, as params have it; as written, as queries have it.
    param: String,
    query: String,
    /// From the outermost message inwards; the last one holds one value, the others messages.
    field: Vec<FieldDescriptor>,
}

impl Input {
    /// # Errors
    ///
    /// A key of the component and what is wrong with it: a field that the message lacks or that no text can fill.
    pub fn new(kind: &MessageDescriptor, settings: &Settings) -> Result<Self, (String, String)> {
        let mapped = |(from, to): (&String, &String)| {
            let field = field(kind, to).map_err(|message| (format!("input_mapping.{from}"), message))?;
            Ok(Mapped { param: capitalised(from), query: from.clone(), field })
        };
        let mapping = settings.input_mapping.iter().map(mapped).collect::<Result<_, (String, String)>>()?;
        Ok(Self {
            kind: kind.clone(),
            uses_body: settings.use_request_body != Some(false),
            allows_unknown: settings.input_allow_unknown_fields,
            mapping,
        })
    }

    /// # Errors
    ///
    /// `Invalid` when the event, or a value that a field is to have, does not fit.
    pub fn message(&self, request: &Request) -> Result<DynamicMessage, PipeError> {
        let mut message = self.of_body(&request.body).map_err(|why| self.invalid(&why))?;
        for Mapped { param, query, field } in &self.mapping {
            let entry = || request.query.iter().find(|(key, _)| key == query).map(|(_, value)| value.as_str());
            let Some(text) = request.params.get(param).or_else(entry) else { continue };
            fill(&mut message, field, text).map_err(|why| self.invalid(&format!("{query}: {why}")))?;
        }
        Ok(message)
    }

    /// An event without a payload is a message that says nothing.
    fn of_body(&self, body: &[u8]) -> Result<DynamicMessage, String> {
        if !self.uses_body || body.is_empty() {
            return Ok(DynamicMessage::new(self.kind.clone()));
        }
        let options = DeserializeOptions::new().deny_unknown_fields(!self.allows_unknown);
        let mut source = serde_json::Deserializer::from_slice(body);
        let message = DynamicMessage::deserialize_with_options(self.kind.clone(), &mut source, &options);
        let message = message.map_err(|error| error.to_string())?;
        source.end().map_err(|error| error.to_string())?;
        Ok(message)
    }

    fn invalid(&self, why: &str) -> PipeError {
        PipeError::Invalid { reason: shortened(format!("grpc: the event is no {}: {why}", self.kind.full_name())) }
    }
}

/// The field at `path` (`order.id`), by the names of the descriptor set or by those of JSON.
fn field(kind: &MessageDescriptor, path: &str) -> Result<Vec<FieldDescriptor>, String> {
    let mut fields = Vec::new();
    let mut inside = Some(kind.clone());
    for name in path.split('.') {
        let kind = inside.ok_or_else(|| format!("{path:?} leads into a field that is no message"))?;
        let found = kind.get_field_by_name(name).or_else(|| kind.get_field_by_json_name(name));
        let found = found.ok_or_else(|| format!("{} has no field {name:?}", kind.full_name()))?;
        if found.is_list() || found.is_map() {
            return Err(format!("{name:?} is a list or a map, and takes no single value"));
        }
        inside = found.kind().as_message().cloned();
        fields.push(found);
    }
    if inside.is_some() {
        return Err(format!("{path:?} is a message; name a field in it"));
    }
    Ok(fields)
}

/// Sets the field that `path` leads to, and the messages on the way.
fn fill(message: &mut DynamicMessage, path: &[FieldDescriptor], text: &str) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    if rest.is_empty() {
        message.set_field(first, value(&first.kind(), text)?);
        return Ok(());
    }
    match message.get_field_mut(first).as_message_mut() {
        Some(inside) => fill(inside, rest, text),
        None => Err("leads into a field that is no message".into()),
    }
}

/// A text as a value of this kind.
fn value(kind: &Kind, text: &str) -> Result<Value, String> {
    fn number<T: std::str::FromStr>(text: &str, value: fn(T) -> Value) -> Result<Value, String> {
        text.parse().map(value).map_err(|_| format!("{text:?} is no number of the field's kind"))
    }
    match kind {
        Kind::Double => number(text, Value::F64),
        Kind::Float => number(text, Value::F32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number(text, Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number(text, Value::I64),
        Kind::Uint32 | Kind::Fixed32 => number(text, Value::U32),
        Kind::Uint64 | Kind::Fixed64 => number(text, Value::U64),
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| format!("{text:?} is neither true nor false")),
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bytes => Ok(Value::Bytes(text.to_owned().into())),
        Kind::Enum(known) => {
            let found = known.get_value_by_name(text).map(|value| value.number());
            let found = found.or_else(|| text.parse().ok());
            found.map(Value::EnumNumber).ok_or_else(|| format!("{text:?} is no {}", known.full_name()))
        }
        Kind::Message(_) => Err("is a message".into()),
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
