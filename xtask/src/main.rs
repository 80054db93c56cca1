//! The project's own tasks: `cargo xtask TASK`. One file per task.

#![forbid(unsafe_code)]

mod artifacts;
mod bench;
mod brokers;
mod build;
mod cargo;
mod conformance;
mod dist;
mod docs;
mod error;
mod install;
mod new_plugin;
mod run;
mod sample;
mod soak;
mod steps;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Build(build::Arguments),
    Run(run::Arguments),
    Test(test::Arguments),
    Bench(bench::Arguments),
    Brokers(brokers::Arguments),
    Conformance(conformance::Arguments),
    NewPlugin(new_plugin::Arguments),
    Soak(soak::Arguments),
    Tidy(tidy::Arguments),
    Dist(dist::Arguments),
    Docs(docs::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Build(arguments) => build::task(&arguments),
        Task::Run(arguments) => run::task(arguments),
        Task::Test(arguments) => test::task(&arguments),
        Task::Bench(arguments) => bench::task(&arguments),
        Task::Brokers(arguments) => brokers::task(&arguments),
        Task::Conformance(arguments) => conformance::task(&arguments),
        Task::NewPlugin(arguments) => new_plugin::task(&arguments),
        Task::Soak(arguments) => soak::task(&arguments),
        Task::Tidy(arguments) => tidy::task(&arguments),
        Task::Dist(arguments) => dist::task(&arguments),
        Task::Docs(arguments) => docs::task(&arguments),
    };
    match result {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_every_task_shows_an_example() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for task in command.get_subcommands() {
            let example = task.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains("cargo xtask"), "{}", task.get_name());
        }
    }
}
