//! What `/__health` shows.
//!
//! The reference's shape (`agents`: name → last ping, `now`, `status`) with our `agent_details` beside it. `agents` has
//! an agent from its first ping on and never forgets it; `agent_details` has every agent from the start.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use siphon_telemetry::clock::Utc;
use siphon_telemetry::redact;

use crate::go_time::go_time;

/// Where health comes from. Called once per request, on the service's thread: it must not wait for anything.
pub trait HealthSource: Send + Sync + 'static {
    fn report(&self) -> HealthReport;
}

/// Every agent of the process, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthReport {
    pub agents: Vec<AgentHealth>,
}

/// One agent. The counts are events since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentHealth {
    pub name: String,
    /// The driver's log label, such as `SQLite`.
    pub agent_type: String,
    pub state: AgentState,
    /// When the broker last answered a ping; `None` before the first.
    pub last_ping: Option<SystemTime>,
    /// Events taken from the broker and not settled yet: in the pipe, read ahead, or waiting for their retry.
    pub in_flight: u64,
    pub received: u64,
    pub acked: u64,
    /// Runs of the pipe that failed. One event can fail several times.
    pub failed: u64,
    /// Events handed back to the broker.
    pub given_back: u64,
    /// Events that wait at the broker; `None` where the driver does not know.
    pub lag: Option<u64>,
    /// How often connecting was tried since the agent was last connected.
    pub attempts: u64,
    pub last_error: Option<LastError>,
}

/// What an agent is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// Not connected yet, or not any more; it goes on trying.
    #[default]
    Connecting,
    Running,
    /// Connected, and asking for no events on purpose.
    Paused,
    /// Connected, and its driver does not answer.
    Stalled,
    /// Given up: it comes back with the next start of the process.
    Failed,
    /// Ended by the shutdown.
    Stopped,
}

/// The latest thing that went wrong. `text` holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    pub text: String,
    pub at: SystemTime,
}

/// The answer. Keys are in the order of their letters, as the reference prints them.
#[derive(Debug, Serialize)]
struct Shown {
    agent_details: BTreeMap<String, ShownAgent>,
    agents: BTreeMap<String, String>,
    now: String,
    status: &'static str,
}

#[derive(Debug, Serialize)]
struct ShownAgent {
    #[serde(rename = "type")]
    agent_type: String,
    state: AgentState,
    last_ping: Option<String>,
    in_flight: u64,
    received: u64,
    acked: u64,
    failed: u64,
    given_back: u64,
    lag: Option<u64>,
    attempts: u64,
    last_error: Option<ShownError>,
}

#[derive(Debug, Serialize)]
struct ShownError {
    text: String,
    at: String,
}

/// The health of `report` as JSON, without a line break at its end. `started` is the start of the process.
///
/// Agents of one name share an entry of `agents`, with the later ping, as in the reference; `agent_details` tells them
/// apart as `name`, `name#2`.
pub fn health_json(report: HealthReport, now: SystemTime, started: SystemTime) -> String {
    let shown = Shown {
        agents: last_pings(&report).map(|(name, ping)| (name, go_time(ping, started))).collect(),
        agent_details: details(report),
        now: go_time(now, started),
        status: "ok",
    };
    serde_json::to_string(&shown).expect("maps with text keys always serialise")
}

fn last_pings(report: &HealthReport) -> impl Iterator<Item = (String, SystemTime)> + use<> {
    let mut pings: BTreeMap<String, SystemTime> = BTreeMap::new();
    for agent in &report.agents {
        if let Some(ping) = agent.last_ping {
            let known = pings.entry(agent.name.clone()).or_insert(ping);
            *known = ping.max(*known);
        }
    }
    pings.into_iter()
}

fn details(report: HealthReport) -> BTreeMap<String, ShownAgent> {
    let mut details = BTreeMap::new();
    for agent in report.agents {
        let name = free_name(&details, &agent.name);
        details.insert(name, agent.into());
    }
    details
}

fn free_name(taken: &BTreeMap<String, ShownAgent>, name: &str) -> String {
    let numbered = (2..).map(|number| format!("{name}#{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !taken.contains_key(name)).expect("numbers do not end")
}

impl From<AgentHealth> for ShownAgent {
    fn from(agent: AgentHealth) -> Self {
        Self {
            agent_type: agent.agent_type,
            state: agent.state,
            last_ping: agent.last_ping.map(rfc3339),
            in_flight: agent.in_flight,
            received: agent.received,
            acked: agent.acked,
            failed: agent.failed,
            given_back: agent.given_back,
            lag: agent.lag,
            attempts: agent.attempts,
            last_error: agent.last_error.map(ShownError::from),
        }
    }
}

/// Anybody may ask for health, and the text may be a plugin's.
impl From<LastError> for ShownError {
    fn from(error: LastError) -> Self {
        Self { text: redact::message(&error.text), at: rfc3339(error.at) }
    }
}

fn rfc3339(time: SystemTime) -> String {
    Utc::from(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_447_396 + seconds)
    }

    #[track_caller]
    fn check(agents: Vec<AgentHealth>, expected: &str) {
        assert_eq!(health_json(HealthReport { agents }, at(10), at(0)), expected);
    }

    #[test]
    fn without_agents_the_shape_is_the_references() {
        let expected =
            r#"{"agent_details":{},"agents":{},"now":"2026-11-23 15:23:26 +0000 UTC m=+10.000000000","status":"ok"}"#;
        check(vec![], expected);
    }

    #[test]
    fn an_agent_shows_its_ping_and_its_details() {
        let agent = AgentHealth {
            name: "orders".into(),
            agent_type: "SQLite".into(),
            state: AgentState::Running,
            last_ping: Some(at(5)),
            in_flight: 1,
            received: 9,
            acked: 6,
            failed: 3,
            given_back: 2,
            lag: Some(5),
            attempts: 0,
            last_error: Some(LastError { text: "backend answered 503".into(), at: at(4) }),
        };
        let expected = concat!(
            r#"{"agent_details":{"orders":{"type":"SQLite","state":"running","last_ping":"2026-11-23T15:23:21.000Z","#,
            r#""in_flight":1,"received":9,"acked":6,"failed":3,"given_back":2,"lag":5,"attempts":0,"#,
            r#""last_error":{"text":"backend answered 503","at":"2026-11-23T15:23:20.000Z"}}},"#,
            r#""agents":{"orders":"2026-11-23 15:23:21 +0000 UTC m=+5.000000000"},"#,
            r#""now":"2026-11-23 15:23:26 +0000 UTC m=+10.000000000","status":"ok"}"#,
        );
        check(vec![agent], expected);
    }

    #[test]
    fn an_error_is_shown_without_secrets() {
        let text = "cannot reach amqp://u:hunter2@mq/?token=hunter2".to_owned();
        let shown = ShownError::from(LastError { text, at: at(4) });
        assert_eq!(shown.text, "cannot reach amqp://u:***@mq/?token=***");
    }

    /// The keys of `agents` and of `agent_details` that agents of these names and pings get.
    #[track_caller]
    fn check_keys(agents: &[(&str, Option<u64>)], pinged: &[&str], detailed: &[&str]) {
        let agents = agents.iter().map(|(name, ping)| AgentHealth {
            name: (*name).into(),
            last_ping: ping.map(at),
            ..AgentHealth::default()
        });
        let text = health_json(HealthReport { agents: agents.collect() }, at(10), at(0));
        let health: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
        let keys =
            |member: &str| -> Vec<String> { health[member].as_object().expect("an object").keys().cloned().collect() };
        assert_eq!((keys("agents"), keys("agent_details")), (owned(pinged), owned(detailed)));
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_agent_that_was_never_pinged_has_details_only() {
        check_keys(&[("a", None), ("b", Some(1))], &["b"], &["a", "b"]);
    }

    #[test]
    fn agents_of_one_name_are_told_apart_in_the_details() {
        check_keys(&[("a", Some(1)), ("a", Some(2)), ("a", None)], &["a"], &["a", "a#2", "a#3"]);
    }

    #[test]
    fn agents_of_one_name_share_the_later_ping() {
        let agent = |ping| AgentHealth { name: "a".into(), last_ping: Some(at(ping)), ..AgentHealth::default() };
        let pings: Vec<_> = last_pings(&HealthReport { agents: vec![agent(3), agent(1)] }).collect();
        assert_eq!(pings, [("a".to_owned(), at(3))]);
    }
}
