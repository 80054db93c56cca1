//! `conformance`: what every driver must do, on its real broker. Each driver's suite starts a broker of its own: it is killed.

use std::process::ExitCode;

use crate::build;
use crate::cargo::{self, Profile};
use crate::error::Result;

/// Run the conformance suite of drivers on their real brokers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask conformance sqlite")]
pub struct Arguments {
    #[command(flatten)]
    profile: Profile,
    /// The driver, by the name of its folder below plugins; all of them without it
    driver: Option<String>,
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let built = build::everything(&arguments.profile)?;
    let mut command = cargo::command();
    command.args(["test", "--package", "siphon-tests", "--test", "drivers"]).args(arguments.profile.arguments());
    command.args(["--", "--nocapture"]);
    command.args(arguments.driver.iter().map(|driver| format!("{driver}::")));
    command.env("SIPHON_TEST_PLUGINS", &built.folder).env("SIPHON_TEST_BIN", built.binary()?);
    cargo::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
