//! A real NATS server: the one that all tests share, or one of a test's own, with its own users, to be ended at will.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use siphon_testkit::artifacts;
use siphon_tests::eventually;
use tempfile::TempDir;

use crate::stream::Client;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("no {name}; run this with: cargo xtask brokers run -- cargo test -p siphon-tests --test e2e_nats")
    })
}

/// The server's program: the task that starts brokers knows it.
fn program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        const NAME: &str = "SIPHON_TEST_NATS_PROGRAM";
        std::env::var(NAME).unwrap_or_else(|_| {
            let task = |action: &str| {
                let mut command = artifacts::cargo();
                command.args(["xtask", "brokers", action, "--only", "nats", "--instance", "ask"]);
                command.stderr(Stdio::inherit()).output().expect("cargo starts").stdout
            };
            let lines = String::from_utf8(task("up")).expect("text");
            task("down");
            let path = lines.lines().find_map(|line| line.strip_prefix(NAME)?.strip_prefix('='));
            path.expect("the task knows the program").to_owned()
        })
    });
    &PROGRAM
}

/// `nats://127.0.0.1:PORT` of the shared server.
///
/// # Panics
///
/// When there is none.
pub fn shared() -> String {
    variable("SIPHON_TEST_NATS")
}

/// The folder of the shared server's certificates.
pub fn certificates() -> PathBuf {
    variable("SIPHON_TEST_NATS_TLS").into()
}

/// A server of the test's own. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// With JetStream, and these further settings.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn with(settings: &str) -> Self {
        Self::of(&format!("jetstream {{ store_dir: data }}\n{settings}"))
    }

    /// With these settings alone.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn of(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let text = format!("listen: \"127.0.0.1:{port}\"\n{settings}\n");
        std::fs::write(folder.path().join("nats.conf"), text).expect("written");
        let mut server = Self { folder, port, child: None };
        server.start();
        server
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Starts it, again at the same address; returns when it listens.
    pub fn start(&mut self) {
        let mut command = Command::new(program());
        command.arg("-c").arg("nats.conf").current_dir(self.folder.path()).stdin(Stdio::null());
        let log = std::fs::File::create(self.folder.path().join("log")).expect("a log");
        command.stderr(log.try_clone().expect("a log")).stdout(log);
        self.child = Some(command.spawn().expect("the server starts"));
        let said = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        eventually("the server to listen", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("our own child"));
            assert!(ended.is_none(), "the server ended: {}", said());
            std::net::TcpStream::connect(format!("127.0.0.1:{}", self.port)).ok()
        });
    }

    /// Waits until JetStream answers, too.
    pub fn wait_for_jetstream(&self) {
        let client = Client::of(&self.url());
        eventually("JetStream", || client.jetstream_answers().then_some(()));
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
