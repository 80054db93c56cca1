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
    assert_eq!(lines[2..], ["  source async/sqlite [SQLite]", "  sink async/sqlite [SQLite]"]);
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
