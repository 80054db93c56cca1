//! `test`: everything that shows that siphon works.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::brokers::Started;
use crate::build::{self, Built};
use crate::cargo::{self, Profile};
use crate::error::{Result, TaskError};
use crate::steps::{Outcome, Steps};

/// Executable cases of the pipe that this version has to pass, below the folder of the cases.
const CASES: &[&str] = &[
    "pipeline/basics",
    "pipeline/concurrent",
    "pipeline/config",
    "pipeline/encoding",
    "pipeline/filters",
    "pipeline/hosts",
    "pipeline/shadow",
];

/// Build once, start the brokers, run the tests of all crates, the loom model and the executable cases
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask test --release")]
pub struct Arguments {
    #[command(flatten)]
    profile: Profile,
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let profile = &arguments.profile;
    let mut steps = Steps::of("test");
    let mut built = Err(TaskError::new("not built"));
    steps.run("build", || {
        built = build::everything(profile);
        Outcome::from(built.as_ref().map(drop).map_err(|error| TaskError::new(error.to_string())))
    });
    steps.run("workspace", || with(&built, |built| workspace(profile, built).into()));
    steps.run("loom", loom);
    steps.run("cases", || with(&built, cases));
    Ok(steps.finish())
}

fn with(built: &Result<Built>, step: impl FnOnce(&Built) -> Outcome) -> Outcome {
    match built {
        Ok(built) => step(built),
        Err(_) => Outcome::Skipped("the build failed".into()),
    }
}

/// The environment tells tests where the plugins and the program are, so that none builds them again, and where the
/// brokers are.
fn workspace(profile: &Profile, built: &Built) -> Result<()> {
    let brokers = Started::usual()?;
    let mut command = cargo::command();
    command.envs(brokers.variables.iter().map(|(name, value)| (name, value)));
    command.args(["test", "--workspace", "--no-fail-fast"]).args(profile.arguments());
    command.env("SIPHON_TEST_PLUGINS", &built.folder).env("SIPHON_TEST_BIN", built.binary()?);
    cargo::run(&mut command)
}

/// The model has a target folder of its own: its flags would make every other build start over.
fn loom() -> Result<()> {
    let target = cargo::metadata()?.target.join("loom");
    let flags = format!("{} --cfg siphon_loom", std::env::var("RUSTFLAGS").unwrap_or_default());
    let mut command = cargo::command();
    command.args(["test", "--release", "--package", "siphon-ring"]);
    cargo::run(command.env("RUSTFLAGS", flags.trim()).env("CARGO_TARGET_DIR", target))
}

/// The cases live beside the checkout, not in it.
fn cases(built: &Built) -> Outcome {
    let folder = cargo::root().join("../shared/cases");
    let runner = folder.join("run.py");
    if !runner.is_file() {
        return Outcome::Skipped("../shared/cases is not there".into());
    }
    if !has_python() {
        return Outcome::Skipped("python3 is not there".into());
    }
    run_cases(built, &folder, &runner).into()
}

fn run_cases(built: &Built, folder: &std::path::Path, runner: &PathBuf) -> Result<()> {
    let mut command = Command::new("python3");
    command.arg(runner).arg("--bin").arg(built.binary()?).arg("--plugins").arg(&built.folder);
    cargo::run(command.args(CASES.iter().map(|case| folder.join(case))))
}

fn has_python() -> bool {
    let status = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
