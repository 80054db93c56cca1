//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs async agents: takes events from a message broker and pushes each through a pipe of backends.
#[derive(Debug, Parser)]
#[command(name = "siphon", version, arg_required_else_help = true, propagate_version = false)]
#[command(after_help = "Exit status: 0 fine, 1 configuration, 2 usage, 3 an event was nacked (invoke), \
4 every agent failed (run) or the broker took no event (publish).")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agents and the admin service until SIGINT or SIGTERM
    #[command(after_help = "Example: siphon run -c config/siphon.json\n\n\
The first signal drains: agents stop asking, what is in the pipe finishes. A second one ends at once.")]
    Run(Run),
    /// Load everything, contact nobody, and say what each agent would do
    #[command(after_help = "Example: siphon check -c config/siphon.json")]
    Check(Check),
    /// Push payloads through an agent's pipe, without a broker
    #[command(after_help = "Example: siphon invoke -c config/siphon.json --agent orders --payload order.json\n\n\
Exit status 3 when an event would be given back to its broker.")]
    Invoke(Invoke),
    /// Send events to an agent's own queue, through its driver
    #[command(after_help = "Example: siphon publish -c config/siphon.json --agent orders '{\"id\": 7}'\n         \
cat events.ndjson | siphon publish -c config/siphon.json --agent orders -")]
    Publish(Publish),
    /// Show what each plugin library registers, or why it was refused
    #[command(after_help = "Example: siphon plugins --plugins target/debug/plugins\n         \
siphon plugins inspect target/debug/plugins/libsiphon_sqlite.so")]
    Plugins(Plugins),
    /// Print the version
    #[command(after_help = "Example: siphon version")]
    Version,
}

/// Where the configuration and the plugins are.
#[derive(Debug, Clone, Args)]
pub struct Sources {
    /// The configuration: .json, .yaml, .yml or .toml
    #[arg(short, long, value_name = "FILE", env = "SIPHON_CONFIG")]
    pub config: PathBuf,
    /// The plugin folder [default: plugin.folder of the configuration, else `plugins` beside the program]
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
    /// debug, info, warning, error or critical [default: SIPHON_LOG, else telemetry/logging, else info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub sources: Sources,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub sources: Sources,
}

#[derive(Debug, Args)]
pub struct Invoke {
    #[command(flatten)]
    pub sources: Sources,
    /// The agent's name
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// A file with one payload; `-` is standard input. Several are run in order
    #[arg(long = "payload", value_name = "FILE", required = true, num_args = 1..)]
    pub payloads: Vec<PathBuf>,
    /// A message header
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub metadata: Vec<(String, String)>,
    /// What a driver would know of the message, such as message_id=7, for {message_id}
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    pub attributes: Vec<(String, String)>,
    /// The message's topic, for {topic}
    #[arg(long, default_value = "", hide_default_value = true)]
    pub topic: String,
    /// The message's key, for {key}
    #[arg(long, default_value = "", hide_default_value = true)]
    pub key: String,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Args)]
pub struct Publish {
    #[command(flatten)]
    pub sources: Sources,
    /// The agent's name
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// The topic [default: the agent's, where that is one and no pattern]
    #[arg(long)]
    pub topic: Option<String>,
    /// The key of every message
    #[arg(long, default_value = "", hide_default_value = true)]
    pub key: String,
    /// A header of every message
    #[arg(long = "header", value_name = "KEY=VALUE", value_parser = pair)]
    pub headers: Vec<(String, String)>,
    /// What the driver can set besides, such as message_id=7; its page lists them
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    pub attributes: Vec<(String, String)>,
    /// The payloads; `-` reads one from each line of standard input
    #[arg(value_name = "PAYLOAD", required = true)]
    pub payloads: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Plugins {
    #[command(subcommand)]
    pub action: Option<PluginsAction>,
    /// The configuration whose plugin.folder is meant
    #[arg(short, long, value_name = "FILE", env = "SIPHON_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// The plugin folder
    #[arg(long, value_name = "DIR", global = true)]
    pub plugins: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum PluginsAction {
    /// One line for each library of the folder and each of its components
    List,
    /// All about one library: versions, capabilities, and every key of its configuration
    Inspect {
        /// As JSON, with the schemas
        #[arg(long)]
        json: bool,
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} has no `=`: write KEY=VALUE"))?;
    if key.is_empty() { Err("the key before `=` is empty".into()) } else { Ok((key.to_owned(), value.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example: siphon"), "{}", command.get_name());
        }
    }
}
