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
    registered("async/chaos")
}

fn registered(key: &str) -> Arc<Registered> {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let load = || {
        log();
        let mut registry = Registry::default();
        registry.load_file(&plugin_file("chaos"));
        assert_eq!(registry.refusals(), []);
        registry
    };
    Arc::clone(REGISTRY.get_or_init(load).source(key).unwrap())
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
    expect_line(&["[ASYNC: panic-recv][Chaos]", "the plugin panicked", "told to panic in Recv"]).await;
}

#[tokio::test]
async fn a_driver_that_panics_while_it_connects_is_tried_again_and_given_up() {
    let spec = AgentSpec { max_retries: Some(2), ..agent("panic-connect", r#"{"panic": ["connect"]}"#) };
    let troubled = TestAgent::start(spec, &ScriptedHandler::always(Step::Succeed));
    assert_eq!(troubled.ended().await, AgentEnd::Failed("the plugin panicked: told to panic in Connect".into()));
}

#[tokio::test]
async fn a_panic_in_check_is_a_finding() {
    let findings = driver().check(&agent("panic-check", r#"{"panic": ["check"]}"#).open_options());
    let messages: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, ["the plugin panicked: told to panic in Check"]);
}

#[tokio::test]
async fn stalls_and_floods_are_borne() {
    check("stall-ping", r#"{"events": 10, "stall": ["ping"]}"#, 3).await;
    check("flood", r#"{"events": 5000, "flood": true}"#, 5000).await;
    check("fail-recv", r#"{"events": 10, "fail": ["recv"], "after": 1}"#, 10).await;
}

#[tokio::test]
async fn lies_about_events_are_borne() {
    check("duplicate", r#"{"events": 10, "duplicate": true}"#, 20).await;
    check("foreign", r#"{"events": 10, "foreign": true}"#, 10).await;
    check("garble", r#"{"events": 10, "garble": true}"#, 10).await;
}

#[tokio::test]
async fn an_event_whose_names_are_no_text_is_logged_when_it_fails() {
    let troubled =
        TestAgent::start(agent("garbled", r#"{"events": 1, "garble": true}"#), &ScriptedHandler::fail_first(1));
    troubled.wait_until("its event", |status| status.acked == 1).await;
    assert_eq!(troubled.drain().await, AgentEnd::Drained);
    expect_line(&["[ASYNC: garbled][Chaos]", "event failed", "\u{fffd}"]).await;
}

/// The same driver, with tables that say what no siphon knows.
fn liar(name: &str, config: &str) -> AgentSpec {
    AgentSpec { driver: registered("async/chaos-codes"), ..agent(name, config) }
}

#[tokio::test]
async fn codes_that_nobody_knows_are_borne() {
    let config = r#"{"events": 30, "codes": ["item", "poll", "taken", "error"], "fail": ["recv"], "after": 2}"#;
    let handler = ScriptedHandler::always(Step::Succeed);
    let troubled = TestAgent::start(liar("codes", config), &handler);
    troubled.wait_until("its events", |status| status.acked >= 30).await;
    troubled.wait_until("the error", |status| status.last_error.is_some()).await;
    assert_eq!(troubled.drain().await, AgentEnd::Drained);
    expect_line(&["[ASYNC: codes][Chaos]", "trying again", "told to fail in Recv"]).await;
    let findings = registered("async/chaos-codes").check(&liar("weight", r#"{"codes": ["weight"]}"#).open_options());
    assert_eq!(findings.iter().map(|finding| &*finding.message).collect::<Vec<_>>(), ["weighs what nobody knows"]);
}

/// A copy of the library is a library of its own, with a thread of its own.
fn copied(folder: &tempfile::TempDir) -> Arc<Registered> {
    let file = folder.path().join("chaos.so");
    std::fs::copy(plugin_file("chaos"), &file).unwrap();
    let mut registry = Registry::default();
    registry.load_file(&file);
    assert_eq!(registry.refusals(), []);
    Arc::clone(registry.source("async/chaos").unwrap())
}

#[tokio::test]
async fn an_agent_whose_driver_hangs_is_stalled_and_others_of_its_plugin_go_on() {
    let handler = ScriptedHandler::always(Step::Succeed);
    for (name, config) in [
        ("hang-ping", r#"{"events": 10, "stall": ["ping"]}"#),
        ("hang-settle", r#"{"events": 10, "stall": ["settle"]}"#),
    ] {
        let neighbour = TestAgent::start(agent(&format!("{name}-neighbour"), r#"{"events": 50}"#), &handler);
        let troubled = TestAgent::start(agent(name, config), &handler);
        troubled.wait_until("the stall", |status| status.state == AgentState::Stalled).await;
        let error = troubled.status.snapshot().last_error.map(|(_, error)| error);
        assert_eq!(error.as_deref(), Some("the driver does not answer"));
        neighbour.wait_until("its events", |status| status.acked == 50 && status.state == AgentState::Running).await;
        assert_eq!(neighbour.drain().await, AgentEnd::Drained);
    }
    expect_line(&["[ASYNC: hang-ping][Chaos]", "the driver does not answer"]).await;
}

#[tokio::test]
async fn a_blocked_thread_stalls_all_agents_of_its_plugin_and_no_others() {
    log();
    let folder = tempfile::tempdir().unwrap();
    let (library, release) = (copied(&folder), folder.path().join("release"));
    let of_library = |name: &str, config: &str| AgentSpec { driver: Arc::clone(&library), ..agent(name, config) };
    let handler = ScriptedHandler::always(Step::Succeed);
    let sibling = TestAgent::start(of_library("sibling", r#"{"events": 5}"#), &handler);
    sibling.wait_until("its events", |status| status.acked == 5 && status.state == AgentState::Running).await;
    let config = format!(r#"{{"events": 5, "block": ["settle"], "release": {release:?}}}"#);
    let blocker = TestAgent::start(of_library("blocker", &config), &handler);
    for agent in [&blocker, &sibling] {
        agent.wait_until("the stall", |status| status.state == AgentState::Stalled).await;
    }
    let other = TestAgent::start(agent("other-library", r#"{"events": 50}"#), &handler);
    other.wait_until("its events", |status| status.acked == 50 && status.state == AgentState::Running).await;
    std::fs::write(&release, "").unwrap();
    for agent in [&blocker, &sibling] {
        agent.wait_until("the end of the stall", |status| status.state == AgentState::Running).await;
    }
    for agent in [blocker, sibling, other] {
        assert_eq!(agent.drain().await, AgentEnd::Drained);
    }
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
