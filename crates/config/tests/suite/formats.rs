//! JSON, YAML and TOML of one configuration, and files that are none.

use std::io::Write as _;

use crate::common::{catalogue, config_of, problems_of};
use siphon_config::Document;

const JSON: &str = r#"{
  "version": 3, "name": "three", "timeout": "1500ms", "host": ["http://sink:9000"],
  "async_agent": [
    {"name": "a", "consumer": {"topic": ["x.*", "y"], "workers": 4, "max_rate": 1.50},
     "backend": [{"url_pattern": "/in/{key}", "method": "POST", "mapping": {"z": "a", "b": "c"}}],
     "extra_config": {"async/sqlite": {"path": "q.db", "prefetch": 16, "nested": {"depth": 255}}}},
    {"topic": "flat", "backend": [{"method": "PUT", "is_collection": true}],
     "extra_config": {"async/sqlite": {"path": "other.db"}}}
  ]
}"#;

const YAML: &str = r#"
version: 3
name: three
timeout: 1500ms
host: [http://sink:9000]
async_agent:
  - name: a
    consumer: {topic: ["x.*", y], workers: 4, max_rate: 1.50}
    backend:
      - url_pattern: "/in/{key}"
        method: POST
        mapping:
          z: a
          b: c
    extra_config:
      async/sqlite: {path: q.db, prefetch: 0x10, nested: {depth: 255}}   # a comment
  - topic: flat
    backend: [{method: PUT, is_collection: true}]
    extra_config:
      async/sqlite:
        path: other.db
"#;

const TOML: &str = r#"
version = 3
name = "three"
timeout = "1500ms"
host = ["http://sink:9000"]

[[async_agent]]
name = "a"
consumer = { topic = ["x.*", "y"], workers = 4, max_rate = 1.50 }
[[async_agent.backend]]
url_pattern = "/in/{key}"
method = "POST"
[async_agent.backend.mapping]
z = "a"
b = "c"
[async_agent.extra_config."async/sqlite"]
path = "q.db"
prefetch = 16
nested.depth = 0xff

[[async_agent]]
topic = "flat"
backend = [{ method = "PUT", is_collection = true }]
extra_config = { "async/sqlite" = { path = "other.db" } }
"#;

/// The configuration as it prints, without places.
fn without_places(name: &str, text: &str) -> String {
    let mut config = config_of(name, text, &catalogue());
    config.file.clear();
    let text = format!("{config:?}");
    text.split("Position {").map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect()
}

#[test]
fn every_format_gives_the_same_model() {
    let json = without_places("s.json", JSON);
    assert!(json.contains("other.db"));
    assert_eq!(without_places("s.yaml", YAML), json);
    assert_eq!(without_places("s.toml", TOML), json);
}

#[test]
fn every_format_knows_where_its_values_stand() {
    let wrong = [
        ("s.json", JSON.replace("\"PUT\"", "\"P T\""), "s.json:7:46"),
        ("s.yaml", YAML.replace("PUT", "\"P T\""), "s.yaml:18:24"),
        ("s.toml", TOML.replace("\"PUT\"", "\"P T\""), "s.toml:23:23"),
    ];
    for (name, text, place) in wrong {
        let problems = problems_of(name, &text, &catalogue());
        assert_eq!(
            problems,
            [format!(
                "error: {place}: async_agent[1].backend[0].method: \"P T\" is no HTTP method; write one such as POST"
            )]
        );
    }
}

#[track_caller]
fn check_unreadable(bytes: &[u8], part: &str) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("s.json");
    let mut file = std::fs::File::create(&path).expect("created");
    file.write_all(bytes).expect("written");
    let problems = Document::read(&path).expect_err("not readable");
    assert!(problems[0].to_string().contains(part), "{problems:?}");
}

#[test]
fn files_that_are_no_configuration_are_refused_in_a_sentence() {
    check_unreadable(b"", "1:1: the file is empty");
    check_unreadable(b"{\"a\":\n \"\xff\"}", "is not UTF-8 (line 2); save it as UTF-8");
    check_unreadable(b"\xff\xfe{\0", "is UTF-16");
    check_unreadable(b"null", "1:1: a configuration is an object, this is null");
}

#[test]
fn a_broken_file_is_not_told_more_than_ten_times() {
    let open = "a = [\n".repeat(200);
    assert_eq!(problems_of("s.toml", &open, &catalogue()).len(), 10);
}

#[test]
fn missing_files_and_folders_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let said = |path: &std::path::Path| Document::read(path).expect_err("not readable")[0].to_string();
    assert!(
        said(&folder.path().join("none.json"))
            .ends_with("none.json: no such file; -c takes the path of the configuration")
    );
    assert!(said(folder.path()).ends_with("is a folder; name the configuration file in it"));
}

#[test]
fn empty_yaml_and_toml_are_refused() {
    assert_eq!(
        problems_of("s.yaml", "# nothing\n", &catalogue()),
        ["error: s.yaml:1:1: the file is empty; the least that works is version: 3"]
    );
    assert!(problems_of("s.toml", "", &catalogue()).iter().any(|problem| problem.contains("version: is missing")));
}

#[test]
fn plugin_settings_are_there_before_the_rest_is_checked() {
    let document = Document::parse("s.json", "{\"version\": 9, \"Plugin\": {\"folder\": \"p\", \"pattern\": \".so\"}}")
        .expect("parses");
    let settings = document.plugin_settings();
    assert_eq!((settings.folder.as_deref(), settings.pattern.as_deref()), (Some("p"), Some(".so")));
}

#[test]
fn what_a_plugin_reports_gets_its_place() {
    let text = "{\"async_agent\": [{\"extra_config\": {\"async/sqlite\": {\n \"path\": \"q\",\n \"nested\": {\"password\": \"hunter2\", \"prefetch\": 0}}}}]}";
    let document = Document::parse("s.json", text).expect("parses");
    let driver = "async_agent[0].extra_config.async/sqlite";
    let said = |relative: &str, message: &str| {
        document.problem_at(&siphon_config::tree::join(driver, relative), message).to_string()
    };
    assert_eq!(said("nested.prefetch", "is 0"), format!("error: s.json:3:48: {driver}.nested.prefetch: is 0"));
    assert_eq!(said("lease", "is missing"), format!("error: s.json:1:52: {driver}.lease: is missing"));
    assert_eq!(
        said("", "cannot open amqp://u:p@h with hunter2"),
        format!("error: s.json:1:52: {driver}: cannot open amqp://u:***@h with ***")
    );
}
