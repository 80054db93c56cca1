//! `bench`: hands over to the benchmarks of the crate `siphon-tests`.

use std::process::ExitCode;

use crate::build;
use crate::cargo::{self, Profile};
use crate::error::Result;

/// Build siphon as it is shipped and measure it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask bench -- border\n         cargo xtask bench -- --help")]
pub struct Arguments {
    /// What to measure, and how: given to the benchmark program
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let profile = Profile::named("dist");
    let built = build::everything(&profile)?;
    let mut command = cargo::command();
    command.args(["run", "--quiet"]).args(profile.arguments());
    command.args(["--package", "siphon-tests", "--bin", "bench", "--"]).args(&arguments.arguments);
    command.env("SIPHON_TEST_PLUGINS", &built.folder).env("SIPHON_TEST_BIN", built.binary()?);
    cargo::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
