//! Arguments of declarations: JSON on our side, an AMQP table on the broker's.
//!
//! Source: <https://www.rabbitmq.com/amqp-0-9-1-errata.html#section_3>.

use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use serde_json::{Map, Value};
use siphon_sdk::Finding;

/// What has no place in a table.
pub fn findings(path: &str, arguments: &Map<String, Value>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, value) in arguments {
        let path = format!("{path}.{name}");
        if name.len() > usize::from(u8::MAX) {
            found.push(Finding::error(path, "has a name of more than 255 bytes"));
        } else if value.is_null() {
            found.push(Finding::error(path, "is null: write a text, a number, true or false, or leave it out"));
        } else if value.is_u64() && value.as_i64().is_none() {
            found.push(Finding::error(path, format!("is {value}: allowed is up to {}", i64::MAX)));
        }
    }
    found
}

/// `arguments` as a table. Whole numbers are 64 bits wide: RabbitMQ takes any width.
pub fn table(arguments: &Map<String, Value>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        // Longer ones are among the findings.
        if let Ok(name) = ShortString::try_new(name.as_str()) {
            table.insert(name, field(value));
        }
    }
    table
}

fn field(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => AMQPValue::LongLongInt(number),
            None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => AMQPValue::FieldArray(FieldArray::from(items.iter().map(field).collect::<Vec<_>>())),
        Value::Object(fields) => AMQPValue::FieldTable(table(fields)),
    }
}

/// A table's value as JSON; bytes that are no UTF-8 are replaced.
pub fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => (*number).into(),
        AMQPValue::Timestamp(seconds) => (*seconds).into(),
        AMQPValue::Float(number) => (*number).into(),
        AMQPValue::Double(number) => (*number).into(),
        AMQPValue::DecimalValue(decimal) => (f64::from(decimal.value) / 10_f64.powi(i32::from(decimal.scale))).into(),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(bytes) => String::from_utf8_lossy(bytes.as_bytes()).into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(fields) => {
            fields.inner().iter().map(|(name, value)| (name.as_str().to_owned(), json(value))).collect()
        }
        AMQPValue::Void => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_json_survives_the_table() {
        let text = r#"{"x-queue-type":"quorum","x-max-length":1000,"x-single-active-consumer":true,"ratio":0.5,
                       "list":[1,"a"],"nested":{"a":-1}}"#;
        let arguments: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(json(&AMQPValue::FieldTable(table(&arguments))), Value::Object(arguments));
    }

    #[test]
    fn what_has_no_place_is_named_with_its_path() {
        let arguments = serde_json::json!({"a": null, "b": u64::MAX, "c": 1});
        let found = findings("queue_arguments", arguments.as_object().unwrap());
        let paths: Vec<_> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["queue_arguments.a", "queue_arguments.b"]);
    }
}
