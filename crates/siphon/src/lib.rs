//! siphon, the program: one file per subcommand, and [`assembly`], which alone joins configuration, pipe, plugins and core.

#![forbid(unsafe_code)]

pub mod assembly;
mod cli;
mod command;
mod exit;
pub mod fields;
mod out;

use std::process::ExitCode;

use clap::Parser as _;

pub use exit::Exit;

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let exit = command::execute(cli).unwrap_or_else(|failure| {
        eprintln!("{failure}");
        failure.exit()
    });
    exit.into()
}
