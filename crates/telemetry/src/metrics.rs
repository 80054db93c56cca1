//! What `/metrics` shows: counters, gauges and histograms of every agent, in Prometheus' text format.
//!
//! [`Metric`] has every name. [`Metrics`] owns the figures of one process and prints them; [`AgentMetrics`] and
//! [`PipeMetrics`] are the handles through which they move. Handles are resolved once, when an agent is built:
//! recording is a few atomic operations, without a lock or a look-up. Labels come from the configuration and from fixed
//! lists, and an agent shows at most [`PARTITIONS`] partitions, so their number is bounded.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>, text format 0.0.4.

mod agent;
mod name;
mod timer;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

pub use agent::{Age, AgentMetrics, AgentState, FailedBy, PARTITIONS, Settled};
pub use name::{Kind, Metric};
pub use timer::{PipeMetrics, RunOutcome, Running, Timer};

use crate::Label;

/// Content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of a process. Clones are the same metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    families: Arc<Families>,
}

/// One family for each [`Metric`], still without an agent.
#[derive(Debug)]
struct Families {
    info: IntGaugeVec,
    state: IntGaugeVec,
    reconnects: IntCounterVec,
    received: IntCounterVec,
    settled: IntCounterVec,
    in_flight: IntGaugeVec,
    waiting: IntGaugeVec,
    age: HistogramVec,
    failed: IntCounterVec,
    lag: IntGaugeVec,
    pipe: HistogramVec,
    backend: HistogramVec,
    /// Names of the agents there are.
    agents: Mutex<HashSet<String>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        gauge(&registry, Metric::BuildInfo).with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let families = Families {
            info: gauge(&registry, Metric::AgentInfo),
            state: gauge(&registry, Metric::AgentState),
            reconnects: counter(&registry, Metric::AgentReconnects),
            received: counter(&registry, Metric::EventsReceived),
            settled: counter(&registry, Metric::EventsSettled),
            in_flight: gauge(&registry, Metric::EventsInFlight),
            waiting: gauge(&registry, Metric::EventsWaiting),
            age: histogram(&registry, Metric::EventAge),
            failed: counter(&registry, Metric::AttemptsFailed),
            lag: gauge(&registry, Metric::Lag),
            pipe: histogram(&registry, Metric::PipeDuration),
            backend: histogram(&registry, Metric::BackendDuration),
            agents: Mutex::default(),
        };
        Self { registry, families: Arc::new(families) }
    }
}

impl Metrics {
    /// The handles of one more agent, all at 0. A second agent of the same name is `name#2`, as in health.
    pub fn agent(&self, label: &Label) -> AgentMetrics {
        let mut agents = self.families.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let name = free_name(&mut agents, &label.agent);
        AgentMetrics::new(&self.families, name, &label.agent_type)
    }

    /// All figures, as [`CONTENT_TYPE`] says. Families come in the order of their names.
    pub fn text(&self) -> String {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.expect("families are never empty, and writing to memory never fails")
    }
}

/// `name`, or the first of `name#2`, `name#3`, … that nobody has; taken from now on.
fn free_name(taken: &mut HashSet<String>, name: &str) -> String {
    let numbered = (2..).map(|number| format!("{name}#{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| taken.insert(name.clone())).expect("numbers do not end")
}

fn counter(registry: &Registry, metric: Metric) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(metric.name(), metric.help()), metric.labels()))
}

fn gauge(registry: &Registry, metric: Metric) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(Opts::new(metric.name(), metric.help()), metric.labels()))
}

fn histogram(registry: &Registry, metric: Metric) -> HistogramVec {
    let options = HistogramOpts::new(metric.name(), metric.help()).buckets(metric.buckets().to_vec());
    registered(registry, HistogramVec::new(options, metric.labels()))
}

fn registered<F: Collector + Clone + 'static>(registry: &Registry, family: prometheus::Result<F>) -> F {
    let family = family.expect("the table's names are names");
    registry.register(Box::new(family.clone())).expect("the table has every name once");
    family
}

#[cfg(test)]
mod tests;
