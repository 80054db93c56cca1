//! How important an event is, and from which level on events are shown.

use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;

/// The words a level may be written with, for messages and help texts.
pub const LEVEL_WORDS: &str = "debug, info, warning, error, critical";

/// A level of the log, the least important first. Words in any letter case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warning,
    Error,
    Critical,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// What `tracing` has to let through: it knows nothing above an error.
    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warning => LevelFilter::WARN,
            Self::Error | Self::Critical => LevelFilter::ERROR,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `DEBUG` `INFO` `WARNING` `ERROR` `CRITICAL`; `WARN` and the reference's `NOTICE` (shown as `INFO`) are accepted too.
impl FromStr for Level {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word.trim().to_ascii_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" | "notice" => Ok(Self::Info),
            "warning" | "warn" => Ok(Self::Warning),
            "error" => Ok(Self::Error),
            "critical" => Ok(Self::Critical),
            _ => Err(UnknownWord(word.to_owned())),
        }
    }
}

/// A word that is no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no log level; write one of {LEVEL_WORDS}")]
pub struct UnknownWord(pub String);

/// A place that names a level which does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {word}")]
pub struct UnknownLevel {
    /// `--log-level`, `SIPHON_LOG` or `telemetry/logging.level`.
    pub origin: &'static str,
    pub word: UnknownWord,
}

/// The level to use: that of the flag, else of the environment (`SIPHON_LOG`), else of the configuration, else `INFO`.
/// An empty word counts as absent.
///
/// # Errors
///
/// [`UnknownLevel`] when the word that decides is none. What is overridden is not looked at.
pub fn choose_level(
    flag: Option<&str>,
    environment: Option<&str>,
    configured: Option<&str>,
) -> Result<Level, UnknownLevel> {
    let places = [("--log-level", flag), ("SIPHON_LOG", environment), ("telemetry/logging.level", configured)];
    for (origin, word) in places {
        if let Some(word) = word.filter(|word| !word.trim().is_empty()) {
            return word.parse().map_err(|word| UnknownLevel { origin, word });
        }
    }
    Ok(Level::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(flag: &str, environment: &str, configured: &str, expected: Result<Level, &str>) {
        let found = choose_level(Some(flag), Some(environment), Some(configured));
        assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn the_flag_wins_over_the_environment_over_the_configuration() {
        check("error", "debug", "info", Ok(Level::Error));
        check("", "debug", "info", Ok(Level::Debug));
        check("", " ", "critical", Ok(Level::Critical));
    }

    #[test]
    fn without_any_word_the_level_is_info() {
        assert_eq!(choose_level(None, None, None), Ok(Level::Info));
        check("", "", "", Ok(Level::Info));
    }

    #[test]
    fn words_are_read_in_any_letter_case() {
        check("WARN", "", "", Ok(Level::Warning));
        check("Warning", "", "", Ok(Level::Warning));
        check("NOTICE", "", "", Ok(Level::Info));
    }

    #[test]
    fn a_wrong_word_says_where_it_stands_and_what_is_allowed() {
        let message = "SIPHON_LOG: \"loud\" is no log level; write one of debug, info, warning, error, critical";
        check("", "loud", "info", Err(message));
    }

    #[test]
    fn a_wrong_word_that_is_overridden_does_not_matter() {
        check("info", "loud", "louder", Ok(Level::Info));
    }
}
