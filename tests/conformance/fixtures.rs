//! Libraries that do not fit: real ones that were changed, ones that `cc` makes, ones that cargo builds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};
use siphon_core::abi::HANDSHAKE_SYMBOL;
use siphon_testkit::artifacts::{cargo, workspace};
use siphon_testkit::plugin_file;
use tempfile::TempDir;

/// A real plugin's bytes.
pub fn plugin() -> Vec<u8> {
    std::fs::read(plugin_file("chaos")).unwrap()
}

/// A real plugin with four bytes of its handshake changed; `offset` is that of the field.
pub fn with_handshake(offset: usize, value: u32) -> Vec<u8> {
    let mut bytes = plugin();
    let at = handshake_offset(&bytes) + offset;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

/// Where in its file a plugin's handshake lies.
fn handshake_offset(bytes: &[u8]) -> usize {
    let file = object::File::parse(bytes).unwrap();
    let symbol = file.dynamic_symbols().find(|symbol| symbol.name() == Ok(HANDSHAKE_SYMBOL)).unwrap();
    let is_its = |segment: &object::Segment<'_, '_>| {
        (segment.address()..segment.address() + segment.size()).contains(&symbol.address())
    };
    let segment = file.segments().find(is_its).unwrap();
    (segment.file_range().0 + symbol.address() - segment.address()) as usize
}

/// A shared library of these lines of C.
pub fn from_c(source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::read(compile(&folder, "library", source, &[])).unwrap()
}

/// A library that calls itself a plugin and needs another library, which is nowhere.
pub fn in_need_of_another() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    compile(&folder, "libsiphon_nowhere", "int nowhere(void) { return 1; }", &[]);
    let source = "int nowhere(void); long siphon_plugin_v1 = 1; int call(void) { return nowhere(); }";
    let arguments = ["-L.", "-lsiphon_nowhere"];
    std::fs::read(compile(&folder, "needs", source, &arguments)).unwrap()
}

fn compile(folder: &TempDir, name: &str, source: &str, arguments: &[&str]) -> PathBuf {
    let (from, to) = (folder.path().join(format!("{name}.c")), folder.path().join(format!("{name}.so")));
    std::fs::write(&from, source).unwrap();
    let mut cc = Command::new("cc");
    let status =
        cc.current_dir(folder.path()).args(["-shared", "-fPIC", "-o"]).args([&to, &from]).args(arguments).status();
    assert!(status.unwrap().success(), "cc failed on {source}");
    to
}

/// Builds `tests/fixtures/changed-layout` with a copy of the ABI that `change` has worked on: (file, what, by what).
pub fn built(name: &str, profile: &str, change: Option<(&str, &str, &str)>) -> Vec<u8> {
    // One after the other: they share a target folder, so that the ABI's own dependencies are built once per profile.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _turn = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = workspace().join("target/fixtures").join(name);
    copy(&workspace().join("tests/fixtures/changed-layout"), &folder);
    copy(&workspace().join("crates/abi"), &folder.join("abi"));
    std::fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    if let Some((file, what, by)) = change {
        let path = folder.join("abi/src").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(what), "{file} has no {what:?} any more");
        std::fs::write(&path, text.replacen(what, by, 1)).unwrap();
    }
    let target = workspace().join("target/fixtures/target");
    let mut command = cargo();
    command.current_dir(&folder).env("CARGO_TARGET_DIR", &target);
    let status = command.args(["build", "--quiet", "--profile", profile]).stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "the fixture {name} does not build");
    let profile = if profile == "dev" { "debug" } else { profile };
    std::fs::read(target.join(profile).join("libmisfit.so")).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
