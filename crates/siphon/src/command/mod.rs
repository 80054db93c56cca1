//! The subcommands, one file each.

mod check;
mod invoke;
mod plugins;
mod publish;
mod run;
mod version;

use siphon_config::Problem;
use siphon_telemetry::logs::{LogSettings, init};
use siphon_telemetry::{Format, Level, LogTarget, choose_level};

use crate::Exit;
use crate::assembly::{AssembledAgent, Assembly};
use crate::cli::{Cli, Command, Sources};
use crate::exit::Failure;

type Outcome = Result<Exit, Failure>;

pub fn execute(cli: Cli) -> Outcome {
    match cli.command {
        Command::Run(arguments) => run::execute(&arguments),
        Command::Check(arguments) => check::execute(&arguments),
        Command::Invoke(arguments) => invoke::execute(&arguments),
        Command::Publish(arguments) => publish::execute(&arguments),
        Command::Plugins(arguments) => plugins::execute(&arguments),
        Command::Version => version::execute(),
    }
}

/// Assembles what the configuration says and sets up the log. `least` is the level where nothing else is said.
fn assemble(sources: &Sources, least: Option<Level>) -> Result<Assembly, Failure> {
    // Plugins log while they register, before the configuration is known; that goes by flag and environment.
    let assembly = Assembly::load(sources).map_err(Failure::Problems)?;
    set_up_log(sources, &assembly, least)?;
    Ok(assembly)
}

fn set_up_log(sources: &Sources, assembly: &Assembly, least: Option<Level>) -> Result<(), Failure> {
    let configured = assembly.logging();
    let level = log_level(sources, assembly, least)?;
    let settings = LogSettings {
        level,
        format: configured.map_or(Format::Human, |logging| logging.format),
        prefix: configured.map(|logging| logging.prefix.to_owned()).unwrap_or_default(),
        to: if configured.is_some_and(|logging| logging.is_stdout) { LogTarget::Stdout } else { LogTarget::Stderr },
    };
    init(settings).map_err(|error| Failure::configuration(error.to_string()))
}

/// The level that flag, environment and configuration come to.
fn log_level(sources: &Sources, assembly: &Assembly, least: Option<Level>) -> Result<Level, Failure> {
    let environment = std::env::var("SIPHON_LOG").ok();
    let word = assembly.logging().map(|logging| logging.level).or(least).map(Level::as_str);
    let level = choose_level(sources.log_level.as_deref(), environment.as_deref(), word);
    level.map_err(|error| Failure::usage(error.to_string()))
}

/// The runtime of the program's own thread.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)
}

/// The system refuses a thread, a socket or the like.
fn cannot_start(error: std::io::Error) -> Failure {
    Failure::configuration(format!("cannot start: {error}"))
}

/// Warnings and notices, for commands whose standard output is for something else.
fn show(problems: &[Problem]) {
    problems.iter().for_each(|problem| eprintln!("{problem}"));
}

/// The agent of that name; the first, should several have it.
fn agent<'a>(assembly: &'a Assembly, name: &str) -> Result<&'a AssembledAgent, Failure> {
    assembly.agents.iter().find(|agent| &*agent.spec.label.agent == name).ok_or_else(|| {
        let names: Vec<_> = assembly.agents.iter().map(|agent| &*agent.spec.label.agent).collect();
        Failure::usage(format!("there is no agent {name:?}; the configuration has: {}", names.join(", ")))
    })
}
