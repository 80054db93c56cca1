//! The recipe of docs/scaling.md: two processes on one queue, of which one is killed.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use siphon_testkit::siphon_bin;

use crate::lab::Lab;
use crate::patience::eventually;
use crate::process::free_port;

/// A configuration of the page, and the script.
#[derive(Debug)]
pub struct Recipe {
    config: String,
    script: String,
}

impl Recipe {
    /// The page's configuration for this plugin.
    ///
    /// # Panics
    ///
    /// When the page has none.
    #[track_caller]
    pub fn of(plugin: &str) -> Self {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scaling.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let block = |fence: &str| {
            let (_, rest) = page.split_once(&format!("```{fence}\n")).unwrap_or_else(|| panic!("no block {fence:?}"));
            rest.split_once("```").expect("the block ends").0.to_owned()
        };
        Self { config: block(&format!("json {plugin}")), script: block("sh recipe") }
    }

    /// What the configuration says, replaced by what there is here.
    ///
    /// # Panics
    ///
    /// When the configuration does not say it.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.config.contains(from), "{from} is not in {}", self.config);
        self.config = self.config.replace(from, to);
        self
    }

    /// Runs the script to its end; the second process goes on.
    ///
    /// # Panics
    ///
    /// When a command of the script fails.
    #[track_caller]
    pub fn run(mut self, topic: &str) -> Survivor {
        for (written, port) in [("\"port\": 8080", free_port()), ("\"port\": 8081", free_port())] {
            let free = format!("\"port\": {port}");
            self.config = self.config.replace(written, &free);
            self.script = self.script.replace(written, &free);
        }
        let lab = Lab::empty();
        lab.write("first.json", &self.config);
        // What the page says after the script, with the test's word in between.
        lab.write("recipe.sh", self.script + "touch done\nread -r _\nkill \"$second\"\nwait \"$second\"\n");
        let folder = siphon_bin().parent().expect("a folder").to_owned();
        let path = std::env::join_paths([folder, "/usr/bin".into(), "/bin".into()]).expect("a path");
        let log = || File::create(lab.path("log")).expect("a file");
        let mut script = Command::new("/bin/sh");
        script.current_dir(lab.folder()).args(["-eu", "recipe.sh"]).env("PATH", path).env("TOPIC", topic);
        script.stdin(Stdio::piped()).stdout(log()).stderr(log());
        let mut script = script.spawn().expect("a shell");
        let stdin = script.stdin.take().expect("a pipe");
        let mut survivor = Survivor { script, stdin: Some(stdin), lab };
        eventually("the script to end", || survivor.is_waiting().then_some(()));
        survivor
    }
}

/// The second process of a recipe. Ended when dropped.
#[derive(Debug)]
pub struct Survivor {
    script: Child,
    stdin: Option<ChildStdin>,
    lab: Lab,
}

impl Survivor {
    fn is_waiting(&mut self) -> bool {
        let status = self.script.try_wait().expect("a status");
        assert!(status.is_none(), "the script failed ({status:?}): {}", self.log());
        self.lab.path("done").exists()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.lab.path("log")).unwrap_or_default()
    }

    /// Ends it in order.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn stop(mut self) {
        self.say_stop();
        let status = self.script.wait().expect("a status");
        assert!(status.success(), "{status}: {}", self.log());
    }

    fn say_stop(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            let _ = stdin.write_all(b"stop\n"); // a script that has ended does not listen
        }
    }
}

impl Drop for Survivor {
    fn drop(&mut self) {
        self.say_stop();
        let _ = self.script.wait();
    }
}
