//! Plugins in the pipe: modifiers and HTTP clients, as configurations name them and as events meet them.

use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, Ran, agent, config, with};

const MODIFIER: &str = "plugin/req-resp-modifier";
const CLIENT: &str = "plugin/http-client";

/// A lab with the library that misbehaves, and `first.json` to invoke with.
fn lab(config: &Value) -> Lab {
    let lab = Lab::new(config).with_plugin("chaos");
    lab.write("first.json", "{\"id\": 1}");
    lab
}

/// An agent whose one backend has this `extra_config`, and whose own has `more`.
fn with_extra(backend: &HttpBackend, of_backend: Value, of_agent: Value) -> Value {
    let agent = with(agent("orders", &backend.url()), json!({"extra_config": of_agent}));
    let backends = json!([with(agent["backend"][0].clone(), json!({"extra_config": of_backend}))]);
    config([with(agent, json!({"backend": backends, "consumer": {"timeout": "2s"}}))])
}

fn invoke(lab: &Lab) -> Ran {
    let more = ["--agent", "orders", "--output", "json", "--payload", "first.json"];
    lab.siphon(&lab.arguments("invoke", &more))
}

/// The result of one event: its data and its error.
#[track_caller]
fn result(ran: &Ran) -> (Value, Value) {
    let result: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    (result["data"].clone(), result["error"].clone())
}

/// A modifier of requests and replies, twice, each with its own settings.
fn marking(marks: [&str; 2]) -> Value {
    let mark = |mark: &str| json!({"request": "mark", "reply": "mark", "mark": mark});
    json!({(MODIFIER): {"name": ["chaos", "chaos-again"], "chaos": mark(marks[0]), "chaos-again": mark(marks[1])}})
}

#[test]
fn modifiers_of_an_agent_and_of_a_backend_see_requests_and_replies_in_their_order() {
    let backend = HttpBackend::start();
    backend.script("/in", |_| Reply::json(200, "{\"price\": 1.50}"));
    let lab = lab(&with_extra(&backend, marking(["c", "d"]), marking(["a", "b"])));
    let (data, error) = result(&invoke(&lab));
    assert_eq!((data["x-marks"].as_str(), error), (Some("c,d,a,b"), Value::Null));
    let request = backend.requests().into_iter().next().expect("a call");
    assert_eq!(request.header("x-marks"), Some("a,b,c,d"));
    assert_eq!(request.body.as_ref(), b"{\"id\": 1}");
}

#[test]
fn modifiers_stand_below_static_and_above_the_filter_of_a_merge() {
    let backend = HttpBackend::start();
    backend.script("/in", |request| Reply::json(200, format!("{{\"part\": {}}}", request.nth)));
    let agent = with(agent("orders", &backend.url()), json!({"extra_config": marking(["a", "b"])}));
    let own = json!({
        "static": {"strategy": "always", "data": {"x-marks": "static"}},
        "flatmap_filter": [{"type": "move", "args": ["part", "moved"]}]
    });
    let shadow = with(
        agent["backend"][0].clone(),
        json!({"url_pattern": "/shadow", "extra_config": {"proxy": {"shadow": true}}}),
    );
    let backends = json!([agent["backend"][0], agent["backend"][0], shadow]);
    let lab = lab(&config([with(agent, json!({"backend": backends, "extra_config": {"proxy": own}}))]));
    let (data, error) = result(&invoke(&lab));
    assert_eq!((&data["x-marks"], &error), (&json!("static"), &Value::Null), "static comes last");
    assert!(data["moved"].is_u64() && data.get("part").is_none(), "{data}");
    let marks = backend
        .requests()
        .into_iter()
        .map(|request| (request.path.clone(), request.header("x-marks").map(str::to_owned)));
    let mut marks: Vec<_> = marks.collect();
    marks.sort();
    let seen = |path: &str| (path.to_owned(), Some("a,b".to_owned()));
    assert_eq!(marks, [seen("/in"), seen("/in"), seen("/shadow")]);
}

/// An event whose plugin does this fails with a sentence that begins like this.
#[track_caller]
fn check_trouble(extra: Value, at_agent: bool, error: &str) {
    let backend = HttpBackend::start();
    let config = if at_agent { with_extra(&backend, json!({}), extra) } else { with_extra(&backend, extra, json!({})) };
    let ran = invoke(&lab(&config));
    let said = result(&ran).1;
    assert!(ran.status == 3 && said.as_str().is_some_and(|said| said.starts_with(error)), "{error}: {ran:?}");
}

fn meddling(side: &str, does: &str) -> Value {
    json!({(MODIFIER): {"name": "chaos", "chaos": {(side): does}}})
}

#[test]
fn what_goes_wrong_in_a_modifier_fails_the_event_and_says_so() {
    for (side, does, error) in [
        ("request", "panic", "modifier chaos: the plugin panicked: told to panic"),
        ("reply", "panic", "modifier chaos: the plugin panicked: told to panic"),
        ("request", "panic-later", "modifier chaos: the plugin panicked: told to panic later"),
        ("request", "fail", "modifier chaos: told to fail"),
        ("reply", "refuse", "modifier chaos: told to refuse"),
        ("request", "stall", "modifier chaos: gave no answer within the event's time"),
        ("reply", "garble", "modifier chaos: returned data that is no JSON: "),
        ("reply", "lie", "modifier chaos: returned data that is no object but "),
    ] {
        for at_agent in [false, true] {
            check_trouble(meddling(side, does), at_agent, error);
        }
    }
    let header = "modifier chaos: returned the header \"\u{fffd}\u{fffd}(\", which is no name of one";
    check_trouble(meddling("request", "garble"), false, header);
    check_trouble(meddling("request", "lie"), false, "modifier chaos: returned the URL \"nowhere at all\"");
    check_trouble(meddling("request", "lie"), true, "modifier chaos: set the method or the URL of an agent's request");
}

#[test]
fn a_client_makes_the_call_and_its_answer_is_read_like_any_other() {
    let backend = HttpBackend::start();
    let extra = json!({(CLIENT): {"name": "chaos"}, "backend/http": {"return_error_details": "x"}});
    let (data, error) = result(&invoke(&lab(&with_extra(&backend, extra, json!({})))));
    assert_eq!((data, error), (json!({"id": 1}), Value::Null));
    assert!(backend.requests().is_empty(), "the plugin called nobody");
}

#[test]
fn what_goes_wrong_in_a_client_fails_the_event_and_says_so() {
    for (does, error) in [
        ("panic", "HTTP client chaos: the plugin panicked: told to panic"),
        ("panic-later", "HTTP client chaos: the plugin panicked: told to panic later"),
        ("fail", "HTTP client chaos: told to fail"),
        ("stall", "HTTP client chaos: gave no answer within the event's time"),
        ("garble", "HTTP client chaos: returned the header \"\u{fffd}\u{fffd}(\", which is no name of one"),
        ("lie", "HTTP client chaos: returned the status 7, which is none"),
    ] {
        check_trouble(json!({(CLIENT): {"name": "chaos", "chaos": {"call": does}}}), false, error);
    }
}

/// `check` refuses a backend's `extra_config`, whose lines are counted from 4 on.
#[track_caller]
fn check_refused(extra: &str, expected: &[&str]) {
    let lab = Lab::empty().with_plugin("chaos");
    let text = format!(
        "{{\"version\": 3, \"async_agent\": [{{\"name\": \"a\", \"topic\": \"t\",\n\
         \"extra_config\": {{\"async/sqlite\": {{\"path\": \"q.db\", \"queue\": \"q\"}}}},\n\
         \"backend\": [{{\"host\": [\"http://h:80\"], \"url_pattern\": \"/\", \"method\": \"POST\", \"extra_config\": {{\n{extra}}}}}]}}]}}"
    );
    lab.write("s.json", text);
    let ran = lab.siphon(&["check", "-c", "s.json", "--plugins", "plugins"]);
    let path = "async_agent[0].backend[0].extra_config.";
    let errors: Vec<String> =
        ran.stderr.lines().filter(|line| line.starts_with("error: ")).map(|line| line.replace(path, "")).collect();
    assert_eq!((ran.status, errors), (1, expected.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()));
}

#[test]
fn what_a_configuration_says_wrong_about_plugins_is_refused_with_its_place() {
    check_refused(
        "\"plugin/req-resp-modifier\": {\"name\": [\"chaos\",\n\"kaos\"]}",
        &[
            "error: s.json:5:1: plugin/req-resp-modifier.name[1]: no plugin registers the modifier \"kaos\"; registered are chaos, chaos-again",
        ],
    );
    check_refused(
        "\"plugin/http-client\": {\"name\": \"kaos\"}",
        &[
            "error: s.json:4:32: plugin/http-client.name: no plugin registers the HTTP client \"kaos\"; registered are chaos",
        ],
    );
    check_refused(
        "\"plugin/req-resp-modifier\": {\"name\": [\"chaos\"], \"chaos\": {\n\"request\": \"sneeze\",\n\"mrak\": \"x\"}}",
        &[
            "error: s.json:5:12: plugin/req-resp-modifier.chaos.request: \"sneeze\" is none of \"nothing\", \"mark\", \"panic\", \"panic-later\", \"fail\", \"refuse\", \"stall\", \"garble\", \"lie\"",
            "error: s.json:6:1: plugin/req-resp-modifier.chaos.mrak: unknown key, remove it; did you mean \"mark\"?",
        ],
    );
    check_refused(
        "\"plugin/req-resp-modifier\": {\"name\": [\"chaos\"], \"@why\": 1,\n\"chaos-again\": {}}",
        &[
            "error: s.json:5:16: plugin/req-resp-modifier.chaos-again: is of a plugin that name does not list, and has no effect; list it there, or remove it",
        ],
    );
    check_refused(
        "\"plugin/req-resp-modifier\": {}",
        &["error: s.json:4:29: plugin/req-resp-modifier: the key \"name\" is missing"],
    );
    check_refused(
        "\"plugin/http-client\": {\"name\": \"chaos\", \"chaos\":\n{\"panic_at_open\": true}}",
        &["error: s.json:5:1: plugin/http-client.chaos: the plugin panicked: told to panic while opening"],
    );
    check_refused(
        "\"plugin/http-client\": {\"name\": \"chaos\"},\n\"backend/http/client\": {\"no_redirect\": true}",
        &["error: s.json:5:24: backend/http/client: has no effect beside plugin/http-client; remove one of them"],
    );
}

#[test]
fn without_any_modifier_the_plugin_folder_is_named() {
    let lab = Lab::new(&with_extra(&HttpBackend::start(), meddling("request", "mark"), json!({})));
    let ran = lab.siphon(&lab.arguments("check", &[]));
    let path = "async_agent[0].backend[0].extra_config.plugin/req-resp-modifier.name";
    let said = "no plugin registers the modifier \"chaos\", nor any other; put its library into the plugin folder";
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stderr.contains(&format!("{path}: {said}")) && ran.stderr.ends_with("1 error in the configuration\n"),
        "{ran:?}"
    );
}

#[test]
fn plugins_and_check_show_what_stands_in_pipes() {
    let lab = lab(&with_extra(&HttpBackend::start(), json!({(CLIENT): {"name": "chaos"}}), marking(["a", "b"])));
    let checked = lab.siphon(&lab.arguments("check", &[]));
    assert_eq!(checked.status, 0, "{checked:?}");
    for part in ["hands requests and replies to plugins that may change them", "lets a plugin make the call"] {
        assert!(checked.stdout.contains(part), "{part}: {checked:?}");
    }
    let name = format!("plugins/{}siphon_chaos{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let shown = lab.siphon(&["plugins", "inspect", &name]).stdout;
    for part in [
        "  modifier chaos, chaos-again [Chaos]",
        "    capabilities: changes requests, changes replies",
        "mark (string",
        "  HTTP client chaos [Chaos]",
        "    configuration: that of the modifier chaos",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = lab.siphon(&["plugins", "inspect", "--json", &name]).stdout;
    let library: Value = serde_json::from_str(&json).expect("JSON");
    let kinds: Vec<_> =
        library["components"].as_array().expect("a list").iter().map(|one| (&one["kind"], &one["level"])).collect();
    assert!(kinds.contains(&(&json!("modifier"), &json!("everywhere"))), "{kinds:?}");
    assert!(kinds.contains(&(&json!("HTTP client"), &json!("backend"))), "{kinds:?}");
}

/// One agent's plugin panics, stalls, fails; its neighbour's events pass, and so do its own once the plugin lets them.
#[test]
fn an_agent_whose_plugin_fails_each_event_leaves_its_neighbour_alone() {
    let backend = HttpBackend::start();
    let troubled = with(agent("troubled", &backend.url()), json!({"extra_config": meddling("request", "panic-later")}));
    let neighbour = with(agent("neighbour", &backend.url()), json!({"extra_config": marking(["a", "b"])}));
    let lab = lab(&config([troubled, neighbour]));
    lab.publish("troubled", ["1"]);
    lab.publish("neighbour", ["2", "3"]);
    let mut siphon = lab.start();
    siphon.wait_for_agent("neighbour", |agent| agent["acked"] == 2);
    siphon.wait_for_agent("troubled", |agent| agent["failed"].as_u64().is_some_and(|failed| failed >= 2));
    siphon.wait_for_log(&[
        "[ASYNC: troubled][SQLite] event failed",
        "modifier chaos: the plugin panicked: told to panic later",
    ]);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 1, "the event that fails is kept");
}
