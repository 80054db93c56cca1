//! A broker's process, known by its pid file and by its command line: a pid alone may be somebody else's by now.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Context, Result, TaskError};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The process that `pid_file` names, if its command line holds `mark`.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid_file: PathBuf,
    pub mark: String,
}

impl Process {
    /// Its id, while it is alive.
    pub fn id(&self) -> Option<u32> {
        let id: u32 = fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()?;
        let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let line: Vec<u8> = line.into_iter().map(|byte| if byte == 0 { b' ' } else { byte }).collect();
        String::from_utf8_lossy(&line).contains(&self.mark).then_some(id)
    }

    /// Sends `signal` and waits until the process is gone.
    ///
    /// # Errors
    ///
    /// It is still there after `patience`.
    pub fn end(&self, signal: &str, patience: Duration) -> Result<()> {
        let Some(id) = self.id() else { return Ok(()) };
        let mut kill = Command::new("kill");
        kill.args([format!("-{signal}"), id.to_string()]).stderr(Stdio::null()).status().context("signal a process")?;
        wait_until(patience, || self.id().is_none())
            .ok_or_else(|| TaskError::new(format!("process {id} did not end within {patience:?} after SIG{signal}")))
    }
}

/// Waits until `condition` holds; `None` when it does not within `patience`.
pub fn wait_until(patience: Duration, condition: impl Fn() -> bool) -> Option<()> {
    let until = Instant::now() + patience;
    while !condition() {
        if Instant::now() > until {
            return None;
        }
        sleep(LOOK_EVERY);
    }
    Some(())
}

/// The end of a log, for messages.
pub fn tail(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marked_process_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let pid_file = folder.path().join("pid");
        let mut child = Command::new("sleep").arg("600").spawn().expect("a process");
        fs::write(&pid_file, child.id().to_string()).expect("written");
        let process = |mark: &str| Process { pid_file: pid_file.clone(), mark: mark.into() };
        // For a moment after its start a process has no command line yet.
        wait_until(Duration::from_secs(10), || process("sleep 600").id().is_some()).expect("a command line");
        process("somebody else").end("KILL", Duration::from_secs(1)).expect("nothing to do");
        assert_eq!(process("sleep 600").id(), Some(child.id()));
        process("sleep 600").end("KILL", Duration::from_secs(10)).expect("ended");
        assert!(!child.wait().expect("ended").success());
    }
}
