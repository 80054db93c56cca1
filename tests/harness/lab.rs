//! A test's own folder, and the program's commands run in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use siphon_testkit::{plugin_file, siphon_bin};
use tempfile::TempDir;

use crate::process::{Launch, Siphon};
use crate::queue::rows;

/// The lab's plugin folder.
const PLUGINS: &str = "plugins";

/// A folder with `siphon.json` in it. Everything is removed with it.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What a command said when it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit status; -1 after a signal.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Lab {
    /// A folder with this configuration.
    pub fn new(config: &Value) -> Self {
        let lab = Self::empty();
        lab.write("siphon.json", config.to_string());
        lab
    }

    /// A folder without a configuration. `plugins` in it holds the library of the SQLite driver and no other.
    ///
    /// # Panics
    ///
    /// When the system gives no folder.
    pub fn empty() -> Self {
        let lab = Self { folder: tempfile::tempdir().expect("a folder for the test"), environment: Vec::new() };
        std::fs::create_dir(lab.path(PLUGINS)).expect("the folder can be written");
        lab.with_plugin("sqlite")
    }

    /// The same with the library of another driver, too.
    ///
    /// # Panics
    ///
    /// When the folder cannot be written.
    #[must_use]
    pub fn with_plugin(self, name: &str) -> Self {
        let library = plugin_file(name);
        let link = self.path(PLUGINS).join(library.file_name().expect("a file's name"));
        std::os::unix::fs::symlink(library, link).expect("the folder can be written");
        self
    }

    /// All commands of this lab get this variable.
    #[must_use]
    pub fn with_environment(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Puts a file into the folder.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    #[track_caller]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the folder can be written");
        path
    }

    /// Events in `events.db`.
    #[track_caller]
    pub fn rows(&self) -> i64 {
        rows(&self.path("events.db"))
    }

    /// Runs the program in the folder, to its end.
    #[track_caller]
    pub fn siphon(&self, arguments: &[&str]) -> Ran {
        self.siphon_reading(arguments, b"")
    }

    /// The same with something on its standard input.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    #[track_caller]
    pub fn siphon_reading(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        run(self.command().args(arguments), stdin)
    }

    /// The program in this folder, deaf to the environment of whoever runs the tests.
    pub fn command(&self) -> Command {
        let mut command = bare_command(&siphon_bin());
        command.current_dir(self.folder());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Publishes events to the queue of an agent of `siphon.json`.
    ///
    /// # Panics
    ///
    /// When one is not taken.
    #[track_caller]
    pub fn publish<P: AsRef<[u8]>>(&self, agent: &str, payloads: impl IntoIterator<Item = P>) {
        let lines: Vec<u8> = payloads.into_iter().flat_map(|payload| [payload.as_ref(), b"\n"].concat()).collect();
        let ran = self.siphon_reading(&self.arguments("publish", &["--agent", agent, "-"]), &lines);
        assert_eq!(ran.status, 0, "{ran:?}");
    }

    /// `command` with `siphon.json` and the lab's plugins, then `more`.
    pub fn arguments<'a>(&self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&[command, "-c", "siphon.json", "--plugins", PLUGINS], more].concat()
    }

    /// Runs `siphon.json`; returns when the program serves.
    #[track_caller]
    pub fn start(&self) -> Siphon {
        Launch::new(self).start()
    }
}

/// `program` without what the environment could tell siphon.
fn bare_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    let is_ours = |name: &str| name.starts_with("SIPHON_") || name.starts_with("KRAKEND_") || name == "NO_COLOR";
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| is_ours(name)).for_each(|name| {
        command.env_remove(name);
    });
    command
}

#[track_caller]
fn run(command: &mut Command, stdin: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        // A program that reads nothing closes the pipe: not our concern.
        scope.spawn(move || drop(pipe.write_all(stdin)));
        child.wait_with_output().expect("the program ends")
    });
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes text");
    let status = output.status.code().unwrap_or(-1);
    Ran { status, stdout: text(output.stdout), stderr: text(output.stderr) }
}
