//! `telemetry/logging` of the root.

use crate::model::{LogFormat, LogLevel, Logging};
use crate::nearest;
use crate::problem::Severity;
use crate::root::without_effect;
use crate::section::{Field, Section};
use crate::weak;

const LEVELS: [(&str, LogLevel); 6] = [
    ("DEBUG", LogLevel::Debug),
    ("INFO", LogLevel::Info),
    ("NOTICE", LogLevel::Info),
    ("WARNING", LogLevel::Warning),
    ("ERROR", LogLevel::Error),
    ("CRITICAL", LogLevel::Critical),
];

const FORMATS: [(&str, LogFormat); 3] =
    [("default", LogFormat::Human), ("logstash", LogFormat::Json), ("json", LogFormat::Json)];

const WITHOUT_EFFECT: [&str; 6] = [
    "syslog_facility",
    "custom_format",
    "access_log_format",
    "access_log_custom_format",
    "access_log_missing_key_marker",
    "backend",
];

/// The settings; `None` after an error.
pub(crate) fn read(field: &Field<'_>) -> Option<Logging> {
    let section = Section::open(field.node, &field.path, field.report)?;
    let logging = Logging {
        level: level(&section),
        prefix: section.text("prefix").unwrap_or_default(),
        stdout: section.boolean("stdout"),
        format: format(&section),
    };
    if section.boolean("syslog") {
        let place = section.field("syslog");
        place.iter().for_each(|place| place.error("\"syslog\" is not in this build of siphon; write to stdout"));
    } else if !logging.stdout {
        field.notice("stdout is off: the log goes to standard error");
    }
    without_effect(&section, &WITHOUT_EFFECT);
    section.finish(Severity::Warning);
    Some(logging)
}

fn level(section: &Section<'_>) -> LogLevel {
    let Some(field) = section.field("level") else {
        section.report.warning(section.at, &section.path, "the key \"level\" is missing; INFO is used");
        return LogLevel::Info;
    };
    one_of(&field, &LEVELS).unwrap_or(LogLevel::Info)
}

fn format(section: &Section<'_>) -> LogFormat {
    let Some(field) = section.field("format") else { return LogFormat::Human };
    if field.node.as_str().is_some_and(|text| text.eq_ignore_ascii_case("custom")) {
        field.error("\"custom\" is not in this build of siphon; use default or json");
        return LogFormat::Human;
    }
    one_of(&field, &FORMATS).unwrap_or(LogFormat::Human)
}

/// The value of a word, in any letter case; `None` after an error.
pub(crate) fn one_of<T: Copy>(field: &Field<'_>, words: &[(&'static str, T)]) -> Option<T> {
    let text = field.read(weak::text)?;
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = nearest::hint(&text, names.iter().copied());
        field.error(format!("{} is none of {}{hint}", field.shown(), names.join(", ")));
    }
    found
}
