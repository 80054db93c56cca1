//! The configurations that KrakenD's users have, from the founding page on.

use std::time::Duration;

use crate::common::{catalogue, catalogue_with_amqp, config_of, problems_of};
use siphon_config::model::{Agent, BackoffStrategy, Encoding};

fn agents(text: &str) -> Vec<Agent> {
    config_of("s.json", text, &catalogue_with_amqp()).agents
}

#[track_caller]
fn check_needs_amqp(text: &str) {
    let problems = problems_of("s.json", text, &catalogue());
    let errors: Vec<_> = problems.iter().filter(|problem| problem.starts_with("error")).collect();
    assert!(!errors.is_empty());
    for error in errors {
        assert!(error.contains("\"async/amqp\", whose plugin \"amqp\" is not loaded"), "{error}");
        assert!(error.contains("\"plugins\""), "{error}");
    }
}

#[test]
fn without_its_plugin_the_problem_names_the_amqp_driver() {
    for text in [
        include_str!("../fixtures/8.0-founding.json"),
        include_str!("../fixtures/8.1-legacy-namespace.json"),
        include_str!("../fixtures/8.2-mixed.json"),
        include_str!("../fixtures/8.3-minimal.json"),
        include_str!("../fixtures/8.5-dead-letter.json"),
        include_str!("../fixtures/8.6-fire-and-forget.json"),
        include_str!("../fixtures/8.13-several.json"),
    ] {
        check_needs_amqp(text);
    }
}

#[test]
fn the_founding_example_is_an_amqp_agent() {
    let agent = &agents(include_str!("../fixtures/8.0-founding.json"))[0];
    assert_eq!(agent.name, "cool-agent");
    assert_eq!(agent.topics, ["*"]);
    assert_eq!((agent.workers, agent.timeout), (1, Duration::from_millis(150)));
    assert_eq!((agent.max_retries, agent.backoff), (Some(10), BackoffStrategy::ExponentialJitter));
    assert_eq!(agent.health_interval, Duration::from_secs(10));
    assert_eq!(agent.driver.namespace, "async/amqp");
    assert_eq!(agent.driver.settings.get("exchange").and_then(|node| node.as_str()), Some("foo"));
    assert_eq!(agent.backends[0].hosts, ["http://127.0.0.1:8080"]);
    assert_eq!((agent.backends[0].method.as_str(), agent.backends[0].url_pattern.as_str()), ("GET", "/__debug"));
}

#[test]
fn the_backend_s_namespace_on_an_agent_is_warned_of() {
    let problems = problems_of("s.json", include_str!("../fixtures/8.1-legacy-namespace.json"), &catalogue_with_amqp());
    assert!(problems.iter().any(|problem| problem.contains("read as \"async/amqp\"")), "{problems:?}");
    let agent = &agents(include_str!("../fixtures/8.1-legacy-namespace.json"))[0];
    assert_eq!((agent.driver.namespace.as_str(), agent.workers), ("async/amqp", 2));
}

#[test]
fn nested_keys_win_over_flat_ones_with_a_warning() {
    let text = include_str!("../fixtures/8.2-mixed.json");
    let agent = &agents(text)[0];
    assert_eq!((agent.workers, agent.timeout), (4, Duration::from_secs(2)));
    assert_eq!(agent.topics, ["audit.#"]);
    let problems = problems_of("s.json", text, &catalogue_with_amqp());
    for key in ["workers", "timeout"] {
        let expected = format!("async_agent[0].{key}: is ignored, because async_agent[0].consumer.{key} says");
        assert!(problems.iter().any(|problem| problem.contains(&expected)), "{problems:?}");
    }
}

#[test]
fn the_minimal_agent_has_every_default() {
    let agent = &agents(include_str!("../fixtures/8.3-minimal.json"))[0];
    assert_eq!((agent.workers, agent.timeout), (1, Duration::from_secs(2)));
    assert_eq!((agent.max_rate, agent.max_retries, agent.backoff), (None, None, BackoffStrategy::Constant));
    assert_eq!(agent.health_interval, Duration::from_secs(1));
    assert_eq!(agent.backends[0].hosts, ["http://sink:9000"]);
    assert_eq!((agent.backends[0].method.as_str(), agent.backends[0].encoding), ("GET", Encoding::Json));
    assert!(agent.components.is_empty() && agent.backends[0].components.is_empty());
}

#[test]
fn driver_settings_are_handed_on_as_they_are() {
    let agent = &agents(include_str!("../fixtures/8.5-dead-letter.json"))[0];
    assert_eq!((agent.backoff, agent.max_retries), (BackoffStrategy::Linear, Some(5)));
    assert_eq!(
        agent.driver.settings.to_json_text(),
        r#"{"host":"amqp://u:p@mq:5672/","name":"invoices","exchange":"billing","durable":true,"prefetch_count":1,"nack_discard":true}"#
    );
}

#[test]
fn the_long_name_of_the_driver_is_its_name_too() {
    let agent = &agents(include_str!("../fixtures/8.6-fire-and-forget.json"))[0];
    assert_eq!(agent.driver.namespace, "async/amqp");
    assert_eq!(agent.driver.path, "async_agent[0].extra_config.github.com/devopsfaith/krakend-amqp/agent");
    assert_eq!((agent.workers, agent.max_rate), (20, None));
    assert_eq!(agent.backends[0].encoding, Encoding::NoOp);
    assert_eq!(agent.backends[0].url_pattern, "/write?db=k");
}

#[test]
fn several_agents_stand_beside_endpoints() {
    let text = include_str!("../fixtures/8.13-several.json");
    let config = config_of("s.json", text, &catalogue_with_amqp());
    let names: Vec<_> = config.agents.iter().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, ["a", "AsyncAgent-01"]);
    assert_eq!(config.service.health_path.as_deref(), Some("/healthz"));
    let problems = problems_of("s.json", text, &catalogue_with_amqp());
    assert_eq!(
        problems,
        [
            "notice: s.json:1:97: extra_config.router: without effect on agents: logger_skip_paths",
            "warning: s.json:2:14: endpoints: siphon serves no endpoints; 1 of them ignored",
        ]
    );
}

#[test]
fn both_reasons_against_a_bad_file_are_given_at_once() {
    let problems = problems_of("s.json", include_str!("../fixtures/8.16-refused.json"), &catalogue_with_amqp());
    let errors: Vec<_> = problems.iter().filter(|problem| problem.starts_with("error")).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("async_agent[0].consumer.timeout: \"5\" has no unit; write 5s or 500ms"), "{errors:?}");
    assert!(errors[1].contains("host \"amqp://u:***@mq:5672/\" not valid"), "{errors:?}");
}
