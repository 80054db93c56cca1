//! A newcomer follows `docs/write-a-plugin.md` word by word, and ends with a loaded, working driver.

use std::path::{Path, PathBuf};
use std::process::Command;

use siphon_testkit::artifacts::{cargo, workspace};
use siphon_testkit::{HttpBackend, siphon_bin};
use siphon_tests::{Lab, Launch, eventually};

/// The fenced blocks of the page in this language.
fn blocks(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(workspace().join("docs/write-a-plugin.md")).unwrap();
    let fence = format!("```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts.map(|part| part.split_once("```").expect("a block ends").0.to_owned()).collect()
}

/// Where new plugins are built: a folder that is kept, so that their dependencies are there already.
fn target() -> PathBuf {
    let target = workspace().join("target/new-plugin");
    std::fs::create_dir_all(&target).unwrap();
    target
}

/// Runs the page's commands as one script, with the new folder in `folder`.
fn follow(folder: &Path) -> String {
    let target = target();
    let new = folder.join("inbox");
    let mut blocks = blocks("sh").into_iter().map(|block| block.replace("../inbox", new.to_str().unwrap()));
    let first = blocks.next().expect("commands");
    let link = format!("ln -s {} {}/target\n", target.display(), new.display());
    shell(&format!("set -ex\n{first}{link}{}", blocks.collect::<String>()))
}

/// Runs a script in the workspace, with the built siphon in its `PATH`.
fn shell(script: &str) -> String {
    let cargo = cargo();
    let mut shell = Command::new("sh");
    shell.current_dir(workspace()).args(["-c", script]);
    // Without what the outer cargo told this test.
    cargo.get_envs().filter(|(_, value)| value.is_none()).for_each(|(name, _)| {
        shell.env_remove(name);
    });
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = siphon_bin().parent().unwrap().to_owned();
    shell
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR");
    let output = shell.output().unwrap();
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn the_page_leads_to_a_working_driver() {
    let folder = tempfile::tempdir().unwrap();
    let said = follow(folder.path());
    let new = folder.path().join("inbox");
    // The page shows what was written.
    let written = std::fs::read_to_string(new.join("src/lib.rs")).unwrap();
    assert!(blocks("rust").contains(&written), "the page shows another src/lib.rs than new-plugin writes");
    // Its tests ran the conformance suite, on the library that siphon loads.
    for part in [
        "test it_behaves_as_a_driver_must ... ok",
        "source async/inbox [Inbox]",
        "capabilities: gives back",
        "folder (string, required): The folder with the events",
        "the configuration is fine",
        "published 1 event to async/inbox",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(std::fs::read_dir(new.join("inbox")).unwrap().count(), 1, "the event waits as a file");
    runs(&new);
}

/// The built library delivers what was published, and deletes it.
fn runs(new: &Path) {
    let (backend, lab) = (HttpBackend::start(), Lab::empty());
    let text = std::fs::read_to_string(new.join("siphon.json")).unwrap();
    let inbox = new.join("inbox");
    let text = text.replace("http://127.0.0.1:8080", &backend.url()).replace("\"inbox\"", &format!("{inbox:?}"));
    lab.write("inbox.json", text);
    let name = format!("{}siphon_plugin_inbox{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    std::fs::copy(new.join("target/debug").join(&name), lab.path("plugins").join(&name)).unwrap();
    let mut siphon = Launch::new(&lab).config("inbox.json").start();
    eventually("the event", || backend.requests().iter().any(|one| one.body.as_ref() == b"{\"id\": 1}").then_some(()));
    eventually("the file to go", || (std::fs::read_dir(&inbox).unwrap().count() == 0).then_some(()));
    assert_eq!(siphon.stop(), 0);
}

/// `new-plugin` writes a package of this kind; its tests pass, and its library is put into the lab's plugin folder.
fn makes(lab: &Lab, name: &str, kind: &str) {
    let new = lab.path(name);
    let (shown, target) = (new.display(), target());
    let said = shell(&format!(
        "set -ex\ncargo xtask new-plugin {name} {shown} --kind {kind}\nln -s {} {shown}/target\n\
         cd {shown}\ncargo test\ncargo build\n",
        target.display()
    ));
    assert!(said.contains("test result: ok."), "{said}");
    let library = format!("{}siphon_plugin_{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    std::fs::copy(new.join("target/debug").join(&library), lab.path("plugins").join(&library)).unwrap();
    let config = new.join("siphon.json");
    let checked = lab.siphon(&["check", "-c", config.to_str().unwrap(), "--plugins", "plugins"]);
    assert_eq!((checked.status, checked.stderr.as_str()), (0, ""), "{checked:?}");
}

#[test]
fn a_new_modifier_and_a_new_http_client_pass_their_tests_and_run_the_example() {
    let (backend, lab) = (HttpBackend::start(), Lab::empty());
    makes(&lab, "tenant", "modifier");
    makes(&lab, "courier", "http-client");
    let text = std::fs::read_to_string(workspace().join("config/examples/plugins.json")).unwrap();
    lab.write("siphon.json", text.replace("http://127.0.0.1:8000", &backend.url()));
    let checked = lab.siphon(&lab.arguments("check", &[]));
    assert_eq!((checked.status, checked.stderr.as_str()), (0, ""), "{checked:?}");
    let payload = r#"{"customer": "acme"}"#;
    let published = lab.siphon(&lab.arguments("publish", &["--agent", "orders", "--topic", "order.created", payload]));
    assert_eq!(published.status, 0, "{published:?}");
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    let request = backend.requests().into_iter().next().expect("a call");
    assert_eq!((request.header("x-tenant"), request.text().as_str()), (Some("acme"), payload));
    assert_eq!(std::fs::read_to_string(lab.path("replies/order.created.json")).unwrap(), payload);
    assert_eq!(siphon.stop(), 0);
}
