//! Durations of the typed part, with the rules that several keys share.

use std::time::Duration;

use crate::section::{Field, Section};
use crate::weak;

/// What a duration of zero says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    /// As if the key were not given.
    IsDefault,
    IsMeant,
}

/// The duration under `key`; `None` where it is absent, after an error where it is negative or no duration.
pub(crate) fn positive(section: &Section<'_>, key: &'static str, zero: Zero) -> Option<Duration> {
    of_field(&section.field(key)?, zero)
}

pub(crate) fn of_field(field: &Field<'_>, zero: Zero) -> Option<Duration> {
    let duration = field.read(weak::duration)?;
    if duration.is_negative() {
        field.error(format!("{} is negative; write a duration such as 2s", field.shown()));
    }
    duration.unsigned().filter(|duration| zero == Zero::IsMeant || !duration.is_zero())
}

/// Time between keep-alive probes: absent and 0 mean `default`, negative means none.
pub(crate) fn keep_alive(section: &Section<'_>, key: &'static str, default: Duration) -> Option<Duration> {
    match section.field(key).and_then(|field| field.read(weak::duration)) {
        None => Some(default),
        Some(duration) if duration.is_zero() => Some(default),
        Some(duration) => duration.unsigned(),
    }
}
