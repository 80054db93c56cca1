//! `async/delivery` of an agent: what happens to events that failed, and at shutdown.

use std::time::Duration;

use crate::logging::one_of;
use crate::model::{BackoffStrategy, Delivery, Retry};
use crate::problem::Severity;
use crate::section::{Field, Section};
use crate::timing::{self, Zero};

pub(crate) const STRATEGIES: [(&str, BackoffStrategy); 5] = [
    ("constant", BackoffStrategy::Constant),
    ("linear", BackoffStrategy::Linear),
    ("linear-jitter", BackoffStrategy::LinearJitter),
    ("exponential", BackoffStrategy::Exponential),
    ("exponential-jitter", BackoffStrategy::ExponentialJitter),
];

/// Keys that belong to the design and come with a later build.
const NOT_YET: [&str; 8] =
    ["max_attempts", "dead_letter", "outcomes", "ack_statuses", "ack_when", "order", "key", "pause_when_open"];

/// The settings, with defaults for what is not given or wrong.
pub(crate) fn read(field: Option<Field<'_>>) -> Delivery {
    let default = Delivery::default();
    let Some(section) = field.and_then(|field| Section::open(field.node, &field.path, field.report)) else {
        return default;
    };
    for field in NOT_YET.iter().filter_map(|key| section.field(key)) {
        field.error("is not in this build of siphon; remove it or use a build that has it");
    }
    let delivery = Delivery {
        retry: section.field("retry").map_or(default.retry.clone(), |field| retry(&field, &default.retry)),
        drain: timing::positive(&section, "drain", Zero::IsMeant).unwrap_or(default.drain),
    };
    section.finish(Severity::Error);
    delivery
}

fn retry(field: &Field<'_>, default: &Retry) -> Retry {
    let Some(section) = Section::open(field.node, &field.path, field.report) else { return default.clone() };
    let strategy = section.field("strategy").and_then(|field| one_of(&field, &STRATEGIES));
    let base = timing::positive(&section, "base", Zero::IsMeant).unwrap_or(default.base);
    let max = longest(&section, base, default.max);
    section.finish(Severity::Error);
    Retry { strategy: strategy.unwrap_or(default.strategy), base, max }
}

/// `max`; where it is not given, the default or `base`, whichever is more.
fn longest(section: &Section<'_>, base: Duration, default: Duration) -> Duration {
    let given = section.field("max").and_then(|field| Some((timing::of_field(&field, Zero::IsMeant)?, field)));
    let Some((max, field)) = given else { return default.max(base) };
    if max < base {
        field.error(format!("{} is less than base; write at least that much", field.shown()));
    }
    max
}
