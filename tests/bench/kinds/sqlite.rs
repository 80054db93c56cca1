//! The embedded queue. The naive loop has a table of its own: the least that such a queue needs.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Consumer, Kind, Result, nothing_left};
use crate::loads::Load;
use crate::naive;
use crate::siphon;

/// The folder of the queue file.
pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    pub fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    /// All queues of siphon are in one file, as those of its agents are; each table of the naive loop has its own.
    fn file(&self, consumer: Consumer, queue: &str) -> PathBuf {
        match consumer {
            Consumer::Naive => self.folder.path().join(format!("{queue}.db")),
            Consumer::Siphon => self.folder.path().join("events.db"),
        }
    }

    fn publish(&self, queue: &str, events: usize, body: &str) -> Result<()> {
        let agent = siphon::agent(queue, &self.topic(queue), 1, self.driver(queue, 1), self.nowhere());
        let folder = siphon::folder(vec![agent])?;
        let mut command = siphon::command(folder.path(), "publish");
        command.args(["--agent", queue, "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().ok_or("no standard input")?;
        let line = format!("{body}\n");
        for _ in 0..events {
            stdin.write_all(line.as_bytes())?;
        }
        drop(stdin);
        if child.wait()?.success() { Ok(()) } else { Err("siphon publish failed".into()) }
    }

    /// Publishing calls no backend.
    fn nowhere(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }
}

impl Kind for Sqlite {
    const TITLE: &'static str = "embedded queue";

    fn fill(&self, consumer: Consumer, queue: &str, events: usize, body: &str) -> Result<()> {
        match consumer {
            Consumer::Naive => naive::sqlite::fill(&self.file(consumer, queue), events, body),
            Consumer::Siphon => self.publish(queue, events, body),
        }
    }

    fn driver(&self, queue: &str, _: u16) -> Value {
        json!({"async/sqlite": {"path": self.file(Consumer::Siphon, queue), "queue": queue}})
    }

    fn naive(&self, queue: &str, load: &Load, backend: SocketAddr) -> Vec<String> {
        let file = self.file(Consumer::Naive, queue).display().to_string();
        vec!["sqlite".into(), file, load.workers.to_string(), backend.to_string()]
    }

    fn finish(&self, consumer: Consumer, queue: &str) -> Result<()> {
        let file = self.file(consumer, queue);
        if consumer == Consumer::Siphon && file.is_file() {
            nothing_left(consumer, queue, usize::try_from(siphon_tests::rows(&file))?)?;
        }
        for suffix in ["", "-wal", "-shm"] {
            let mut name = file.clone().into_os_string();
            name.push(suffix);
            match std::fs::remove_file(name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn broker(&self) -> Option<u32> {
        None
    }
}
