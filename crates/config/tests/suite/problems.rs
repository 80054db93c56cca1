//! What is wrong with a file, word for word, with line and column.

use crate::common::{agent, backend, catalogue, check_with, problems_of};

/// The problems of a file, without its name in front.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let problems = problems_of("s.json", text, &catalogue());
    let short: Vec<String> = problems.iter().map(|problem| problem.replacen(" s.json:", " ", 1)).collect();
    assert_eq!(short, expected, "{text}");
}

/// Of the problems of `text` one contains every part; `part` has `: ` between them.
#[track_caller]
fn check_one(text: &str, parts: &[&str]) {
    let problems = problems_of("s.json", text, &catalogue());
    let found = problems.iter().any(|problem| parts.iter().all(|part| problem.contains(part)));
    assert!(found, "{parts:?} in {problems:#?}");
}

/// A backend's inside that works, with more keys.
fn in_backend(more: &str) -> String {
    backend(&format!("\"method\": \"POST\", {more}"))
}

/// An agent that works, with more keys in its line 2.
fn in_agent(more: &str) -> String {
    let rest = "\"extra_config\": {\"async/sqlite\": {\"path\": \"q.db\"}}, \"backend\": [{\"method\": \"POST\"}]";
    agent(&format!("{more},\n {rest}"))
}

/// An agent that works, with more in its `extra_config`.
fn in_extra_config(more: &str) -> String {
    let driver = "\"async/sqlite\": {\"path\": \"q.db\"}";
    agent(&format!("\"topic\": \"t\", \"backend\": [{{\"method\": \"POST\"}}], \"extra_config\": {{{driver}, {more}}}"))
}

fn in_driver(settings: &str) -> String {
    let driver = format!("\"extra_config\": {{\"async/sqlite\":\n {settings}}}");
    agent(&format!("\"topic\": \"t\", {driver}, \"backend\": [{{\"method\": \"POST\"}}]"))
}

#[test]
fn a_file_that_works_has_no_problems() {
    check(&in_backend("\"url_pattern\": \"/x\""), &[]);
    check(&in_agent("\"topic\": \"t\""), &[]);
    check(&in_driver("{\"path\": \"x\"}"), &[]);
}

#[test]
fn syntax_errors_have_line_and_column() {
    check("{\"version\": 3,\n}", &["error: 1:14: a comma before a closing bracket; remove it"]);
    check("[]", &["error: 1:1: a configuration is an object, this is a list"]);
    check(
        "{\"version\": 3,\n \"version\": 3}",
        &["error: 2:2: the key \"version\" is given twice, first in line 1 column 2; keep one"],
    );
}

#[test]
fn every_problem_is_reported_at_once_by_place() {
    check(
        "{\"version\": 2,\n \"port\": \"x\",\n \"timeout\": \"1 minute\",\n \"listen_ip\": \"localhost\",\n \"tiemout\": 1}",
        &[
            "warning: 1:1: async_agent: is missing: there is nothing to run",
            "error: 1:13: version: unsupported version: 2 (want: 3)",
            "error: 2:10: port: \"x\" is no whole number",
            "error: 3:13: timeout: \"1 minute\" is no duration; write something like 5s or 500ms",
            "error: 4:15: listen_ip: \"localhost\" is no IP address; write one such as 127.0.0.1 or ::1, not a name",
            "warning: 5:2: tiemout: unknown key, it has no effect; did you mean \"timeout\"?",
        ],
    );
}

#[test]
fn a_missing_version_says_what_to_write() {
    check_one("{}", &["error", "version: is missing; write \"version\": 3"]);
}

#[test]
fn wrong_values_of_the_root_are_refused() {
    let root = |more: &str| format!("{{\"version\": 3, \"async_agent\": [],\n {more}}}");
    check_one(&root("\"port\": 70000"), &["error", "2:10: port: 70000 is no port"]);
    check_one(&root("\"timeout\": \"-1s\""), &["error", "timeout: \"-1s\" is negative"]);
    check_one(&root("\"host\": [\"a b\"]"), &["error", "2:11: host[0]: host \"a b\" not valid"]);
    check_one(&root("\"extra_config\": 5"), &["error", "extra_config: expected an object, found 5"]);
    check_one(&root("\"max_idle_connections\": -1"), &["error", "-1 is negative"]);
    check_one(&root("\"client_tls\": 5"), &["error", "client_tls: expected an object, found 5"]);
    check_one(&root("\"client_tls\": {\"ca_cert\": []}"), &["warning", "did you mean \"ca_certs\"?"]);
    check_one(&root("\"Client_TLS\": {\"Min_Version\": \"TLS10\"}"), &["notice", "2:32", "is raised to TLS12"]);
    let insecure = "\"allow_insecure_connections\": true";
    check_one(&root(insecure), &["warning", "allow_insecure_connections: lets anybody pose as the backend"]);
    check_one(&root(&format!("\"client_tls\": {{{insecure}}}")), &["warning", "client_tls.allow_insecure_connections"]);
    check_one(&root("\"tls\": {\"keys\": []}"), &["error", "\"tls\" is not in this build"]);
    check_one(&root("\"Port\": 1, \"port\": 2"), &["error", "2:13: port: is the same key as \"Port\" in line 2"]);
}

#[test]
fn what_is_off_or_without_effect_is_no_error() {
    let text =
        "{\"version\": 3, \"async_agent\": [], \"allow_insecure_connections\": false, \"tls\": {\"disabled\": true}}";
    check(text, &["warning: 1:31: async_agent: is empty: there is nothing to run"]);
    let text = "{\"version\": 3, \"async_agent\": [],\n \"cache_ttl\": \"1s\", \"use_h2c\": true, \"$schema\": \"x\", \"@why\": 1, \"#x\": 2, \"_y\": 3}";
    check(
        text,
        &[
            "warning: 1:31: async_agent: is empty: there is nothing to run",
            "notice: 2:15: without effect on agents: cache_ttl, use_h2c",
        ],
    );
}

#[test]
fn logging_router_and_telemetry_are_read_strictly() {
    let service = |more: &str| format!("{{\"version\": 3, \"async_agent\": [], \"extra_config\": {{\n {more}}}}}");
    let logging =
        |more: &str| service(&format!("\"telemetry/logging\": {{\"level\": \"INFO\", \"stdout\": true, {more}}}"));
    check_one(&logging("\"format\": \"custom\""), &["error", "\"custom\" is not in this build"]);
    check_one(
        &logging("\"format\": \"jsn\""),
        &["error", "is none of default, logstash, json; did you mean \"json\"?"],
    );
    check_one(&logging("\"syslog\": true"), &["error", "\"syslog\" is not in this build"]);
    check_one(&logging("\"syslog_facility\": \"local3\""), &["notice", "without effect on agents: syslog_facility"]);
    check_one(&service("\"telemetry/logging\": {\"level\": \"WHAT\"}"), &["error", "\"WHAT\" is none of DEBUG"]);
    check_one(&service("\"telemetry/logging\": {}"), &["warning", "the key \"level\" is missing"]);
    check_one(&service("\"telemetry/logging\": {}"), &["notice", "stdout is off: the log goes to standard error"]);
    check_one(&service("\"telemetry/logging\": {\"stdout\": \"yes\"}"), &["error", "stdout: \"yes\" is no boolean"]);
    check_one(&service("\"router\": {\"health_path\": \"healthz\"}"), &["error", "has to begin with a slash"]);
    check_one(&service("\"router\": {\"health_path\": \"/metrics/\"}"), &["error", "is the path of the metrics"]);
    let exporter = "\"telemetry/opentelemetry\": {\"exporters\": {\"prometheus\": [{\"name\": \"p\"}]}}";
    check_one(&service(exporter), &["error", "siphon shows its metrics under /metrics"]);
    check_one(&service("\"router\": {\"helth_path\": \"/h\"}"), &["warning", "did you mean \"health_path\"?"]);
}

#[test]
fn durations_say_what_is_wrong() {
    check(
        &in_agent("\"consumer\": {\"topic\": \"t\", \"timeout\": \"5\"}"),
        &["error: 2:40: async_agent[0].consumer.timeout: \"5\" has no unit; write 5s or 500ms"],
    );
    check_one(&in_agent("\"consumer\": {\"timeout\": \"soon\"}"), &["error", "\"soon\" is no duration"]);
    check_one(&in_agent("\"consumer\": {\"timeout\": \"-1s\"}"), &["error", "\"-1s\" is negative"]);
    check_one(&in_agent("\"timeout\": \"1d\""), &["error", "the unknown unit \"d\""]);
    check_one(&in_agent("\"timeout\": 3"), &["warning", "3 without a unit means nanoseconds; write 3s or 3ms"]);
    check_one(
        &in_agent("\"connection\": {\"health_interval\": \"often\"}"),
        &["error", "connection.health_interval: \"often\""],
    );
    check_one(&in_agent("\"health_interval\": \"10ms\""), &["notice", "\"10ms\" is less than 1s, which is used"]);
}

#[test]
fn agents_are_checked() {
    check_one(&in_agent("\"workers\": \"x\""), &["error", "workers: \"x\" is no whole number"]);
    check_one(&in_agent("\"workers\": 100000"), &["error", "at most 65536 workers"]);
    check_one(&in_agent("\"workers\": 2.5"), &["warning", "2.5 is no whole number; 2 is used"]);
    check_one(
        &in_agent("\"backoff_strategy\": \"exponental\""),
        &["warning", "constant is used; did you mean \"exponential\"?"],
    );
    check_one(&in_agent("\"name\": \"a\\nb\""), &["error", "control characters"]);
    check_one(&in_agent("\"encoding\": \"json\""), &["notice", "encoding: has no effect on an agent"]);
    check_one(
        &in_agent("\"worker\": 1"),
        &["warning", "2:2: async_agent[0].worker: unknown key", "did you mean \"workers\"?"],
    );
    check_one(&in_agent("\"method\": \"POST\""), &["notice", "without effect on agents: method"]);
    check_one(&in_agent("\"name\": 1"), &["warning", "the key \"topic\" is missing"]);
    check_one(&in_agent("\"consumer\": \"x\""), &["error", "consumer: expected an object, found \"x\""]);
    check_one(
        "{\"version\": 3, \"async_agent\": [5]}",
        &["error", "1:32: async_agent[0]: expected an object, found 5"],
    );
    check_one(
        &agent("\"topic\": \"t\""),
        &["error", "1:47: async_agent[0].backend: an agent needs at least one backend"],
    );
    check_one(
        &agent("\"backend\": []"),
        &["error", "2:13: async_agent[0].backend: an agent needs at least one backend"],
    );
}

#[test]
fn the_same_name_twice_is_warned_of() {
    let one = "{\"name\": \"a\", \"topic\": \"t\", \"extra_config\": {\"async/sqlite\": {\"path\": \"x\"}}, \"backend\": [{\"method\": \"PUT\"}]}";
    let text = format!("{{\"version\": 3, \"host\": [\"h\"], \"async_agent\": [\n{one},\n{one}]}}");
    check(
        &text,
        &[
            "warning: 3:1: async_agent[1]: the agent in line 2 is called \"a\" too; logs and health cannot tell them apart",
        ],
    );
}

#[test]
fn the_driver_has_to_be_one() {
    check_one(
        &agent("\"name\": \"a\""),
        &["error", "agent \"a\" has no driver", "drivers loaded from the plugin folder \"plugins\": async/sqlite"],
    );
    let only =
        |key: &str| agent(&format!("\"backend\": [{{\"method\": \"POST\"}}], \"extra_config\": {{\"{key}\": {{}}}}"));
    for (key, plugin) in [
        ("async/amqp", "amqp"),
        ("github.com/devopsfaith/krakend-amqp/agent", "amqp"),
        ("github.com/devopsfaith/krakend-amqp/consume", "amqp"),
        ("backend/amqp/consumer", "amqp"),
        ("async/kafka", "kafka"),
        ("async/nats", "nats"),
    ] {
        check_one(
            &only(key),
            &["error", &format!("extra_config.{key}"), &format!("whose plugin \"{plugin}\" is not loaded")],
        );
    }
    let two = "\"backend\": [{\"method\": \"POST\"}], \"extra_config\": {\"async/kafka\": {}, \"async/sqlite\": {\"path\": \"x\"}}";
    check_one(&agent(two), &["error", "has 2 drivers, async/sqlite and async/kafka; keep one"]);
}

#[test]
fn namespaces_are_sorted_out() {
    let on_agent = |key: &str| in_extra_config(&format!("\"{key}\": {{}}"));
    let in_backend = |key: &str| in_backend(&format!("\"extra_config\": {{\"{key}\": {{}}}}"));
    check_one(&on_agent("validation/cel"), &["error", "\"validation/cel\" is not in this build of siphon"]);
    check_one(&on_agent("github.com/devopsfaith/krakend-cel"), &["error", "\"validation/cel\" is not in this build"]);
    check_one(
        &on_agent("modifier/martian"),
        &["error", "modifier/martian: has no effect on an agent; it belongs in a backend's extra_config"],
    );
    check_one(
        &in_backend("validation/json-schema"),
        &["error", "has no effect in a backend; it belongs in an agent's extra_config"],
    );
    check_one(&in_backend("async/sqlite"), &["error", "has no effect in a backend"]);
    check_one(&in_backend("security/cors"), &["error", "concerns HTTP endpoints and has no effect in a backend"]);
    check_one(
        &in_backend("Modifier/Martian"),
        &["error", "unknown namespace \"Modifier/Martian\"; did you mean \"modifier/martian\"?"],
    );
    check_one(&in_backend("github.com/devopsfaith/krakend/http/client"), &["error", "unknown namespace"]);
    check_one(&in_backend("made/up"), &["error", "unknown namespace \"made/up\""]);
    check_one(&on_agent("async/sqlit"), &["error", "did you mean \"async/sqlite\"?"]);
    check(&in_backend("@comment"), &[]);
}

#[test]
fn what_concerns_endpoints_is_gathered_in_one_notice() {
    let text = "{\"version\": 3, \"host\": [\"h\"], \"extra_config\": {\"security/cors\": {}, \"auth/revoker\": {}}, \"async_agent\": [{\"topic\": \"t\",\n \
                \"extra_config\": {\"async/sqlite\": {\"path\": \"x\"}, \"auth/validator\": {}}, \"backend\": [{\"method\": \"POST\"}]}]}";
    check(
        text,
        &["notice: 1:48: without effect, because they concern HTTP endpoints only: extra_config.security/cors, \
           extra_config.auth/revoker, async_agent[0].extra_config.auth/validator"],
    );
}

#[test]
fn both_names_of_a_component_are_one() {
    let both = "\"extra_config\": {\"github.com/devopsfaith/krakend/http\": {},\n \"backend/http\": {}}";
    check_one(
        &in_backend(both),
        &[
            "warning",
            "4:37",
            "krakend/http: is another name of \"backend/http\", which is given as well; this one is ignored",
        ],
    );
}

#[test]
fn driver_settings_are_held_against_their_schema() {
    let driver = "async_agent[0].extra_config.async/sqlite";
    let error = |at: &str, rest: &str| format!("error: {at}: {driver}{rest}");
    let cases = [
        ("{\"path\": 5}", error("3:11", ".path: expected a string, found 5")),
        ("{\"path\": \"\"}", error("3:11", ".path: must not be empty")),
        ("{}", error("3:2", ": the key \"path\" is missing")),
        ("7", error("3:2", ": expected an object, found 7")),
        (
            "{\"path\": \"x\",\n \"prefech\": 1}",
            error("4:2", ".prefech: unknown key, remove it; did you mean \"prefetch\"?"),
        ),
        ("{\"path\": \"x\", \"prefetch\": 0}", error("3:28", ".prefetch: 0 is less than 1")),
        ("{\"path\": \"x\", \"prefetch\": \"5\"}", error("3:28", ".prefetch: expected a whole number, found \"5\"")),
        (
            "{\"path\": \"x\", \"mode\": \"fst\"}",
            error("3:24", ".mode: \"fst\" is none of \"fast\", \"safe\"; did you mean \"fast\"?"),
        ),
        (
            "{\"path\": \"x\", \"nested\": {\"depth\": \"x\"}}",
            error("3:36", ".nested.depth: expected a whole number, found \"x\""),
        ),
        (
            "{\"path\": \"x\", \"maybe\": {\"depth\": \"x\"}}",
            error("3:35", ".maybe.depth: expected a whole number, found \"x\""),
        ),
        ("{\"path\": \"x\", \"maybe\": 5}", error("3:25", ".maybe: expected an object, found 5")),
        (
            "{\"path\": \"x\", \"nested\": {\"dept\": 1}}",
            error("3:27", ".nested.dept: unknown key, remove it; did you mean \"depth\"?"),
        ),
        (
            "{\"path\": \"x\", \"password\": \"hunter2\"}",
            error("3:28", ".password: expected a whole number, found ***"),
        ),
    ];
    for (settings, expected) in cases {
        check(&in_driver(settings), &[&expected]);
    }
    check(&in_driver("{\"path\": \"x\", \"@why\": 1, \"nested\": {\"_x\": 2, \"depth\": null}}"), &[]);
}

#[test]
fn component_settings_are_held_against_their_schema() {
    let with = |settings: &str| in_backend(&format!("\"extra_config\": {{\"backend/http\":\n {settings}}}"));
    let component = "async_agent[0].backend[0].extra_config.backend/http";
    check(&with("[1]"), &[&format!("error: 5:2: {component}: expected an object, found a list")]);
    check(
        &with("{\"return_error_detail\": \"x\"}"),
        &[&format!(
            "warning: 5:3: {component}.return_error_detail: unknown key, it has no effect; did you mean \"return_error_details\"?"
        )],
    );
    check(
        &with("{\"parts\": [{\"kind\": \"del\"}, {\"kind\": \"swap\"}]}"),
        &[&format!("error: 5:39: {component}.parts[1].kind: \"swap\" is none of \"move\", \"del\"")],
    );
}

#[test]
fn filters_beside_operations_are_named() {
    let proxy = |operations| {
        format!("\"mapping\": {{\"a\": \"b\"}}, \"extra_config\": {{\"proxy\": {{\"flatmap_filter\": {operations}}}}}")
    };
    let expected = ["warning", "mapping: is ignored, because flatmap_filter is given"];
    check_one(&in_backend(&proxy("[{\"type\": \"del\", \"args\": [\"a\"]}]")), &expected);
    check(&in_backend(&proxy("[]")), &[]);
}

#[test]
fn placeholders_that_nothing_gives_a_value_are_named() {
    check(&in_backend("\"url_pattern\": \"/{topic}/{{.Message_id}}?r={resp0_id}\""), &[]);
    check_one(
        &in_backend("\"url_pattern\": \"/{mesage_id}\""),
        &["warning", "url_pattern: no driver gives {mesage_id} a value; did you mean {message_id}?"],
    );
    check_one(
        &in_backend("\"url_pattern\": \"/{tenant}\""),
        &["notice", "{Tenant} is no name that siphon's own drivers give"],
    );
}

#[test]
fn backends_are_checked() {
    let place = "async_agent[0].backend[0]";
    check(
        &backend("\"url_pattern\": \"/x\""),
        &[&format!(
            "warning: 3:14: {place}: has no method, so the event's payload goes out with a GET; write \"method\": \"POST\""
        )],
    );
    check_one(&in_backend("\"is_collection\": \"maybe\""), &["error", "is_collection: \"maybe\" is no boolean"]);
    check_one(&backend("\"method\": \"PO ST\""), &["error", "\"PO ST\" is no HTTP method"]);
    check_one(&in_backend("\"host\": [\"http://u:secret@h\"]"), &["error", "http://u:***@h"]);
    check_one(&in_backend("\"host\": [\"http://h/?sig=hunter2\"]"), &["error", "\"http://h/?sig=***\" not valid"]);
    check_one(&in_backend("\"host\": [\"x\"], \"disable_host_sanitize\": true"), &["warning", "\"x\" has no scheme"]);
    check_one(&in_backend("\"encoding\": \"yaml\""), &["error", "the encoding \"yaml\" is not in this build"]);
    check_one(
        &in_backend("\"encoding\": \"jsn\""),
        &["error", "is none of json, safejson, fast-json, xml, rss, string, no-op; did you mean \"json\"?"],
    );
    check_one(&in_backend("\"encoding\": \"no-op\""), &["warning", "an event whose backend failed is acked"]);
    check_one(&in_backend("\"sd\": \"dns-shared\""), &["error", "write \"dns\""]);
    check_one(&in_backend("\"sd\": \"dns\", \"host\": [\"a\", \"b\"]"), &["error", "\"dns\" takes one name"]);
    check_one(&in_backend("\"sd\": \"dns\", \"sd_scheme\": \"ftp\""), &["error", "\"ftp\" is no scheme"]);
    check_one(&in_backend("\"sd_scheme\": \"https\""), &["notice", "has no effect without service discovery"]);
    check_one(&in_backend("\"sd\": \"consul\""), &["error", "\"consul\" is no service discovery"]);
    check_one(&in_backend("\"timeout\": \"1s\""), &["notice", "timeout: has no effect in an agent's backend"]);
    check_one(
        &in_backend("\"allow\": \"a\", \"deny\": \"b\""),
        &["warning", "deny: is ignored, because allow is given"],
    );
    check_one(&in_backend("\"mapping\": [\"a\"]"), &["error", "mapping: expected an object of old and new names"]);
    check_one(&in_backend("\"mapping\": {\"a\": {}}"), &["error", "mapping.a: an object found where a text is due"]);
    check_one(&in_backend("\"url_pattern\": \"http://x/y\""), &["warning", "looks like a whole URL"]);
    check_one(
        &in_backend("\"url_pattern\": \"http://x/y?api_key=hunter2\""),
        &["warning", "\"http://x/y?api_key=***\""],
    );
    check_one(&in_backend("\"metod\": 1"), &["warning", "backend[0].metod: unknown key", "did you mean \"method\"?"]);
    check_one(
        &in_backend("\"x\": 1").replace("\"host\": [\"h\"], ", ""),
        &["error", "has no host, and the root has none either"],
    );
}

#[test]
fn delivery_knows_retry_and_drain_and_refuses_the_rest() {
    let with = |settings: &str| in_extra_config(&format!("\"async/delivery\": {settings}"));
    check(&with("{\"retry\": {\"strategy\": \"linear\", \"base\": \"0s\", \"max\": \"5m\"}, \"drain\": \"1s\"}"), &[]);
    check_one(&with("{\"dead_letter\": {}}"), &["error", "async/delivery.dead_letter: is not in this build"]);
    check_one(&with("{\"drian\": \"1s\"}"), &["error", "unknown key, remove it; did you mean \"drain\"?"]);
    check_one(&with("{\"retry\": {\"bse\": \"1s\"}}"), &["error", "did you mean \"base\"?"]);
    check_one(&with("{\"retry\": {\"strategy\": \"fibonacci\"}}"), &["error", "\"fibonacci\" is none of constant"]);
    check_one(&with("{\"retry\": {\"base\": \"-1s\"}}"), &["error", "\"-1s\" is negative"]);
    check_one(
        &with("{\"retry\": {\"base\": \"2s\", \"max\": \"1s\"}}"),
        &["error", "retry.max: \"1s\" is less than base"],
    );
}

#[test]
fn a_value_of_the_environment_names_its_variable() {
    let said = |text: &str, variables: &[(&str, &str)]| -> Vec<String> {
        check_with(text, variables).problems.iter().map(ToString::to_string).collect()
    };
    let text = "{\"version\": 3, \"async_agent\": []}";
    let with = |name: &str, value: &str| said(text, &[(name, value)]).swap_remove(0);
    assert_eq!(
        with("KRAKEND_TIMEOUT", "5"),
        "error: s.json: timeout: \"5\" has no unit; write 5s or 500ms (from the environment variable KRAKEND_TIMEOUT)"
    );
    assert!(
        with("KRAKEND_EXTRA_CONFIG", "{}").contains("cannot come from the environment variable KRAKEND_EXTRA_CONFIG")
    );
    assert!(with("KRAKEND_PORT", "tcp://10.0.0.1:80").contains("enableServiceLinks"));
    assert!(with("KRAKEND_TIMEOT", "5s").contains("did you mean KRAKEND_TIMEOUT?"));
    assert_eq!(said(text, &[("KRAKEND_SERVICE_HOST", "x"), ("PORT", "x")]).len(), 1);
}

#[test]
fn the_environment_comes_before_the_file() {
    let variables = [
        ("KRAKEND_PORT", "19001"),
        ("KRAKEND_NAME", "env name"),
        ("KRAKEND_TIMEOUT", "500ms"),
        ("KRAKEND_PLUGIN.FOLDER", "elsewhere"),
        ("KRAKEND_LISTEN_IP", ""),
        ("KRAKEND_DEBUG_ENDPOINT", "true"),
        ("KRAKEND_VERSION", "3"),
    ];
    let config =
        check_with("{\"Port\": 80, \"listen_ip\": \"::1\", \"async_agent\": []}", &variables).config.expect("valid");
    assert_eq!((config.service.port, config.name.as_str()), (19001, "env name"));
    assert_eq!(config.service.timeout, std::time::Duration::from_millis(500));
    assert_eq!(config.service.plugin.folder.as_deref(), Some("elsewhere"));
    assert_eq!(config.service.listen_ip, None);
    assert!(config.service.debug_endpoint);
}
