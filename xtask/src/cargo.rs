//! Calling cargo from a task that cargo has started.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{Context, Result, TaskError};

/// What cargo sets for the program that it runs. Build scripts that watch these variables would run again in a nested
/// cargo, and with them everything that depends on them.
const INHERITED: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST", "CARGO_BIN_", "CARGO_CRATE_"];

/// Which settings of Cargo.toml a build uses, and the folder that it builds into.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Profile {
    /// Build with the profile `release`
    #[arg(long, conflicts_with = "profile")]
    release: bool,
    /// Build with this profile of Cargo.toml; without it and `--release`: `dev`
    #[arg(long)]
    profile: Option<String>,
}

impl Profile {
    pub fn named(name: &str) -> Self {
        Self { release: false, profile: Some(name.to_owned()) }
    }

    pub fn name(&self) -> &str {
        match &self.profile {
            Some(name) => name,
            None if self.release => "release",
            None => "dev",
        }
    }

    pub fn arguments(&self) -> [&str; 2] {
        ["--profile", self.name()]
    }
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let xtask = manifest.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    xtask.parent().map(Path::to_path_buf).unwrap_or(xtask)
}

/// A cargo of the same toolchain, in the folder of the workspace.
pub fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    forget_outer(&mut command);
    command
}

/// Takes from the command what the outer cargo has told this task: a build script that watches it would run again, and with it
/// everything that stands on its crate.
pub fn forget_outer(command: &mut Command) {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| is_inherited(&name.to_string_lossy())).for_each(|name| {
        command.env_remove(name);
    });
}

fn is_inherited(name: &str) -> bool {
    INHERITED.iter().any(|start| name.starts_with(start))
}

/// Runs `command` to its end with its output visible.
///
/// # Errors
///
/// When it cannot be started or does not end with success: says which command and with what status.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(TaskError::new(format!("{} ended with {status}", shown(command)))) }
}

/// Runs `command` to its end and returns what it wrote to stdout; its stderr stays visible.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        return Err(TaskError::new(format!("{} ended with {}", shown(command), output.status)));
    }
    String::from_utf8(output.stdout).context("read the output of cargo")
}

/// What cargo knows about the workspace. Source: `cargo metadata`.
#[derive(Debug)]
pub struct Metadata {
    /// Where builds go: `target`, or `CARGO_TARGET_DIR`.
    pub target: PathBuf,
    /// Version of the crate `siphon`.
    pub version: String,
}

pub fn metadata() -> Result<Metadata> {
    let text = output(command().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let value: Value = serde_json::from_str(&text).context("read cargo's metadata")?;
    let packages = value["packages"].as_array().into_iter().flatten();
    let siphon = packages.into_iter().find(|package| package["name"] == "siphon");
    let version = siphon.and_then(|package| package["version"].as_str());
    match (value["target_directory"].as_str(), version) {
        (Some(target), Some(version)) => Ok(Metadata { target: target.into(), version: version.into() }),
        _ => Err(TaskError::new("cargo's metadata lacks the target folder or the crate siphon")),
    }
}

fn not_started(command: &Command, error: &std::io::Error) -> TaskError {
    TaskError::new(format!("cannot start {}: {error}", shown(command)))
}

/// Program and arguments, for messages: without the folder of the program.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_tells_its_program_is_not_told_to_a_nested_cargo() {
        let cases = [("CARGO_PKG_NAME", true), ("CARGO_MANIFEST_DIR", true), ("CARGO_BIN_NAME", true)];
        let kept = [("CARGO", false), ("CARGO_HOME", false), ("CARGO_TARGET_DIR", false), ("PATH", false)];
        cases.iter().chain(&kept).for_each(|(name, expected)| assert_eq!(is_inherited(name), *expected, "{name}"));
    }

    /// Cargo has told it to this very test.
    #[test]
    fn a_command_forgets_what_the_outer_cargo_has_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "test -z \"$CARGO_PKG_NAME\""]);
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
        forget_outer(&mut command);
        run(&mut command).expect("it is gone");
    }

    #[test]
    fn a_command_that_fails_is_named_with_its_status() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).expect_err("it fails");
        assert_eq!(error.to_string(), "sh -c exit 3 ended with exit status: 3");
    }

    #[test]
    fn the_metadata_knows_siphons_version() {
        let metadata = metadata().expect("a workspace");
        assert_eq!(metadata.version, env!("CARGO_PKG_VERSION"));
        assert!(metadata.target.is_absolute());
    }
}
