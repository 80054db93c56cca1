//! A record as one line of text: for people, or as JSON. Whatever a value holds, one event is one line, and nothing in
//! it reaches a terminal as a control sequence.

use std::fmt::Write as _;

use crate::clock::Utc;
use crate::level::Level;
use crate::record::{Record, Value};

/// How the lines of one log look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    pub json: bool,
    /// Literal start of each human line, followed by a space; the member `prefix` in JSON. Empty: none.
    pub prefix: String,
    pub coloured: bool,
}

impl Style {
    /// The line of `record`, with its line break.
    pub fn line(&self, time: Utc, record: &Record) -> String {
        let mut line = String::with_capacity(160);
        if self.json {
            self.json_line(&mut line, time, record);
        } else {
            self.human_line(&mut line, time, record);
        }
        line.push('\n');
        line
    }

    fn human_line(&self, line: &mut String, time: Utc, record: &Record) {
        if !self.prefix.is_empty() {
            escape_into(line, &self.prefix);
            line.push(' ');
        }
        let _ = write!(line, "{time} ");
        self.level_into(line, record.level);
        origin_into(line, record);
        line.push(' ');
        escape_into(line, &record.message);
        for (name, value) in &record.fields {
            line.push(' ');
            escape_into(line, name);
            line.push('=');
            value_into(line, value);
        }
    }

    fn level_into(&self, line: &mut String, level: Level) {
        match colour(level).filter(|_| self.coloured) {
            Some(code) => drop(write!(line, "\x1b[{code}m{level}\x1b[0m")),
            None => line.push_str(level.as_str()),
        }
    }

    fn json_line(&self, line: &mut String, time: Utc, record: &Record) {
        let _ = write!(line, "{{\"time\":\"{time}\",\"level\":\"{}\"", record.level);
        let known = [
            ("prefix", &self.prefix),
            ("message", &record.message),
            ("agent", &record.agent),
            ("agent_type", &record.agent_type),
            ("service", &record.service),
        ];
        for (name, text) in known.into_iter().filter(|(name, text)| *name == "message" || !text.is_empty()) {
            let _ = write!(line, ",{}:{}", quoted(name), quoted(text));
        }
        for (name, value) in &record.fields {
            let value = match value {
                Value::Text(text) => quoted(text),
                Value::Literal(literal) => literal.clone(),
            };
            let _ = write!(line, ",{}:{value}", quoted(name));
        }
        line.push('}');
    }
}

fn colour(level: Level) -> Option<&'static str> {
    match level {
        Level::Debug => Some("36"),
        Level::Info => None,
        Level::Warning => Some("33"),
        Level::Error => Some("31"),
        Level::Critical => Some("35"),
    }
}

fn origin_into(line: &mut String, record: &Record) {
    let Record { agent, agent_type, service, .. } = record;
    let parts = match (agent.as_str(), service.as_str()) {
        ("", "") => return,
        ("", service) => ["SERVICE: ", service, ""],
        (agent, _) => ["ASYNC: ", agent, agent_type],
    };
    line.push_str(" [");
    line.push_str(parts[0]);
    escape_into(line, parts[1]);
    line.push(']');
    if !parts[2].is_empty() {
        line.push('[');
        escape_into(line, parts[2]);
        line.push(']');
    }
}

fn value_into(line: &mut String, value: &Value) {
    match value {
        Value::Text(text) if needs_quotes(text) => line.push_str(&quoted(text)),
        Value::Text(text) => escape_into(line, text),
        Value::Literal(literal) => line.push_str(literal),
    }
}

/// JSON ends where it ends, and in quotes nobody can read it.
fn needs_quotes(text: &str) -> bool {
    let is_structured = text.starts_with(['{', '[']) && !text.contains(char::is_control);
    if is_structured && serde_json::from_str::<serde_json::Value>(text).is_ok() {
        return false;
    }
    text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"' || c == '=')
}

/// `text` with control characters written out (`\n`, `\u{1b}`).
fn escape_into(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() || is_line_break(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

/// `text` as a JSON string. JSON leaves DEL, C1 controls and the two Unicode line breaks as they are; we do not.
fn quoted(text: &str) -> String {
    let plain = serde_json::Value::from(text).to_string();
    if !plain.contains(|c: char| c.is_control() || is_line_break(c)) {
        return plain;
    }
    let mut escaped = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        if c.is_control() || is_line_break(c) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn time() -> Utc {
        Utc::from(UNIX_EPOCH + Duration::from_millis(1_795_446_245_123))
    }

    fn agent_record(message: &str, fields: &[(&'static str, Value)]) -> Record {
        Record {
            level: Level::Warning,
            agent: "orders".into(),
            agent_type: "SQLite".into(),
            message: message.into(),
            fields: fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
            ..Record::default()
        }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[track_caller]
    fn check(style: Style, record: &Record, expected: &str) {
        assert_eq!(style.line(time(), record), format!("{expected}\n"));
    }

    #[test]
    fn a_line_of_an_agent_begins_with_its_name_and_type() {
        let record = agent_record("event failed", &[("attempt", Value::Literal("2".into())), ("wait", text("400ms"))]);
        check(
            Style::default(),
            &record,
            "2026-11-23T15:04:05.123Z WARNING [ASYNC: orders][SQLite] event failed attempt=2 wait=400ms",
        );
    }

    #[test]
    fn a_line_of_a_service_begins_with_its_name() {
        let record = Record { service: "Admin".into(), message: "listening".into(), ..Record::default() };
        check(Style::default(), &record, "2026-11-23T15:04:05.123Z INFO [SERVICE: Admin] listening");
    }

    #[test]
    fn a_line_of_nobody_has_no_origin() {
        let record = Record { message: "hello".into(), ..Record::default() };
        check(Style::default(), &record, "2026-11-23T15:04:05.123Z INFO hello");
    }

    #[test]
    fn the_prefix_stands_first() {
        let style = Style { prefix: "[SIPHON]".into(), ..Style::default() };
        let record = Record { message: "hello".into(), ..Record::default() };
        check(style, &record, "[SIPHON] 2026-11-23T15:04:05.123Z INFO hello");
    }

    #[test]
    fn only_the_level_is_coloured() {
        let style = Style { coloured: true, ..Style::default() };
        let record = Record { level: Level::Error, message: "bad".into(), ..Record::default() };
        check(style, &record, "2026-11-23T15:04:05.123Z \x1b[31mERROR\x1b[0m bad");
    }

    #[test]
    fn a_value_with_spaces_or_line_breaks_is_quoted_and_escaped() {
        let record = agent_record("two\nlines\x1b[2J", &[("error", text("a\n\"b\"")), ("empty", text(""))]);
        check(
            Style::default(),
            &record,
            r#"2026-11-23T15:04:05.123Z WARNING [ASYNC: orders][SQLite] two\nlines\u{1b}[2J error="a\n\"b\"" empty="""#,
        );
    }

    #[test]
    fn a_value_that_is_json_is_shown_as_it_is() {
        let record = agent_record("arrived", &[("body", text(r#"{"id": 1}"#)), ("odd", text(r#"{"id": 1"#))]);
        check(
            Style::default(),
            &record,
            r#"2026-11-23T15:04:05.123Z WARNING [ASYNC: orders][SQLite] arrived body={"id": 1} odd="{\"id\": 1""#,
        );
    }

    #[test]
    fn json_has_the_same_parts_as_members() {
        let record = agent_record("two\nlines", &[("attempt", Value::Literal("2".into())), ("error", text("a\"b"))]);
        check(
            Style { json: true, ..Style::default() },
            &record,
            r#"{"time":"2026-11-23T15:04:05.123Z","level":"WARNING","message":"two\nlines","agent":"orders","agent_type":"SQLite","attempt":2,"error":"a\"b"}"#,
        );
    }

    proptest! {
        #[test]
        fn any_text_stays_on_one_line(agent in ".*", message in ".*", name in "[a-z]{1,5}", value in ".*", json: bool) {
            let mut record = agent_record(&message, &[]);
            record.agent = agent.clone();
            record.fields.push((name.clone().into(), text(&value)));
            let line = Style { json, ..Style::default() }.line(time(), &record);
            let body = line.strip_suffix('\n').expect("a line ends");
            prop_assert!(!body.contains(|c: char| c.is_control() || is_line_break(c)), "{body:?}");
            if json {
                let parsed: serde_json::Value = serde_json::from_str(body).expect("valid JSON");
                prop_assert_eq!(&parsed["message"], &message);
                prop_assert_eq!(&parsed[name.as_str()], &value);
            }
        }
    }
}
