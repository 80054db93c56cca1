//! `qos/ratelimit/proxy`: how often a backend is called (components-traffic.md §3, §4).
//!
//! An event that comes too early fails without a call, and says when the limit has room again: the agent gives it back
//! no earlier.

mod bucket;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::HumanDuration;
use siphon_config::model::Component;
use tokio::time::Instant;

use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::message::Request;
use crate::stage::{Context, Stage, StageFuture, ready};

use bucket::Bucket;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["qos/ratelimit/proxy"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "limits how often the backend is called; what comes too early waits",
    schema,
    build: Build::Stage(build),
};

/// Fewest and most calls a second that can be counted: one in a thousand years, one a nanosecond.
const RATES: std::ops::RangeInclusive<f64> = 3e-11..=1e9;

/// `qos/ratelimit/proxy`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// Calls within `every`. 0: no limit. Example: `50`.
    max_rate: f64,
    /// Calls that may go at once after a quiet time. Default: the calls of one second, at least 1.
    #[serde(default)]
    capacity: Option<f64>,
    /// The time that `max_rate` is about. Duration such as `1m` or `500ms`. Default: `1s`.
    #[serde(default)]
    every: Option<String>,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

struct RateLimit {
    bucket: Mutex<Bucket>,
    inner: Box<dyn Stage>,
}

impl Stage for RateLimit {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        let taken = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        match taken {
            Ok(()) => self.inner.call(request, context),
            Err(retry_after) => ready(PipeError::RateLimited { retry_after }),
        }
    }
}

fn build(component: &Component, _: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let limit = limit(&settings).map_err(|(key, message)| vec![component.problem(key, &message)])?;
    let Some((interval, capacity)) = limit else { return Ok(inner) };
    Ok(Box::new(RateLimit { bucket: Mutex::new(Bucket::new(interval, capacity)), inner }))
}

/// The time between two calls and how many may go at once; `None`: no limit. Or what is wrong with which key.
fn limit(settings: &Settings) -> Result<Option<(Duration, u32)>, (&'static str, String)> {
    let every = settings.every.as_deref().map_or(Ok(HumanDuration(Duration::from_secs(1))), str::parse);
    let every = every.map(Duration::from).map_err(|error| ("every", error.to_string()))?;
    if every.is_zero() {
        return Err(("every", "must be more than 0s; max_rate 0 means no limit".to_owned()));
    }
    if settings.max_rate == 0.0 {
        return Ok(None);
    }
    let rate = settings.max_rate / every.as_secs_f64();
    if settings.max_rate < 0.0 || !RATES.contains(&rate) {
        let message = format!("is {} calls in {}, which cannot be counted", settings.max_rate, HumanDuration(every));
        return Err(("max_rate", message));
    }
    let capacity = settings.capacity.filter(|&capacity| capacity != 0.0).unwrap_or(rate);
    if !(0.0..=f64::from(u32::MAX)).contains(&capacity) {
        return Err(("capacity", format!("{capacity} is no number of calls")));
    }
    Ok(Some((Duration::from_secs_f64(1.0 / rate), (capacity as u32).max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::testing;
    use crate::stage::ready as answer;
    use crate::{FailureKind, Response};

    struct Done;

    impl Stage for Done {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            answer(Ok(Response::empty()))
        }
    }

    fn built(settings: &str) -> Checked<Box<dyn Stage>> {
        let component = testing::component(ENTRY.namespaces[0], settings);
        testing::with_site(|site| build(&component, site, Box::new(Done)))
    }

    /// How many of `events` at once pass.
    async fn passed(settings: &str, events: usize) -> usize {
        let stage = built(settings).expect(settings);
        let mut passed = 0;
        for _ in 0..events {
            passed += usize::from(testing::run(stage.as_ref(), Request::new("")).await.is_complete());
        }
        passed
    }

    #[tokio::test]
    async fn as_many_pass_at_once_as_the_capacity_says() {
        let cases = [
            (r#"{"max_rate": 2, "capacity": 2, "every": "1h"}"#, 2),
            (r#"{"max_rate": 1, "capacity": 3, "every": "1h"}"#, 3),
            (r#"{"max_rate": 1, "every": "24h"}"#, 1),
            (r#"{"max_rate": 0.0005}"#, 1),
            (r#"{"max_rate": 7200, "every": "1h"}"#, 2),
            (r#"{"max_rate": 0.0005, "capacity": 0}"#, 1),
            (r#"{"max_rate": 0, "capacity": 1, "every": "1h"}"#, 5),
        ];
        for (settings, expected) in cases {
            assert_eq!(passed(settings, 5).await, expected, "{settings}");
        }
    }

    #[tokio::test]
    async fn an_event_that_comes_too_early_is_told_when_to_come_back() {
        let stage = built(r#"{"max_rate": 1, "every": "1h"}"#).expect("a stage");
        assert!(testing::run(stage.as_ref(), Request::new("")).await.is_complete());
        let error = testing::run(stage.as_ref(), Request::new("")).await.error.expect("too early");
        let wait = error.retry_after().expect("a time");
        assert!(wait > Duration::from_secs(3_000) && wait <= Duration::from_secs(3_600), "{wait:?}");
        assert_eq!((error.to_string().as_str(), error.kind()), ("rate limit exceded", FailureKind::Other));
    }

    #[track_caller]
    fn refused(settings: &str, path: &str, message: &str) {
        let problems = built(settings).err().expect(settings);
        let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
        assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
    }

    #[test]
    fn what_is_no_limit_is_refused_at_load() {
        refused("{}", "b", "missing field `max_rate`");
        refused(r#"{"max_rate": "1"}"#, "b.max_rate", "invalid type: string");
        refused(r#"{"max_rate": -1}"#, "b.max_rate", "-1 calls in 1s");
        refused(r#"{"max_rate": 1e12}"#, "b.max_rate", "cannot be counted");
        refused(r#"{"max_rate": 1, "capacity": -2}"#, "b.capacity", "-2 is no number of calls");
        refused(r#"{"max_rate": 1, "every": "oops"}"#, "b.every", "is no duration");
        refused(r#"{"max_rate": 1, "every": 2}"#, "b.every", "invalid type: integer");
        refused(r#"{"max_rate": 1, "every": "2"}"#, "b.every", "has no unit");
        refused(r#"{"max_rate": 1, "every": "0s"}"#, "b.every", "must be more than 0s");
    }
}
