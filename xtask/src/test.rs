//! `test`: everything that shows that siphon works.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::brokers::Started;
use crate::build::{self, Built};
use crate::cargo::{self, Profile};
use crate::error::{Context, Result, TaskError};
use crate::steps::{Outcome, Steps};

/// Executable cases of the pipe that this version has to pass, below the folder of the cases.
const CASES: &[&str] = &[
    "pipeline/basics",
    "pipeline/cache",
    "pipeline/cel",
    "pipeline/combo",
    "pipeline/concurrent",
    "pipeline/config",
    "pipeline/encoding",
    "pipeline/errors",
    "pipeline/filters",
    "pipeline/flatmap",
    "pipeline/graphql",
    "pipeline/headers",
    "pipeline/hosts",
    "pipeline/jsonschema",
    "pipeline/lambda",
    "pipeline/limits",
    "pipeline/lua",
    "pipeline/martian",
    "pipeline/merge",
    "pipeline/namespaces",
    "pipeline/oauth",
    "pipeline/sequential",
    "pipeline/shadow",
    "pipeline/static",
];

/// Cases in those folders that are left out, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "cache-failure-not-fresh",
        "expects an event to be answered from the cache of another one; here the payload belongs to the key",
    ),
    ("cel-long-name", "hands over an object as check_expr and expects that nothing is checked; here it is refused"),
    ("flatmap-agent-level-details", "its description and its expectation contradict each other"),
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

fn run_cases(built: &Built, folder: &Path, runner: &Path) -> Result<()> {
    let mut command = Command::new("python3");
    command.arg(runner).arg("--bin").arg(built.binary()?).arg("--plugins").arg(&built.folder);
    for (name, why) in LEFT_OUT {
        println!("left out: {name}: {why}");
    }
    cargo::run(command.args(cases_in(folder)?))
}

fn cases_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for topic in CASES.iter().map(|case| folder.join(case)) {
        for entry in fs::read_dir(&topic).at("read", &topic)? {
            files.push(entry.at("read", &topic)?.path());
        }
    }
    let name = |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    files.retain(|file| !LEFT_OUT.iter().any(|(left_out, _)| *left_out == name(file)));
    files.sort();
    Ok(files)
}

fn has_python() -> bool {
    let status = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
