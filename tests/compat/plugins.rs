//! `siphon plugins`, `siphon version`, and the help texts.

use siphon_tests::{Lab, Ran};

#[track_caller]
fn run(lab: &Lab, arguments: &[&str]) -> Ran {
    lab.siphon(arguments)
}

#[test]
fn each_library_is_shown_with_what_it_registers() {
    let lab = Lab::empty();
    let ran = run(&lab, &["plugins", "--plugins", "plugins"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("siphon-plugin-sqlite ") && lines[0].contains("plugins/"), "{lines:?}");
    assert!(lines[1].starts_with("  plugin ABI 1, siphon-sdk ") && lines[1].contains(", rustc "), "{lines:?}");
    let components = [
        "  source async/sqlite [SQLite]",
        "  sink async/sqlite [SQLite]",
        "  backend backend/sqlite/publisher [SQLite]",
    ];
    assert_eq!(lines[2..], components);
    assert_eq!(run(&lab, &["plugins", "list", "--plugins", "plugins"]), ran);
}

#[test]
fn inspect_shows_capabilities_and_configuration_keys() {
    let lab = Lab::empty();
    let name = format!("plugins/{}siphon_sqlite{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let ran = run(&lab, &["plugins", "inspect", &name]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for part in
        ["capabilities: gives back, delays, counts attempts", "path (string, required): The queue file", "lease ("]
    {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn inspect_shows_nested_keys_and_a_shared_configuration_once() {
    let lab = Lab::empty().with_plugin("amqp");
    let name = format!("plugins/{}siphon_amqp{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let ran = run(&lab, &["plugins", "inspect", &name]);
    let (driver, _) = ran.stdout.split_once("backend/amqp/producer").expect("the backends come last");
    let has = |line: &str| driver.lines().filter(|own| own.trim_start().starts_with(line)).count();
    let lines = [
        "client_tls.client_certs[].certificate (string, required): File with the certificate",
        "host (string or list of string, required): The broker's address",
        "prefetch_count (integer): Messages that the broker sends",
        "configuration: that of the source async/amqp",
    ];
    lines.iter().for_each(|line| assert_eq!(has(line), 1, "{line}: {ran:?}"));
}

#[test]
fn inspect_tells_programs_the_same_in_json() {
    let lab = Lab::empty();
    let name = format!("plugins/{}siphon_sqlite{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let ran = run(&lab, &["plugins", "inspect", "--json", &name]);
    let library: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&library["abi_revision"], &library["components"][0]["keys"][0]), (&1.into(), &"async/sqlite".into()));
    let fields = library["components"][0]["fields"].as_array().expect("fields");
    let lease = fields.iter().find(|field| field["path"] == "lease").expect("a lease");
    assert_eq!(
        (&lease["type"], &lease["default"], &lease["required"]),
        (&"duration".into(), &"30s".into(), &false.into())
    );
    assert_eq!(library["components"][0]["schema"]["required"], serde_json::json!(["path", "queue"]));
    lab.write("text.so", "no library"); // not over the library: that is a link to the one that all tests use
    let refused = run(&lab, &["plugins", "inspect", "--json", "text.so"]);
    assert!(refused.status == 1 && refused.stdout.contains("\"refused\": "), "{refused:?}");
}

/// What `check` says of an agent whose `async/amqp` object is this, from line 4 on.
#[track_caller]
fn check_amqp(settings: &str, expected: &[&str]) {
    let lab = Lab::empty().with_plugin("amqp");
    let text = format!(
        "{{\"version\": 3, \"async_agent\": [{{\"name\": \"a\", \"topic\": \"t\",\n\
         \"backend\": [{{\"host\": [\"http://h:80\"], \"url_pattern\": \"/\", \"method\": \"POST\"}}],\n\
         \"extra_config\": {{\"async/amqp\": {{\"name\": \"q\", \"exchange\": \"x\",\n{settings}}}}}}}]}}"
    );
    lab.write("s.json", text);
    let ran = run(&lab, &["check", "-c", "s.json", "--plugins", "plugins"]);
    let path = "async_agent[0].extra_config.async/amqp";
    let errors: Vec<String> =
        ran.stderr.lines().filter(|line| line.starts_with("error: ")).map(|line| line.replace(path, "…")).collect();
    assert_eq!((ran.status, errors), (1, expected.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()));
}

#[test]
fn check_holds_a_drivers_settings_against_its_schema_with_line_and_column() {
    let lacking = r#""host": "amqps://h", "client_tls": {"client_certs": [{}]}"#;
    let at = "error: s.json:4:54: ….client_tls.client_certs[0]: the key";
    check_amqp(lacking, &[&format!("{at} \"certificate\" is missing"), &format!("{at} \"private_key\" is missing")]);
    check_amqp(r#""host": 5"#, &["error: s.json:4:9: ….host: expected a string or a list, found 5"]);
    check_amqp("\"host\": [\"amqp://h\",\n 5]", &["error: s.json:5:2: ….host[1]: expected a string, found 5"]);
    check_amqp(
        "\"host\": \"amqps://h\", \"client_tls\": {\"ca_certs\": [\"a.pem\",\n{}],\n\"client_certs\": [{\"certificate\": \"c.pem\"}]}",
        &[
            "error: s.json:5:1: ….client_tls.ca_certs[1]: expected a string, found an object",
            "error: s.json:6:18: ….client_tls.client_certs[0]: the key \"private_key\" is missing",
        ],
    );
}

#[test]
fn a_library_that_is_none_is_refused_with_a_reason() {
    let lab = Lab::empty();
    let name = format!("plugins/libtext{}", std::env::consts::DLL_SUFFIX);
    lab.write(&name, "no library at all");
    let refusal =
        format!("refused: {name} is no shared library: remove it from the plugin folder, or build the plugin again");
    let ran = run(&lab, &["plugins", "inspect", &name]);
    assert_eq!((ran.status, ran.stdout), (1, format!("{refusal}\n")));
    let ran = run(&lab, &["plugins", "--plugins", "plugins"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.contains("siphon-plugin-sqlite ") && ran.stdout.contains(&refusal), "{ran:?}");
}

#[test]
fn the_version_names_the_plugin_abi() {
    let expected = format!("siphon {} (plugin ABI 1, {})\n", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    assert_eq!(run(&Lab::empty(), &["version"]), Ran { status: 0, stdout: expected, stderr: String::new() });
}

#[test]
fn every_command_has_a_help_text_with_an_example() {
    for command in ["run", "check", "invoke", "publish", "plugins", "version"] {
        let ran = run(&Lab::empty(), &[command, "--help"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{command}");
        assert!(ran.stdout.contains(&format!("Example: siphon {command}")), "{command}: {}", ran.stdout);
        assert!(ran.stdout.contains("Usage: siphon"), "{command}: {}", ran.stdout);
    }
    let ran = run(&Lab::empty(), &["--help"]);
    assert!(ran.status == 0 && ran.stdout.contains("Exit status: 0 fine"), "{ran:?}");
}

#[test]
fn a_reader_that_has_had_enough_ends_it_quietly() {
    let lab = Lab::empty();
    let mut command = lab.command();
    command.args(["plugins", "--plugins", "plugins", "inspect"]).arg(siphon_testkit::plugin_file("sqlite"));
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}
