//! How the program ends.

use std::fmt;
use std::process::ExitCode;

use siphon_config::Problem;

/// Exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Fine,
    /// The configuration, the plugins or the address cannot work.
    Configuration,
    Usage,
    /// `invoke`: an event would be given back.
    Nacked,
    /// `run`: every agent failed. `publish`: the broker did not take the events.
    Failed,
}

impl Exit {
    /// The process' exit status.
    pub fn status(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Configuration => 1,
            Self::Usage => 2,
            Self::Nacked => 3,
            Self::Failed => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

/// Why a command could not do its work. Prints as what the user should read.
#[derive(Debug)]
pub enum Failure {
    /// All that is wrong with a configuration, warnings included.
    Problems(Vec<Problem>),
    /// Anything else, in one sentence.
    Other(Exit, String),
}

impl Failure {
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Other(Exit::Usage, message.into())
    }

    pub fn configuration(message: impl Into<String>) -> Self {
        Self::Other(Exit::Configuration, message.into())
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Problems(_) => Exit::Configuration,
            Self::Other(exit, _) => *exit,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problems(problems) => {
                problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
                let errors = problems.iter().filter(|problem| problem.is_error()).count();
                write!(f, "{errors} error{} in the configuration", if errors == 1 { "" } else { "s" })
            }
            Self::Other(_, message) => write!(f, "error: {message}"),
        }
    }
}
