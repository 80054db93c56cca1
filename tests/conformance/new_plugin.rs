//! A newcomer follows `docs/write-a-plugin.md` word by word, and ends with a loaded, working driver.

use std::path::Path;
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

/// Runs the page's commands as one script, with the new folder in `folder`. Dependencies are built in a folder that is kept, from
/// what is there already.
fn follow(folder: &Path) -> String {
    let target = workspace().join("target/new-plugin");
    std::fs::create_dir_all(&target).unwrap();
    let new = folder.join("inbox");
    let mut blocks = blocks("sh").into_iter().map(|block| block.replace("../inbox", new.to_str().unwrap()));
    let first = blocks.next().expect("commands");
    let link = format!("ln -s {} {}/target\n", target.display(), new.display());
    let script = format!("set -ex\n{first}{link}{}", blocks.collect::<String>());
    let cargo = cargo();
    let mut shell = Command::new("sh");
    shell.current_dir(workspace()).args(["-c", &script]);
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
