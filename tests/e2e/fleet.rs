//! Many agents in one process, and what the end of one means to the others.

use serde_json::{Value, json};
use siphon_testkit::HttpBackend;
use siphon_tests::{Lab, Launch, agent, config, eventually, with};

const AGENTS: usize = 200;

/// An agent whose queue file is at `path`.
fn agent_at(name: &str, url: &str, path: &str) -> Value {
    let connection = json!({"max_retries": 1, "backoff_strategy": "fallback"});
    with(agent(name, url), json!({"connection": connection, "extra_config": {"async/sqlite": {"path": path}}}))
}

/// A path that no user can open, and that is no mistake of the configuration as far as SQLite knows.
const NEVER_OPENS: &str = "/proc/siphon-events.db";

#[test]
fn two_hundred_agents_run_in_one_process() {
    let backend = HttpBackend::start();
    let names: Vec<String> = (0..AGENTS).map(|n| format!("agent-{n:03}")).collect();
    let lab = Lab::new(&config(names.iter().map(|name| agent(name, &backend.url()))));
    names.iter().for_each(|name| lab.publish(name, [name]));
    let mut siphon = lab.start();
    backend.wait_until("an event of each agent", |log| log.requests.len() >= AGENTS);
    let is_well = |details: &Value| details["state"] == "running" && details["acked"] == 1;
    eventually("all agents to be well", || {
        let health = siphon.health();
        let details = health["agent_details"].as_object()?;
        (details.len() == AGENTS && details.values().all(is_well)).then_some(())
    });
    assert_eq!(siphon.stop(), 0);
    let mut seen = backend.look(|log| log.bodies("/in"));
    seen.sort_unstable();
    assert_eq!(seen, names);
    assert_eq!(lab.rows(), 0);
}

#[test]
fn agents_that_are_exhausted_or_hopeless_do_not_touch_the_others() {
    let backend = HttpBackend::start();
    let agents = [
        agent_at("exhausted", &backend.url(), NEVER_OPENS),
        agent_at("hopeless", &backend.url(), "missing-folder/events.db"),
        agent("well", &backend.url()),
    ];
    let lab = Lab::new(&config(agents));
    let mut siphon = lab.start();
    let has_failed = |agent: &Value| agent["state"] == "failed";
    let exhausted = siphon.wait_for_agent("exhausted", has_failed);
    let hopeless = siphon.wait_for_agent("hopeless", has_failed);
    let text = |agent: &Value| agent["last_error"]["text"].as_str().unwrap_or_default().to_owned();
    assert!(
        text(&exhausted).contains("/proc/siphon-events.db: cannot be opened: check the permissions"),
        "{exhausted}"
    );
    assert!(text(&hopeless).contains("missing-folder/events.db: the folder does not exist: create it"), "{hopeless}");
    siphon.wait_for_log(&["[ASYNC: exhausted][SQLite] not connected, trying again", "wait=1s"]);
    siphon.wait_for_log(&["[ASYNC: exhausted][SQLite] agent failed for good", "attempts=2"]);
    siphon.wait_for_log(&["[ASYNC: hopeless][SQLite] agent failed for good", "attempts=1"]);

    lab.publish("well", ["still working"]);
    siphon.wait_for_agent("well", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0, "one agent was well to the end");
    assert_eq!(backend.look(|log| log.bodies("/in")), ["still working"]);
}

#[test]
fn the_program_ends_with_status_4_when_every_agent_has_failed() {
    let agents = [
        agent_at("exhausted", "http://127.0.0.1:1", NEVER_OPENS),
        agent_at("hopeless", "http://127.0.0.1:1", "missing-folder/events.db"),
    ];
    let lab = Lab::new(&config(agents));
    let mut siphon = Launch::new(&lab).start();
    assert_eq!(siphon.wait(), 4);
}
