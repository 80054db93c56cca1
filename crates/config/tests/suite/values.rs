//! What the typed part makes of the values of a file.

use std::time::Duration;

use crate::common::{agent, backend, catalogue, config_of};
use siphon_config::model::{Agent, Backend, BackoffStrategy, Config, Delivery, Encoding, LogFormat, LogLevel};

fn config(text: &str) -> Config {
    config_of("s.json", text, &catalogue())
}

fn agent_with(more: &str) -> Agent {
    let rest = "\"extra_config\": {\"async/sqlite\": {\"path\": \"q.db\"}}, \"backend\": {\"method\": \"POST\"}";
    config(&agent(&format!("{more}, {rest}"))).agents.swap_remove(0)
}

fn backend_with(more: &str) -> Backend {
    config(&backend(more)).agents.swap_remove(0).backends.swap_remove(0)
}

fn root(more: &str) -> Config {
    config(&format!("{{\"version\": \"3\", \"async_agent\": [], {more}}}"))
}

#[test]
fn the_root_has_its_defaults() {
    let service = root("\"name\": \"x\"").service;
    assert_eq!((service.port, service.listen_ip, service.timeout), (8080, None, Duration::from_secs(2)));
    assert_eq!(service.health_path.as_deref(), Some("/__health"));
    assert_eq!(service.http.max_idle_connections_per_host, 250);
    assert_eq!(service.http.max_idle_connections, None);
    assert_eq!(service.http.tcp_keep_alive, Some(Duration::from_secs(15)));
    assert_eq!((service.http.connect_timeout, service.http.idle_connection_timeout), (None, None));
    assert_eq!(service.logging, None);
}

#[test]
fn zero_and_negative_values_of_the_root_mean_what_they_mean_to_krakend() {
    let service = root("\"port\": 0, \"timeout\": 0, \"dialer_keep_alive\": \"-1s\", \"dialer_timeout\": \"0s\", \"max_idle_connections_per_host\": 0").service;
    assert_eq!((service.port, service.timeout), (8080, Duration::from_secs(2)));
    assert_eq!((service.http.tcp_keep_alive, service.http.connect_timeout), (None, None));
    assert_eq!(service.http.max_idle_connections_per_host, 250);
}

#[test]
fn router_and_logging_are_read_under_both_names() {
    let service = root("\"extra_config\": {\"router\": {\"disable_health\": \"true\"}}").service;
    assert_eq!(service.health_path, None);
    let long = "\"extra_config\": {\"github_com/devopsfaith/krakend-gologging\": {\"level\": \"warning\", \"stdout\": true, \"format\": \"logstash\", \"prefix\": \"p\"}}";
    let logging = root(long).service.logging.expect("given");
    assert_eq!((logging.level, logging.format, logging.stdout), (LogLevel::Warning, LogFormat::Json, true));
    assert_eq!(logging.prefix, "p");
}

#[test]
fn flat_and_nested_agents_say_the_same() {
    let flat = agent_with(
        "\"topic\": \"t\", \"workers\": \"3\", \"timeout\": 2000000000, \"max_rate\": \"0.5\", \"max_retries\": 4, \"backoff_strategy\": \"LINEAR-Jitter\", \"health_interval\": \"5s\"",
    );
    let nested = agent_with(
        "\"consumer\": {\"topic\": [\"t\"], \"workers\": 3, \"timeout\": \"2s\", \"max_rate\": 0.5}, \"connection\": {\"max_retries\": 4, \"backoff_strategy\": \"linear-jitter\", \"health_interval\": \"5s\"}",
    );
    for agent in [flat, nested] {
        assert_eq!(agent.topics, ["t"]);
        assert_eq!((agent.workers, agent.timeout, agent.max_rate), (3, Duration::from_secs(2), Some(0.5)));
        assert_eq!((agent.max_retries, agent.backoff), (Some(4), BackoffStrategy::LinearJitter));
        assert_eq!(agent.health_interval, Duration::from_secs(5));
    }
}

#[test]
fn values_of_agents_are_clamped() {
    let agent = agent_with(
        "\"topic\": \"t\", \"workers\": -3, \"timeout\": \"0s\", \"max_rate\": -1, \"max_retries\": -5, \"health_interval\": \"-1s\"",
    );
    assert_eq!(
        (agent.workers, agent.timeout, agent.max_rate, agent.max_retries),
        (1, Duration::from_secs(2), None, None)
    );
    assert_eq!(agent.health_interval, Duration::from_secs(1));
}

#[test]
fn the_service_s_timeout_is_the_agent_s_default() {
    let text = agent(
        "\"topic\": \"t\", \"extra_config\": {\"async/sqlite\": {\"path\": \"q\"}}, \"backend\": [{\"method\": \"PUT\"}]",
    );
    let config = config(&text.replacen('{', "{\"timeout\": \"600ms\", ", 1));
    assert_eq!(config.agents[0].timeout, Duration::from_millis(600));
}

#[test]
fn a_single_agent_and_a_single_backend_count_as_lists() {
    let text = "{\"version\": 3, \"async_agent\": {\"Name\": \"weak\", \"topic\": \"t\", \"extra_config\": {\"async/sqlite\": {\"path\": \"q\"}}, \"backend\": {\"host\": \"one\", \"method\": \"post\"}}}";
    let agent = config(text).agents.swap_remove(0);
    assert_eq!((agent.name.as_str(), agent.path.as_str()), ("weak", "async_agent[0]"));
    assert_eq!(agent.backends[0].path, "async_agent[0].backend[0]");
    assert_eq!(
        (agent.backends[0].hosts.as_slice(), agent.backends[0].method.as_str()),
        (["http://one".to_owned()].as_slice(), "POST")
    );
}

#[test]
fn backends_are_normalised() {
    let backend = backend_with(
        "\"HOST\": [\"a:80\", \"https://b/\"], \"url_pattern\": \"in/{foo}/{{.Bar}}\", \"method\": \"dElEtE\", \"input_headers\": [\"x-a\", \"*\"], \"group\": 5, \"is_Collection\": \"true\", \"allow\": \"solo\", \"encoding\": \"SafeJSON\"",
    );
    assert_eq!(backend.hosts, ["http://a:80", "https://b"]);
    assert_eq!(
        (backend.url_pattern.as_str(), backend.url_pattern_as_written.as_str()),
        ("/in/{Foo}/{Bar}", "in/{foo}/{{.Bar}}")
    );
    assert_eq!((backend.method.as_str(), backend.group.as_str(), backend.is_collection), ("DELETE", "5", true));
    assert_eq!(backend.input_headers, ["X-A", "*"]);
    assert_eq!((backend.allow.as_slice(), backend.encoding), (["solo".to_owned()].as_slice(), Encoding::SafeJson));
}

#[test]
fn hosts_come_from_the_root_where_a_backend_has_none() {
    assert_eq!(backend_with("\"host\": [], \"method\": \"PUT\"").hosts, ["http://h"]);
    assert_eq!(backend_with("\"host\": null, \"method\": \"PUT\"").hosts, ["http://h"]);
    let raw = backend_with("\"host\": [\"http://x/base\"], \"disable_host_sanitize\": 1, \"method\": \"PUT\"");
    assert_eq!(raw.hosts, ["http://x/base"]);
}

#[test]
fn a_mapping_keeps_its_order_and_letter_case() {
    let backend = backend_with("\"method\": \"PUT\", \"mapping\": {\"Zed\": \"a\", \"b\": 2, \"Abc\": \"c\"}");
    let expected = [("Zed", "a"), ("b", "2"), ("Abc", "c")].map(|(from, to)| (from.to_owned(), to.to_owned()));
    assert_eq!(backend.mapping, expected);
}

#[test]
fn components_are_handed_on_by_their_main_key() {
    let backend = backend_with(
        "\"method\": \"PUT\", \"extra_config\": {\"github.com/devopsfaith/krakend/http\": {\"return_error_details\": \"long\"}, \"backend/http\": {\"return_error_details\": \"short\"}}",
    );
    assert_eq!(backend.components.len(), 1);
    assert_eq!(backend.components[0].namespace, "backend/http");
    assert_eq!(backend.components[0].settings.to_json_text(), "{\"return_error_details\":\"short\"}");
    assert_eq!(backend.components[0].path, "async_agent[0].backend[0].extra_config.backend/http");
}

#[test]
fn delivery_has_its_defaults_and_a_long_base_raises_the_limit() {
    assert_eq!(agent_with("\"topic\": \"t\"").delivery, Delivery::default());
    let text = backend("\"method\": \"PUT\"").replace(
        "{\"async/sqlite\"",
        "{\"async/delivery\": {\"retry\": {\"base\": \"1m\"}, \"drain\": 0}, \"async/sqlite\"",
    );
    let delivery = config(&text).agents.swap_remove(0).delivery;
    assert_eq!((delivery.retry.base, delivery.retry.max), (Duration::from_secs(60), Duration::from_secs(60)));
    assert_eq!(delivery.drain, Duration::ZERO);
}
