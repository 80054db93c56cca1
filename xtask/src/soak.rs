//! `soak`: the load tests with far more events than the usual run has.

use std::process::ExitCode;

use crate::brokers::Started;
use crate::build;
use crate::cargo::{self, Profile};
use crate::error::Result;

/// Test binaries that have tests under `load`, which ask `SIPHON_SOAK_EVENTS` how many events they take.
const SOAKED: [&str; 3] = ["e2e_amqp", "e2e_kafka", "e2e_nats"];

/// Run the load tests with many events, on real brokers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask soak --release --events 1000000")]
pub struct Arguments {
    #[command(flatten)]
    profile: Profile,
    /// Events of each load test
    #[arg(long, default_value_t = 100_000)]
    events: usize,
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let built = build::everything(&arguments.profile)?;
    let brokers = Started::usual()?;
    let mut command = cargo::command();
    command.envs(brokers.variables.iter().map(|(name, value)| (name, value)));
    command.args(["test", "--workspace"]).args(arguments.profile.arguments());
    command.args(SOAKED.iter().flat_map(|binary| ["--test", *binary])).args(["load::", "--", "--nocapture"]);
    command.env("SIPHON_TEST_PLUGINS", &built.folder).env("SIPHON_TEST_BIN", built.binary()?);
    cargo::run(command.env("SIPHON_SOAK_EVENTS", arguments.events.to_string()))?;
    Ok(ExitCode::SUCCESS)
}
