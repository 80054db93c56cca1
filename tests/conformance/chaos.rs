//! A real library that misbehaves: what it says reaches the log, what it breaks stays its own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use siphon_core::plugin::{Registered, Registry};
use siphon_core::{AgentEnd, AgentSpec, AgentState};
use siphon_telemetry::logs::{LogSettings, subscriber_to};
use siphon_telemetry::{Label, Level};
use siphon_testkit::{ScriptedHandler, Step, TestAgent, Watched, plugin_file, spec_for};

/// Everything that was logged in this process.
fn log() -> &'static Arc<Watched<Vec<String>>> {
    static LOG: OnceLock<Arc<Watched<Vec<String>>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Arc::<Watched<Vec<String>>>::default();
        let lines = Arc::clone(&log);
        let settings = LogSettings { level: Level::Debug, ..LogSettings::default() };
        let subscriber = subscriber_to(settings, move |line| lines.change(|lines| lines.push(line.to_owned())));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
}

/// The driver, loaded as siphon loads it.
fn driver() -> Arc<Registered> {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let load = || {
        log();
        let mut registry = Registry::default();
        registry.load_file(&plugin_file("chaos"));
        assert_eq!(registry.refusals(), []);
        registry
    };
    Arc::clone(REGISTRY.get_or_init(load).source("async/chaos").unwrap())
}

fn agent(name: &str, config: &str) -> AgentSpec {
    let spec = spec_for(driver(), config.to_owned());
    AgentSpec { label: Label::new(name, "Chaos"), health_interval: Duration::from_millis(5), ..spec }
}

/// An agent whose driver misbehaves like this works off its events, beside one whose driver does not.
async fn check(name: &str, config: &str, events: u64) {
    let handler = ScriptedHandler::always(Step::Succeed);
    let neighbour = TestAgent::start(agent(&format!("{name}-neighbour"), r#"{"events": 50}"#), &handler);
    let troubled = TestAgent::start(agent(name, config), &handler);
    troubled.wait_until("its events", |status| status.acked >= events).await;
    neighbour.wait_until("the neighbour's events", |status| status.acked == 50).await;
    assert_eq!(neighbour.status.snapshot().last_error, None);
    assert_eq!(troubled.drain().await, AgentEnd::Drained);
    assert_eq!(neighbour.drain().await, AgentEnd::Drained);
}

/// Waits for a line that contains all of `parts`.
async fn expect_line(parts: &'static [&'static str]) {
    let wait = move || {
        log().wait_until("a line", |lines| lines.iter().any(|line| parts.iter().all(|part| line.contains(part))))
    };
    tokio::task::spawn_blocking(wait).await.unwrap();
}

#[tokio::test]
async fn a_panic_in_any_call_is_survived() {
    check("panic-recv", r#"{"events": 10, "panic": ["recv"], "after": 1}"#, 10).await;
    check("panic-settle", r#"{"events": 10, "panic": ["settle"], "after": 1}"#, 2).await;
    check("panic-ping", r#"{"events": 10, "panic": ["ping"], "after": 2}"#, 10).await;
    check("panic-close", r#"{"events": 10, "panic": ["close"]}"#, 10).await;
    expect_line(&["[ASYNC: panic-recv][Chaos]", "the driver panicked", "told to panic in Recv"]).await;
}

#[tokio::test]
async fn a_driver_that_panics_while_it_connects_is_tried_again_and_given_up() {
    let spec = AgentSpec { max_retries: Some(2), ..agent("panic-connect", r#"{"panic": ["connect"]}"#) };
    let troubled = TestAgent::start(spec, &ScriptedHandler::always(Step::Succeed));
    assert_eq!(troubled.ended().await, AgentEnd::Failed("the driver panicked: told to panic in Connect".into()));
}

#[tokio::test]
async fn a_panic_in_check_is_a_finding() {
    let findings = driver().check(&agent("panic-check", r#"{"panic": ["check"]}"#).open_options());
    let messages: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, ["the driver panicked: told to panic in Check"]);
}

#[tokio::test]
async fn stalls_and_floods_are_borne() {
    check("stall-ping", r#"{"events": 10, "stall": ["ping"]}"#, 3).await;
    check("flood", r#"{"events": 5000, "flood": true}"#, 5000).await;
    check("fail-recv", r#"{"events": 10, "fail": ["recv"], "after": 1}"#, 10).await;
}

#[tokio::test]
async fn wrong_configuration_has_its_path() {
    for (config, path, part) in [
        (r#"{"panic": ["sneeze"]}"#, "panic[0]", "unknown variant `sneeze`"),
        (r#"{"events": "many"}"#, "events", "invalid type: string \"many\", expected u64"),
        (r#"{"evnets": 1}"#, "evnets", "unknown field `evnets`"),
        (r#"{"panic": ["recv"], "stall": ["recv"]}"#, "stall", "both panic and stall"),
    ] {
        let findings = driver().check(&agent("wrong", config).open_options());
        let found: Vec<_> = findings.iter().map(|finding| (finding.path.as_str(), finding.message.as_str())).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == path && found[0].1.contains(part), "{config}: {found:?}");
        assert!(!found[0].1.contains(" line "), "the place is that of a text nobody has seen: {found:?}");
    }
}

#[tokio::test]
async fn what_the_driver_says_carries_the_agents_name() {
    let handler = ScriptedHandler::always(Step::Succeed);
    let agents = ["speaker-1", "speaker-2"].map(|name| TestAgent::start(agent(name, r#"{"events": 3}"#), &handler));
    for talker in &agents {
        talker.wait_until("its events", |status| status.acked == 3 && status.state == AgentState::Running).await;
    }
    expect_line(&["[ASYNC: speaker-1][Chaos]", "chaos begins", "queue=speaker-1"]).await;
    expect_line(&["[ASYNC: speaker-2][Chaos]", "chaos begins", "queue=speaker-2"]).await;
    expect_line(&["[ASYNC: speaker-1][Chaos]", "settled"]).await;
    expect_line(&["[SERVICE: siphon-plugin-chaos]", "speaks for nobody"]).await;
    let wrong = log().look(|lines| {
        let is_mixed = |line: &&String| line.contains("speaker-1][") && line.contains("queue=speaker-2");
        lines.iter().filter(is_mixed).cloned().collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}
