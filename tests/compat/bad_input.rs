//! What cannot work is refused with sentences that say where and why, and with the right exit status.

use siphon_tests::Lab;

const BACKEND: &str = r#""backend": [{"host": ["http://h:80"], "url_pattern": "/x", "method": "POST"}]"#;
const DRIVER: &str = r#""extra_config": {"async/sqlite": {"path": "q.db", "queue": "q"}}"#;

/// A file with one agent: `more` is line 3.
fn file(more: &str) -> String {
    format!("{{\"version\": 3, \"async_agent\": [\n{{\"name\": \"a\", \"topic\": \"t\",\n{more}}}]}}")
}

/// `arguments` are refused with this exit status, and all this on standard error.
#[track_caller]
fn check_command(lab: &Lab, arguments: &[&str], status: i32, expected: &[&str]) {
    let ran = lab.siphon(arguments);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines, expected, "{arguments:?}");
    assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{arguments:?}");
}

/// `check -c name` is refused with these lines, and a last one that counts the errors.
#[track_caller]
fn check_in(lab: &Lab, name: &str, plugins: &str, expected: &[&str]) {
    let errors = expected.iter().filter(|line| line.starts_with("error: ")).count();
    let sum = format!("{errors} error{} in the configuration", if errors == 1 { "" } else { "s" });
    check_command(lab, &["check", "-c", name, "--plugins", plugins], 1, &[expected, &[&sum]].concat());
}

#[track_caller]
fn check_file(name: &str, text: &str, expected: &[&str]) {
    let lab = Lab::empty();
    lab.write(name, text);
    check_in(&lab, name, "plugins", expected);
}

/// A file `s` with one agent, whose rest is `more`, is refused.
#[track_caller]
fn check(more: &str, expected: &[&str]) {
    check_file("s", &file(more), expected);
}

/// Only the `extra_config` is wrong.
#[track_caller]
fn check_extra_config(extra_config: &str, expected: &[&str]) {
    check(&format!("\"extra_config\":\n{extra_config},\n{BACKEND}"), expected);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let lab = Lab::empty();
    let missing = "error: missing.json: no such file; -c takes the path of the configuration";
    check_in(&lab, "missing.json", "plugins", &[missing]);
    check_in(&lab, "plugins", "plugins", &["error: plugins: is a folder; name the configuration file in it"]);
}

#[test]
fn syntax_errors_of_every_format_have_line_and_column() {
    let cut = "{\n  \"version\": 3,\n  \"async_agent\": [}\n";
    check_file("s.json", cut, &["error: s.json:3:19: a } that closes nothing"]);
    let crooked = "version: 3\nasync_agent:\n  - name: a\n   topic: b\n";
    let sentence = "while parsing a block collection, did not find expected '-' indicator";
    check_file("s.yaml", crooked, &[&format!("error: s.yaml:4:4: {sentence}")]);
    let open = "version = 3\nasync_agent = [\n";
    check_file("s.toml", open, &["error: s.toml:2:16: unclosed array, expected `]`"]);
}

#[test]
fn an_unknown_version_is_refused() {
    let text = file(&format!("{BACKEND}, {DRIVER}")).replace('3', "2");
    check_file("s", &text, &["error: s:1:13: version: unsupported version: 2 (want: 3)"]);
}

#[test]
fn wrong_types_and_durations_are_refused() {
    let with = |more: &str| format!("{more}, {BACKEND}, {DRIVER}");
    check(&with("\"workers\": \"many\""), &["error: s:3:12: async_agent[0].workers: \"many\" is no whole number"]);
    check(
        &with("\"timeout\": \"5\""),
        &["error: s:3:12: async_agent[0].timeout: \"5\" has no unit; write 5s or 500ms"],
    );
    check(
        &with("\"timeout\": \"soon\""),
        &["error: s:3:12: async_agent[0].timeout: \"soon\" is no duration; write something like 5s or 500ms"],
    );
}

#[test]
fn bad_hosts_are_refused() {
    let with = |host: &str| format!("{DRIVER}, \"backend\": [\n{{\"host\": [{host}], \"method\": \"POST\"}}]");
    let place = "async_agent[0].backend[0].host[0]";
    let sentence = "not valid: a name has letters, digits, dots, dashes and underscores";
    check(&with("\"a b\""), &[&format!("error: s:4:11: {place}: host \"a b\" {sentence}")]);
}

#[test]
fn an_agent_needs_a_backend() {
    check(DRIVER, &["error: s:2:1: async_agent[0].backend: an agent needs at least one backend"]);
}

#[test]
fn an_agent_needs_one_driver_that_is_loaded() {
    let loaded = "drivers loaded from the plugin folder \"plugins\": async/sqlite";
    check(BACKEND, &[&format!("error: s:2:1: async_agent[0]: agent \"a\" has no driver; {loaded}")]);
    check_extra_config(
        r#"{"async/sqlite": {"path": "q.db", "queue": "q"}, "async/kafka": {}}"#,
        &[
            "error: s:4:1: async_agent[0].extra_config: agent \"a\" has 2 drivers, async/sqlite and async/kafka; keep one",
        ],
    );
    let missing = "agent \"a\" needs the driver \"async/amqp\", whose plugin \"amqp\" is not loaded; \
                   put its library into the plugin folder \"plugins\"";
    check_extra_config(
        r#"{"async/amqp": {}}"#,
        &[&format!("error: s:4:2: async_agent[0].extra_config.async/amqp: {missing}; {loaded}")],
    );
}

#[test]
fn unknown_and_lacking_components_are_refused_by_name() {
    check_extra_config(
        r#"{"async/sqlite": {"path": "q.db", "queue": "q"}, "made/up": {}}"#,
        &["error: s:4:50: async_agent[0].extra_config.made/up: unknown namespace \"made/up\""],
    );
    check_extra_config(
        r#"{"async/sqlite": {"path": "q.db", "queue": "q"}, "security/policies": {}}"#,
        &[
            "error: s:4:50: async_agent[0].extra_config.security/policies: \"security/policies\" is not in this build of \
           siphon; write its policies as the expressions of validation/cel",
        ],
    );
}

#[test]
fn a_bad_expression_and_a_bad_schema_are_told_with_their_places() {
    check_extra_config(
        "{\"async/sqlite\": {\"path\": \"q.db\", \"queue\": \"q\"},\n\"validation/cel\": [{\"check_expr\":\n\"event.payload.n > 1 && reqmethod == 'A'\"}],\n\"validation/json-schema\": {\"properties\": {\"a\":\n{\"type\": \"nonesuch\"}}}}",
        &[
            "error: s:6:1: async_agent[0].extra_config.validation/cel[0].check_expr: there is no variable \"reqmethod\"; \
             did you mean \"req_method\"? (line 1, column 24)",
            "error: s:8:10: async_agent[0].extra_config.validation/json-schema.properties.a.type: is no valid schema: \
             \"nonesuch\" is not valid under any of the schemas listed in the 'anyOf' keyword",
        ],
    );
    check_extra_config(
        "{\"async/sqlite\": {\"path\": \"q.db\", \"queue\": \"q\"},\n\"validation/cel\": [{\"check_expr\": {}}]}",
        &[
            "error: s:5:35: async_agent[0].extra_config.validation/cel[0].check_expr: expected a string, found an object",
        ],
    );
}

#[test]
fn a_dead_letter_where_the_driver_keeps_none_is_refused() {
    let lab = Lab::empty().with_plugin("kafka");
    let kafka =
        r#""extra_config": {"async/kafka": {"cluster": {"brokers": ["127.0.0.1:9092"]}, "group": {"id": "g"}},"#;
    let checks = r#""validation/cel": [{"check_expr": "true", "outcome": "dead-letter"}]}"#;
    lab.write("s", file(&format!("{BACKEND},\n{kafka}\n{checks}")));
    let refusal = "error: s:5:54: async_agent[0].extra_config.validation/cel[0].outcome: async/kafka keeps no events that \
                   failed for good; choose \"retry\" or \"discard\"";
    check_in(&lab, "s", "plugins", &[refusal]);
}

#[test]
fn a_drivers_own_keys_are_checked_with_their_place() {
    let place = "async_agent[0].extra_config.async/sqlite";
    let with = |more: &str| format!("{{\"async/sqlite\": {{\"path\": \"q.db\", \"queue\": \"q\",\n{more}}}}}");
    check_extra_config(
        &with("\"lesae\": \"1s\""),
        &[&format!("error: s:5:1: {place}.lesae: unknown key, remove it; did you mean \"lease\"?")],
    );
    check_extra_config(
        &with("\"lease\": \"abc\""),
        &[&format!("error: s:5:10: {place}.lease: \"abc\" is no duration; write something like 5s or 500ms")],
    );
    check_extra_config(
        &with("\"lease\": \"10ms\""),
        &[&format!("error: s:5:10: {place}.lease: is 10ms: allowed is `1s` to `24h`")],
    );
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_file() {
    let lines = [
        "\"wokers\": 2,",
        "\"extra_config\": {\"async/sqlite\": {\"path\": \"\", \"queue\": \"q\", \"lease\": \"10ms\"}},",
        "\"timeout\": \"5\",",
        "\"backend\": [{\"host\": [\"h\"], \"method\": \"POST\", \"encoding\": \"jsno\"}]",
    ];
    let driver = "async_agent[0].extra_config.async/sqlite";
    let names = "is none of json, safejson, fast-json, xml, rss, string, no-op; did you mean \"json\"?";
    check(
        &lines.join("\n"),
        &[
            "warning: s:3:1: async_agent[0].wokers: unknown key, it has no effect; did you mean \"workers\"?",
            &format!("error: s:4:43: {driver}.path: is empty: name the queue file, such as `events.db`"),
            &format!("error: s:4:70: {driver}.lease: is 10ms: allowed is `1s` to `24h`"),
            "error: s:5:12: async_agent[0].timeout: \"5\" has no unit; write 5s or 500ms",
            &format!("error: s:6:59: async_agent[0].backend[0].encoding: the encoding \"jsno\" {names}"),
        ],
    );
}

#[test]
fn what_the_pipe_refuses_comes_with_what_the_driver_refuses() {
    let lines = [
        "\"extra_config\": {\"async/sqlite\": {\"path\": \"q.db\", \"queue\": \"\"}},",
        "\"backend\": [\n{\"host\": [\"http://u:hunter2@h:x\"], \"disable_host_sanitize\": true, \"method\": \"POST\"}]",
    ];
    check(
        &lines.join("\n"),
        &[
            "error: s:3:60: async_agent[0].extra_config.async/sqlite.queue: is empty: name the queue, such as `orders`",
            "error: s:5:1: async_agent[0].backend[0]: host http://u:***@h:x has no name or a port that is none; \
             ports go up to 65535",
        ],
    );
}

/// The only error about this publisher of a backend.
#[track_caller]
fn only_error(publisher: &str) -> String {
    let lab = Lab::empty();
    let backend = format!("\"backend\": [{{\"extra_config\": {{\"backend/sqlite/publisher\": {publisher}}}}}]");
    lab.write("s", file(&format!("{backend},\n{DRIVER}")));
    let ran = lab.siphon(&["check", "-c", "s", "--plugins", "plugins"]);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: s:")).collect();
    assert_eq!((ran.status, errors.len()), (1, 1), "{}", ran.stderr);
    errors[0].to_owned()
}

#[test]
fn what_is_wrong_with_a_plugins_backend_is_said_once() {
    let path = "async_agent[0].backend[0].extra_config.backend/sqlite/publisher";
    let error = only_error(r#"{"path": 5, "queue": "q"}"#);
    assert!(error.contains(&format!("{path}.path: expected a string, found 5")), "{error}");
    let error = only_error(r#"{"path": "a.db", "queue": "q", "topic": "x.{key"}"#);
    assert!(error.ends_with(&format!("{path}.topic: never closes the brace of \"{{key\"")), "{error}");
}

#[test]
fn unknown_keys_are_warned_of_and_the_rest_works() {
    let lab = Lab::empty();
    lab.write("s", file(&format!("\"wokers\": 2, {BACKEND}, {DRIVER}")));
    let ran = lab.siphon(&["check", "-c", "s", "--plugins", "plugins"]);
    let warning = "warning: s:3:1: async_agent[0].wokers: unknown key, it has no effect; did you mean \"workers\"?\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (0, warning));
}

#[test]
fn two_agents_of_one_name_are_warned_of_and_both_start() {
    let twin = |queue: &str| {
        let driver = DRIVER.replace("\"q\"", &format!("{queue:?}"));
        format!("{{\"name\": \"twin\", \"topic\": \"t\", {BACKEND}, {driver}}}")
    };
    let lab = Lab::empty();
    let agents = [twin("first"), twin("second")].join(",\n");
    lab.write("siphon.json", format!("{{\"version\": 3, \"async_agent\": [\n{agents}]}}"));
    let mut siphon = lab.start();
    let sentence = "async_agent[1]: the agent in line 2 is called \"twin\" too; logs and health cannot tell them apart";
    siphon.wait_for_log(&["WARNING [SERVICE: Configuration] siphon.json:3:1:", sentence]);
    ["twin", "twin#2"].iter().for_each(|name| drop(siphon.wait_for_agent(name, |agent| agent["state"] == "running")));
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn a_plugin_folder_that_is_missing_or_empty_is_named() {
    let lab = Lab::empty();
    lab.write("s", file(&format!("{BACKEND},\n{DRIVER}")));
    std::fs::create_dir(lab.path("empty")).unwrap();
    let needed = |folder: &str| {
        format!(
            "error: s:4:18: async_agent[0].extra_config.async/sqlite: agent \"a\" needs the driver \"async/sqlite\", whose \
             plugin \"sqlite\" is not loaded; put its library into the plugin folder \"{folder}\"; no driver plugin was \
             found in the plugin folder \"{folder}\""
        )
    };
    let missing = "error: s: the plugin folder nowhere does not exist: name another with --plugins or plugin.folder";
    check_in(&lab, "s", "nowhere", &[missing, &needed("nowhere")]);
    let empty = "error: s: the plugin folder empty holds no library: build the plugins (cargo xtask build), or name \
                 another folder with --plugins or plugin.folder";
    check_in(&lab, "s", "empty", &[empty, &needed("empty")]);
}

#[test]
fn a_library_that_does_not_fit_is_warned_of_and_the_others_load() {
    let lab = Lab::empty();
    lab.write("s", file(&format!("{BACKEND},\n{DRIVER}")));
    lab.write(&format!("plugins/libtext{}", std::env::consts::DLL_SUFFIX), "no library at all");
    let ran = lab.siphon(&["check", "-c", "s", "--plugins", "plugins"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let sentence = "is no shared library: remove it from the plugin folder, or build the plugin again\n";
    assert!(ran.stderr.starts_with("warning: plugin plugins/libtext") && ran.stderr.ends_with(sentence), "{ran:?}");
}

#[test]
fn wrong_arguments_are_refused_with_status_2() {
    let lab = Lab::empty();
    lab.write("s", file(&format!("{BACKEND},\n{DRIVER}")));
    let with = |more: &[&'static str]| [&["invoke", "-c", "s", "--plugins", "plugins"], more].concat();
    let nobody = "error: there is no agent \"b\"; the configuration has: a";
    check_command(&lab, &with(&["--agent", "b", "--payload", "s"]), 2, &[nobody]);
    check_command(&lab, &["publish", "-c", "s", "--plugins", "plugins", "--agent", "b", "x"], 2, &[nobody]);
    let missing = "error: cannot read the payload nofile: No such file or directory (os error 2)";
    check_command(&lab, &with(&["--agent", "a", "--payload", "nofile"]), 2, &[missing]);
    let help = "For more information, try '--help'.";
    let no_pair = "error: invalid value 'foo' for '--metadata <KEY=VALUE>': \"foo\" has no `=`: write KEY=VALUE";
    check_command(&lab, &with(&["--agent", "a", "--payload", "s", "--metadata", "foo"]), 2, &[no_pair, "", help]);
    let no_key = "error: invalid value '=v' for '--metadata <KEY=VALUE>': the key before `=` is empty";
    check_command(&lab, &with(&["--agent", "a", "--payload", "s", "--metadata", "=v"]), 2, &[no_key, "", help]);
    let unknown = "error: unrecognized subcommand 'frobnicate'";
    check_command(&lab, &["frobnicate"], 2, &[unknown, "", "Usage: siphon <COMMAND>", "", help]);
}
