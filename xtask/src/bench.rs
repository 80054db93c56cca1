//! `bench`: hands over to the benchmarks of the crate `siphon-tests`.

use std::process::ExitCode;

use crate::brokers::Started;
use crate::build;
use crate::cargo::{self, Profile};
use crate::error::Result;

/// Build siphon as it is shipped and measure it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples: cargo xtask bench -- amqp\n          cargo xtask bench -- amqp --rounds 1 --events 4000\n          cargo xtask bench -- --help"
)]
pub struct Arguments {
    /// What to measure, and how: given to the benchmark program
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Benches that need a broker, and which.
const BROKERS: [(&str, &str); 3] = [("amqp", "rabbitmq"), ("kafka", "kafka"), ("nats", "nats")];

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let profile = Profile::named("dist");
    let built = build::everything(&profile)?;
    let mut bench = cargo::command();
    bench.args(["build", "--package", "siphon-tests", "--bin", "bench"]).args(profile.arguments());
    cargo::run(&mut bench)?;
    // Started when everything is built, so that it does not idle for minutes.
    let brokers = BROKERS.iter().filter(|(bench, _)| arguments.arguments.first().is_some_and(|first| first == bench));
    let brokers = brokers.map(|(_, broker)| Started::named(broker)).collect::<Result<Vec<_>>>()?;
    let mut command = cargo::command();
    command.args(["run", "--quiet"]).args(profile.arguments());
    command.args(["--package", "siphon-tests", "--bin", "bench", "--"]).args(&arguments.arguments);
    command.env("SIPHON_TEST_PLUGINS", &built.folder).env("SIPHON_TEST_BIN", built.binary()?);
    command.envs(brokers.iter().flat_map(|started| started.variables.iter().map(|(name, value)| (name, value))));
    cargo::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
