//! `dist`: what is given to users: one folder and its archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::build::{self, Built};
use crate::cargo::{self, Profile};
use crate::error::{Context, Result, TaskError};

/// Plugins that exist for tests.
const NOT_SHIPPED: [&str; 1] = ["chaos"];
/// What is inside the libraries here and comes from the system elsewhere.
const FEATURES: [&str; 1] = ["siphon-plugin-kafka/vendored"];
/// Libraries that a user's machine may lack, or have in another version: nothing that is shipped may ask for them.
const NOT_EVERYWHERE: [&str; 2] = ["libssl.so", "libcrypto.so"];
/// Files and folders of the checkout that are shipped.
const SHIPPED: [&str; 7] =
    ["LICENSE", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "config", "docs"];

/// Build what is shipped: a folder and a .tar.gz below target/dist; print the archive
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask dist")]
pub struct Arguments {}

pub fn task(_: &Arguments) -> Result<ExitCode> {
    let cargo::Metadata { target, version } = cargo::metadata()?;
    check_complete()?;
    let built = build::everything_with(&Profile::named("dist"), &FEATURES)?;
    let parent = target.join("dist");
    let name = format!("siphon-{version}-{}", host()?);
    let folder = parent.join(&name);
    fill(&folder, &built)?;
    let archive = parent.join(format!("{name}.tar.gz"));
    cargo::run(Command::new("tar").arg("-C").arg(&parent).arg("-czf").arg(&archive).arg(&name))?;
    println!("{}", archive.display());
    Ok(ExitCode::SUCCESS)
}

/// Before the long build.
fn check_complete() -> Result<()> {
    let missing = SHIPPED.into_iter().find(|name| !cargo::root().join(name).exists());
    missing.map_or(Ok(()), |name| Err(TaskError::new(format!("{name} is missing; a release needs it"))))
}

/// The target that this toolchain builds for, such as `x86_64-unknown-linux-gnu`.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = cargo::output(Command::new(rustc).arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| TaskError::new("rustc -vV names no host"))
}

fn fill(folder: &Path, built: &Built) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).at("empty", folder)?;
    }
    let plugins = folder.join("plugins");
    fs::create_dir_all(&plugins).at("make the folder", &plugins)?;
    copy(built.binary()?, folder)?;
    let shipped = built.plugins.iter().filter(|plugin| !NOT_SHIPPED.contains(&&*plugin.folder));
    for library in shipped.map(|plugin| &plugin.library) {
        check_alone(library)?;
        copy(library, &plugins)?;
    }
    SHIPPED.iter().try_for_each(|name| copy(&cargo::root().join(name), folder))
}

/// A library that needs another one names it.
fn check_alone(library: &Path) -> Result<()> {
    let bytes = fs::read(library).at("read", library)?;
    let needs = |name: &&str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    match NOT_EVERYWHERE.into_iter().find(needs) {
        None => Ok(()),
        Some(name) => Err(TaskError::new(format!("{} needs {name}, which not every machine has", library.display()))),
    }
}

/// Copies a file, or a folder with all that is in it, into `folder`.
fn copy(from: &Path, folder: &Path) -> Result<()> {
    let to = folder.join(from.file_name().unwrap_or_default());
    if !from.is_dir() {
        return fs::copy(from, &to).map(drop).at("copy", from);
    }
    fs::create_dir_all(&to).at("make the folder", &to)?;
    entries(from)?.iter().try_for_each(|entry| copy(entry, &to))
}

/// What is in a folder, but the databases that a quickstart has left there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).at("read", folder)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).at("read", folder));
    let is_kept = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !["db", "db-wal", "db-shm"].iter().any(|end| name.ends_with(&format!(".{end}")))
    };
    paths.filter(|path| path.as_ref().map_or(true, is_kept)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_needs_openssl_of_the_system_is_not_shipped() {
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("libx.so");
        fs::write(&library, "\x7fELF libc.so.6").expect("written");
        check_alone(&library).expect("it needs nothing special");
        fs::write(&library, "\x7fELF libc.so.6\0libssl.so.3").expect("written");
        let error = check_alone(&library).expect_err("it needs OpenSSL");
        assert!(error.to_string().contains("libx.so needs libssl.so"), "{error}");
    }

    #[test]
    fn a_folder_is_copied_with_all_that_is_in_it_but_databases() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("config"), folder.path().join("out"));
        fs::create_dir_all(from.join("examples")).expect("a folder");
        fs::create_dir(&to).expect("a folder");
        for name in ["siphon.json", "examples/a.json", "events.db", "events.db-wal"] {
            fs::write(from.join(name), name).expect("written");
        }
        copy(&from, &to).expect("copied");
        let copied = |name: &str| fs::read_to_string(to.join("config").join(name)).ok();
        assert_eq!(copied("siphon.json").as_deref(), Some("siphon.json"));
        assert_eq!(copied("examples/a.json").as_deref(), Some("examples/a.json"));
        assert_eq!((copied("events.db"), copied("events.db-wal")), (None, None));
    }
}
