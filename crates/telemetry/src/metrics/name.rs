//! Every metric: its name, its kind, its labels and what it means, in one table.

/// A metric that `/metrics` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    BuildInfo,
    AgentInfo,
    AgentState,
    AgentReconnects,
    EventsReceived,
    EventsSettled,
    EventsInFlight,
    EventsWaiting,
    EventAge,
    AttemptsFailed,
    Lag,
    PipeDuration,
    BackendDuration,
}

/// How a metric changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// The word of the text format.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The label that every agent's metrics have.
const AGENT: &str = "agent";

impl Metric {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 13] = [
        Self::BuildInfo,
        Self::AgentInfo,
        Self::AgentState,
        Self::AgentReconnects,
        Self::EventsReceived,
        Self::EventsSettled,
        Self::EventsInFlight,
        Self::EventsWaiting,
        Self::EventAge,
        Self::AttemptsFailed,
        Self::Lag,
        Self::PipeDuration,
        Self::BackendDuration,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::BuildInfo => "siphon_build_info",
            Self::AgentInfo => "siphon_agent_info",
            Self::AgentState => "siphon_agent_state",
            Self::AgentReconnects => "siphon_agent_reconnects_total",
            Self::EventsReceived => "siphon_events_received_total",
            Self::EventsSettled => "siphon_events_settled_total",
            Self::EventsInFlight => "siphon_events_in_flight",
            Self::EventsWaiting => "siphon_events_waiting",
            Self::EventAge => "siphon_event_age_seconds",
            Self::AttemptsFailed => "siphon_attempts_failed_total",
            Self::Lag => "siphon_lag_events",
            Self::PipeDuration => "siphon_pipe_duration_seconds",
            Self::BackendDuration => "siphon_backend_duration_seconds",
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Self::AgentReconnects | Self::EventsReceived | Self::EventsSettled | Self::AttemptsFailed => Kind::Counter,
            Self::EventAge | Self::PipeDuration | Self::BackendDuration => Kind::Histogram,
            Self::BuildInfo | Self::AgentInfo | Self::AgentState | Self::EventsInFlight | Self::EventsWaiting => {
                Kind::Gauge
            }
            Self::Lag => Kind::Gauge,
        }
    }

    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::BuildInfo => &["version"],
            Self::AgentInfo => &[AGENT, "driver"],
            Self::AgentState => &[AGENT, "state"],
            Self::AgentReconnects | Self::EventsReceived | Self::EventsInFlight | Self::EventsWaiting => &[AGENT],
            Self::EventsSettled | Self::PipeDuration => &[AGENT, "outcome"],
            Self::EventAge => &[AGENT, "since"],
            Self::AttemptsFailed => &[AGENT, "reason"],
            Self::Lag => &[AGENT, "partition"],
            Self::BackendDuration => &[AGENT, "backend", "outcome"],
        }
    }

    pub fn help(self) -> &'static str {
        match self {
            Self::BuildInfo => "1, with the version of siphon.",
            Self::AgentInfo => "1, with the agent's driver.",
            Self::AgentState => "1 for the state that the agent is in, 0 for the others.",
            Self::AgentReconnects => "Connections that were lost or could not be made, and are tried again.",
            Self::EventsReceived => "Events taken from the driver.",
            Self::EventsSettled => {
                "Events by what the driver was told about them; lost: the connection was gone before."
            }
            Self::EventsInFlight => "Events in the pipe.",
            Self::EventsWaiting => "Failed events that siphon holds until they are given back or tried again.",
            Self::EventAge => "Age of events that were settled for good.",
            Self::AttemptsFailed => "Runs of the pipe that failed.",
            Self::Lag => "Events that wait at the broker, where the driver knows.",
            Self::PipeDuration => "Runs of the pipe; late: given up before their end.",
            Self::BackendDuration => "Calls of one backend with all its components; late: given up before their end.",
        }
    }

    /// Upper bounds of a histogram's buckets, in seconds; empty for other kinds.
    pub(crate) fn buckets(self) -> &'static [f64] {
        match self {
            Self::EventAge => &AGES,
            Self::PipeDuration | Self::BackendDuration => &DURATIONS,
            _ => &[],
        }
    }
}

/// From a backend beside us to one at the end of its patience.
const DURATIONS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// From an event that went straight through to one of yesterday.
const AGES: [f64; 13] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 21_600.0, 86_400.0];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own_with_its_unit_and_buckets_that_rise() {
        let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            let (name, buckets) = (metric.name(), metric.buckets());
            assert_eq!(name.ends_with("_total"), metric.kind() == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), metric.kind() == Kind::Histogram, "{name}");
            assert_eq!(buckets.is_empty(), metric.kind() != Kind::Histogram, "{name}");
            assert!(buckets.is_sorted(), "{name}");
            assert!(name.starts_with("siphon_") && metric.help().ends_with('.'), "{name}");
        }
    }
}
