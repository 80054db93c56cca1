//! What the author of a driver says about it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

type Fresh = Box<dyn Fn(&str) -> Queue>;
type Fill = Box<dyn Fn(&Queue, &[Vec<u8>])>;

/// A driver, and where it is tried.
pub struct Bench {
    pub(super) library: PathBuf,
    pub(super) namespace: String,
    pub(super) fresh: Fresh,
    pub(super) fill: Option<Fill>,
    pub(super) restart: Option<Box<dyn Fn()>>,
    pub(super) has_headers: bool,
    pub(super) is_shared: bool,
}

/// One queue of the broker, used by one behaviour.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The driver's object in `extra_config`, as JSON.
    pub config: String,
    /// What the agent listens to, and what events are published under. Default: `conformance`.
    pub topic: String,
    /// The same object for the queue where rejected events go; `None`: nobody looks there.
    pub dead_letters: Option<String>,
}

impl Queue {
    pub fn new(config: impl Into<String>) -> Self {
        Self { config: config.into(), topic: "conformance".into(), dead_letters: None }
    }

    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = topic.into();
        self
    }

    #[must_use]
    pub fn dead_letters(mut self, config: impl Into<String>) -> Self {
        self.dead_letters = Some(config.into());
        self
    }
}

impl Bench {
    /// The driver that answers to `namespace` in `library`. `fresh` describes an empty queue that nobody else uses; it is
    /// given a name of small letters, digits and `-` that no other queue has.
    pub fn new(
        library: impl Into<PathBuf>,
        namespace: impl Into<String>,
        fresh: impl Fn(&str) -> Queue + 'static,
    ) -> Self {
        let (library, namespace) = (library.into(), namespace.into());
        let fresh: Fresh = Box::new(fresh);
        Self { library, namespace, fresh, fill: None, restart: None, has_headers: true, is_shared: true }
    }

    /// How events get into a queue. Needed by a driver without a sink; returns when the broker has them.
    #[must_use]
    pub fn filled_by(mut self, fill: impl Fn(&Queue, &[Vec<u8>]) + 'static) -> Self {
        self.fill = Some(Box::new(fill));
        self
    }

    /// Ends the broker without warning and starts it again, with its data; returns when it serves.
    #[must_use]
    pub fn restarted_by(mut self, restart: impl Fn() + 'static) -> Self {
        self.restart = Some(Box::new(restart));
        self
    }

    /// The broker's events have no headers.
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        self.has_headers = false;
        self
    }

    /// A queue has one consumer at a time.
    #[must_use]
    pub fn with_one_consumer(mut self) -> Self {
        self.is_shared = false;
        self
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bench({} in {})", self.namespace, self.library.display())
    }
}

/// Builds the package in `folder` (`env!("CARGO_MANIFEST_DIR")`) and returns its library. `cargo test` alone leaves no
/// library behind.
///
/// # Panics
///
/// When it does not build, or is no `cdylib`.
pub fn built(folder: impl AsRef<Path>) -> PathBuf {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&folder).args(["build", "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().expect("cargo can be started");
    assert!(output.status.success(), "cargo build ended with {}", output.status);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let manifest = folder.as_ref().join("Cargo.toml");
    let own = messages.filter(|message| {
        message["reason"] == "compiler-artifact" && message["manifest_path"].as_str().map(Path::new) == Some(&manifest)
    });
    let files = own.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let mut files = files.filter_map(|file| file.as_str().map(PathBuf::from));
    let library = files.find(|file| file.to_string_lossy().ends_with(std::env::consts::DLL_SUFFIX));
    library.expect("the package is a library with crate-type = [\"cdylib\"]")
}
