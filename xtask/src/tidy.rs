//! `tidy`: formatting, lints, licences, unused dependencies.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::cargo;
use crate::error::Result;
use crate::steps::{Outcome, Steps};
use crate::tools::{self, CARGO_DENY, CARGO_SHEAR, Tool};

/// Check formatting, lints, licences and unused dependencies
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask tidy --fix")]
pub struct Arguments {
    /// Change what can be changed by itself: formatting, simple lints, unused dependencies
    #[arg(long)]
    fix: bool,
    /// Look for known vulnerabilities, too (fetches their database)
    #[arg(long)]
    advisories: bool,
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let target = cargo::metadata()?.target;
    let mut steps = Steps::of("tidy");
    steps.run("fmt", || format(arguments.fix));
    steps.run("clippy", || clippy(arguments.fix));
    steps.run("cargo-deny", || with_tool(&CARGO_DENY, &target, |tool| deny(tool, arguments.advisories)));
    steps.run("cargo-shear", || with_tool(&CARGO_SHEAR, &target, |tool| shear(tool, arguments.fix)));
    Ok(steps.finish())
}

fn format(fix: bool) -> Result<()> {
    cargo::run(cargo::command().args(["fmt", "--all"]).args((!fix).then_some("--check")))
}

fn clippy(fix: bool) -> Result<()> {
    let fixing = ["--fix", "--allow-dirty", "--allow-staged"].into_iter().filter(|_| fix);
    let mut command = cargo::command();
    command.arg("clippy").args(fixing).args(["--workspace", "--all-targets", "--", "-D", "warnings"]);
    cargo::run(&mut command)
}

/// Without `--advisories` the check itself fetches nothing: the same tree gives the same answer. It looks at every crate of
/// the lock file, those for other systems, too, which a build has not fetched.
fn deny(tool: &Path, advisories: bool) -> Result<()> {
    cargo::run(cargo::command().args(["fetch", "--locked"]))?;
    let mut command = Command::new(tool);
    command.current_dir(cargo::root()).args((!advisories).then_some("--offline"));
    command.args(["check", "bans", "licenses", "sources"]).args(advisories.then_some("advisories"));
    cargo::run(&mut command)
}

fn shear(tool: &Path, fix: bool) -> Result<()> {
    let mut command = Command::new(tool);
    cargo::run(command.current_dir(cargo::root()).arg("--deny-warnings").args(fix.then_some("--fix")))
}

/// A tool that cannot be had is skipped loudly by hand, and a failure where nobody watches (`CI=true`).
fn with_tool(tool: &Tool, target: &Path, step: impl FnOnce(&Path) -> Result<()>) -> Outcome {
    match tools::find(tool, target) {
        Some(path) => step(&path).into(),
        None if is_ci() => Outcome::Failed(missing(tool)),
        None => Outcome::Skipped(missing(tool)),
    }
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

fn missing(tool: &Tool) -> String {
    let Tool { name, version, .. } = tool;
    format!("{name} {version} is not there; run: cargo install --locked {name}@{version}")
}
