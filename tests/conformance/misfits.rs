//! Each library that does not fit is refused in one sentence: which file, why, and what to do. The others load.

use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use siphon_core::abi::Handshake;
use siphon_core::plugin::{Misfit, Registry};
use siphon_testkit::artifacts::cargo;
use siphon_testkit::{plugin_file, siphon_bin};
use tempfile::TempDir;

use crate::fixtures::{built, from_c, in_need_of_another, plugin, with_handshake};

const ARCH: &str = std::env::consts::ARCH;

/// A plugin folder with the SQLite driver and these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(plugin_file("sqlite"), folder.path().join("libsiphon_sqlite.so")).unwrap();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
    folder
}

fn load(folder: &Path) -> Registry {
    let mut registry = Registry::default();
    registry.load_folder(folder, "").unwrap();
    registry
}

/// Loads a folder with this file; returns why it was refused. The sentence is one line and begins with the file.
#[track_caller]
fn refusal(bytes: &[u8]) -> (Misfit, String) {
    let folder = folder(&[("misfit.so", bytes)]);
    let registry = load(folder.path());
    assert!(registry.source("async/sqlite").is_some(), "the others load");
    let [refusal] = registry.refusals() else { panic!("{:?}", registry.refusals()) };
    let sentence = refusal.to_string();
    let rest = sentence.strip_prefix(&format!("{} ", folder.path().join("misfit.so").display()));
    let rest = rest.unwrap_or_else(|| panic!("it does not begin with its file: {sentence}"));
    assert!(!rest.contains('\n') && rest.len() < 500, "{rest}");
    (refusal.why.clone(), rest.to_owned())
}

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    assert_eq!(refusal(bytes).1, expected);
}

#[test]
fn a_text_file() {
    let expected = "is no shared library: remove it from the plugin folder, or build the plugin again";
    check(b"this is no library", expected);
    check(b"", expected);
}

#[test]
fn a_foreign_architecture() {
    let mut bytes = plugin();
    let (machine, name) = if ARCH == "aarch64" { (62u16, "x86_64") } else { (183, "aarch64") };
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    check(&bytes, &format!("is built for {name}, this siphon runs on {ARCH}: build the plugin for {ARCH}"));
}

#[test]
fn a_truncated_library_wherever_it_ends() {
    let whole = plugin();
    for length in [16, 63, 64, 1_000, 4_096, whole.len() / 2, whole.len() * 9 / 10, whole.len() - 1] {
        let (why, sentence) = refusal(&whole[..length]);
        assert!(matches!(why, Misfit::Truncated { .. }), "{length}: {why:?}");
        assert!(sentence.starts_with(&format!("is cut off ({length} bytes of at least ")), "{sentence}");
        assert!(sentence.ends_with("): copy or build it again"), "{sentence}");
    }
}

#[test]
fn a_library_that_is_no_plugin() {
    check(
        &from_c("int something_else(void) { return 1; }"),
        "is no siphon plugin (it lacks the symbol siphon_plugin_v1): remove it from the plugin folder, or add export_plugin! to it",
    );
}

#[test]
fn a_program_that_is_no_library() {
    let (why, _) = refusal(&std::fs::read(siphon_bin()).unwrap());
    assert!(matches!(why, Misfit::NotAPlugin | Misfit::NotALibrary), "{why:?}");
}

#[test]
fn a_symbol_that_is_no_handshake() {
    check(
        &from_c("char siphon_plugin_v1[128] = \"not a handshake\";"),
        "has a siphon_plugin_v1 that is no handshake: build it with siphon-sdk's export_plugin!",
    );
}

#[test]
fn a_symbol_that_is_too_short_for_a_handshake() {
    check(
        &from_c("long siphon_plugin_v1 = 42;"),
        "has a siphon_plugin_v1 that is no handshake: build it with siphon-sdk's export_plugin!",
    );
}

#[test]
fn a_library_that_needs_another_one() {
    check(
        &in_need_of_another(),
        "cannot be loaded (libsiphon_nowhere.so: cannot open shared object file: No such file or directory): install what \
         it needs, or build it on this system",
    );
}

#[test]
fn another_revision_of_the_abi() {
    check(
        &with_handshake(offset_of!(Handshake, abi_rev), 77),
        &format!(
            "speaks plugin ABI 77 (siphon-sdk {}), this siphon speaks 1: build it with the siphon-sdk of this siphon",
            env!("CARGO_PKG_VERSION")
        ),
    );
}

#[test]
fn a_library_built_with_the_abi_of_another_siphon() {
    let change = ("handshake.rs", "pub const ABI_REV: u32 = 1;", "pub const ABI_REV: u32 = 2;");
    check(
        &built("other-revision", "dev", Some(change)),
        &format!("speaks plugin ABI 2 (siphon-sdk 0.1.0), this siphon speaks 1: {USE_OURS}"),
    );
}

const ABORTS: &str =
    "was built with panic = \"abort\", so a panic in it would end siphon: build it with panic = \"unwind\"";

#[test]
fn a_library_that_cannot_unwind() {
    check(&with_handshake(offset_of!(Handshake, flags), 0), ABORTS);
    check(&built("aborts", "abort", None), ABORTS);
}

const USE_OURS: &str = "build it with the siphon-sdk of this siphon";

#[test]
fn a_changed_layout() {
    let change = ("settle.rs", "pub reserved: u32,", "pub reserved: u32,\n    pub urgency: u64,");
    let what = "incompatible type size, expected 32, found 40";
    check(
        &built("changed-layout", "dev", Some(change)),
        &format!("has another layout of the plugin ABI ({what}): {USE_OURS}"),
    );
}

#[test]
fn a_function_with_other_arguments() {
    let change = ("table.rs", "places: u32, messages: u32", "max: u32");
    let what = "too many fields, expected 5, found 4";
    check(
        &built("changed-function", "dev", Some(change)),
        &format!("has another layout of the plugin ABI ({what}): {USE_OURS}"),
    );
}

#[test]
fn an_unchanged_copy_of_the_abi_fits() {
    let folder = folder(&[("fits.so", &built("unchanged", "dev", None))]);
    let registry = load(folder.path());
    assert_eq!(registry.refusals(), []);
    assert!(registry.libraries().iter().any(|library| library.name == "misfit"));
}

#[test]
fn a_key_that_is_taken() {
    let folder = folder(&[("a.so", &plugin()), ("b.so", &plugin())]);
    let registry = load(folder.path());
    assert!(registry.source("async/sqlite").is_some() && registry.source("async/chaos").is_some());
    let expected = format!(
        "{} registers the agent source async/chaos, which {} has registered already: remove one of the two",
        folder.path().join("b.so").display(),
        folder.path().join("a.so").display()
    );
    assert_eq!(registry.refusals().iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

/// In a process of its own: the variable is for that process.
#[test]
fn a_panic_while_registering() {
    let folder = folder(&[("misfit.so", &plugin())]);
    let mut siphon = Command::new(siphon_bin());
    siphon.args(["plugins", "list", "--plugins"]).arg(folder.path()).env("SIPHON_CHAOS", "panic-at-registration");
    let output = siphon.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = format!(
        "{} failed to register: the plugin panicked: told to panic while registering; ask its author, or remove it",
        folder.path().join("misfit.so").display()
    );
    assert!(shown.contains(&expected), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("async/sqlite"), "{shown}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn everything_at_once_leaves_the_plugin_that_fits() {
    let folder = folder(&[
        ("1-text.so", b"text"),
        ("2-cut.so", &plugin()[..5_000]),
        ("3-other.so", &from_c("int x;")),
        ("4-old.so", &with_handshake(offset_of!(Handshake, abi_rev), 0)),
        ("notes.txt", b"of no interest"),
    ]);
    let registry = load(folder.path());
    assert_eq!(registry.refusals().len(), 4);
    assert!(registry.source("async/sqlite").is_some());
}

#[test]
fn a_folder_that_is_missing_or_empty() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let load = |path: &Path, pattern: &str| Registry::default().load_folder(path, pattern).unwrap_err().to_string();
    assert_eq!(
        load(&missing, ""),
        format!("the plugin folder {} does not exist: name another with --plugins or plugin.folder", missing.display())
    );
    let empty = load(folder.path(), "");
    assert!(empty.contains("holds no library"), "{empty}");
    std::fs::write(folder.path().join("a.so"), "text").unwrap();
    let other = load(folder.path(), "sqlite");
    assert!(other.contains("holds no library whose name contains \"sqlite\""), "{other}");
    let file = load(&folder.path().join("a.so"), "");
    assert!(file.contains("cannot be read"), "{file}");
}

/// The SDK refuses to build a plugin that could not be contained.
#[test]
fn a_plugin_with_panic_abort_does_not_even_compile() {
    let mut command = cargo();
    command.args(["check", "--quiet", "--package", "siphon-plugin-chaos", "--target-dir", "target/fixtures/target"]);
    let output = command.env("CARGO_PROFILE_DEV_PANIC", "abort").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("a plugin must be built with panic = \"unwind\": remove `panic = \"abort\"`"), "{said}");
}

/// The SDK's macro writes the name out, because `export_name` takes no constant.
#[test]
fn the_loader_has_the_name_that_abi_stable_looks_for() {
    let bytes = plugin();
    let file = object::File::parse(&*bytes).unwrap();
    let name = siphon_core::abi::abi_stable::library::ROOT_MODULE_LOADER_NAME;
    let mut names =
        object::Object::dynamic_symbols(&file).filter_map(|symbol| object::ObjectSymbol::name(&symbol).ok());
    assert!(names.any(|own| own == name), "{name}");
}
