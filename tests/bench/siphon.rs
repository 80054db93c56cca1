//! Siphon as a process.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use siphon_testkit::{plugins_dir, siphon_bin};
use tempfile::TempDir;

use crate::kinds::Result;
use crate::process::Running;

/// An agent that POSTs its events of `topic` to `http://BACKEND/in`.
pub fn agent(name: &str, topic: &str, workers: usize, driver: Value, backend: SocketAddr) -> Value {
    json!({
        "name": name,
        "consumer": {"topic": topic, "workers": workers, "timeout": "10s"},
        "backend": [{"host": [format!("http://{backend}")], "url_pattern": "/in", "method": "POST"}],
        "extra_config": driver,
    })
}

/// A folder with a configuration of these agents.
pub fn folder(agents: Vec<Value>) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let configuration = json!({"version": 3, "listen_ip": "127.0.0.1", "port": port, "async_agent": agents});
    std::fs::write(folder.path().join("siphon.json"), configuration.to_string())?;
    Ok(folder)
}

/// `siphon SUBCOMMAND` on the folder's configuration.
pub fn command(folder: &Path, subcommand: &str) -> Command {
    let mut command = Command::new(siphon_bin());
    command
        .current_dir(folder)
        .args([subcommand, "-c", "siphon.json", "--log-level", "error", "--plugins"])
        .arg(plugins_dir());
    command
}

/// `siphon run`.
pub fn start(folder: &Path) -> Result<Running> {
    Ok(Running(command(folder, "run").stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
}
