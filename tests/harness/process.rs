//! The running program: started, watched, told to stop.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use siphon_testkit::Watched;

use crate::lab::Lab;
use crate::patience::eventually;
use crate::web::{self, Answer};

/// Another process may take a port between our look and siphon's; then the next is tried.
const PORTS_TO_TRY: usize = 5;

/// How the program is started.
#[derive(Debug)]
pub struct Launch<'a> {
    lab: &'a Lab,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    user: Option<u32>,
    health_path: &'static str,
}

impl<'a> Launch<'a> {
    /// `siphon run` on the lab's `siphon.json`.
    pub fn new(lab: &'a Lab) -> Self {
        let arguments = lab.arguments("run", &[]).into_iter().map(str::to_owned).collect();
        Self { lab, arguments, environment: Vec::new(), user: None, health_path: "/__health" }
    }

    /// Another configuration of the lab's folder.
    #[must_use]
    pub fn config(mut self, file: &str) -> Self {
        file.clone_into(&mut self.arguments[2]);
        self
    }

    #[must_use]
    pub fn arguments(mut self, more: &[&str]) -> Self {
        self.arguments.extend(more.iter().map(|one| (*one).to_owned()));
        self
    }

    #[must_use]
    pub fn environment(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Runs the program as this user.
    #[must_use]
    pub fn user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// Where the program answers when it is up; any answer will do.
    #[must_use]
    pub fn health_path(mut self, path: &'static str) -> Self {
        self.health_path = path;
        self
    }

    /// Starts the program and waits until it serves, or has ended because it cannot.
    ///
    /// # Panics
    ///
    /// When no port is free.
    #[track_caller]
    pub fn start(self) -> Siphon {
        self.start_with(|_| ())
    }

    /// The same, for a configuration that has the program's own port in it: `prepare` is told which.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[track_caller]
    pub fn start_with(self, prepare: impl Fn(u16)) -> Siphon {
        for _ in 0..PORTS_TO_TRY {
            let port = free_port();
            prepare(port);
            let mut siphon = self.spawn(port);
            siphon.wait_for_service(self.health_path);
            if !siphon.log().iter().any(|line| line.contains("it is taken")) {
                return siphon;
            }
        }
        panic!("no port was free for siphon");
    }

    /// Starts the program on `port`; it may end at once.
    ///
    /// # Panics
    ///
    /// When the system gives no process.
    #[track_caller]
    pub fn spawn(&self, port: u16) -> Siphon {
        let mut command = self.lab.command();
        command.args(&self.arguments).env("KRAKEND_LISTEN_IP", "127.0.0.1").env("KRAKEND_PORT", port.to_string());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            std::os::unix::process::CommandExt::uid(&mut command, user);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("siphon starts");
        let lines = Arc::new(Watched::default());
        collect(child.stdout.take().expect("a pipe"), &lines, |lines, line| lines.stdout.push(line));
        collect(child.stderr.take().expect("a pipe"), &lines, |lines, line| lines.stderr.push(line));
        Siphon { child, lines, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
    }
}

/// A port of loopback that nobody has now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// What the program wrote so far.
#[derive(Debug, Default)]
struct Lines {
    stdout: Vec<String>,
    stderr: Vec<String>,
    /// Pipes that have ended.
    ended: usize,
}

fn collect(from: impl Read + Send + 'static, lines: &Arc<Watched<Lines>>, push: fn(&mut Lines, String)) {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            lines.change(|lines| push(lines, String::from_utf8_lossy(&line).into_owned()));
        }
        lines.change(|lines| lines.ended += 1);
    });
}

/// The running program. Killed when dropped; its log is shown when the test failed.
#[derive(Debug)]
pub struct Siphon {
    child: Child,
    lines: Arc<Watched<Lines>>,
    address: SocketAddr,
}

impl Siphon {
    fn wait_for_service(&mut self, path: &str) {
        let has_ended =
            eventually("siphon to serve or to end", || match self.child.try_wait().expect("our own child") {
                Some(_) => Some(true),
                None => web::ask(self.address, "GET", path, "").ok().map(|_| false),
            });
        if has_ended {
            self.wait_for_end_of_log();
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything on its standard error so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.look(|lines| lines.stderr.clone())
    }

    /// Everything on its standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.lines.look(|lines| lines.stdout.clone())
    }

    /// The first line of the log with all these parts; waits for it.
    ///
    /// # Panics
    ///
    /// When there is none within 60 s.
    #[track_caller]
    pub fn wait_for_log(&self, parts: &[&str]) -> String {
        let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
        let what = format!("a line with {parts:?}");
        self.lines.wait_until(&what, |lines| lines.stderr.iter().any(|line| has_all(&line)));
        self.log().iter().find(has_all).cloned().expect("it was there a moment ago")
    }

    /// The answer of `/__health`.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn health(&self) -> Value {
        let answer = self.ask("GET", "/__health");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// What health says of one agent.
    #[track_caller]
    pub fn agent(&self, name: &str) -> Value {
        self.health()["agent_details"][name].take()
    }

    /// Waits until health says so of an agent.
    #[track_caller]
    pub fn wait_for_agent(&self, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        eventually(&format!("agent {name}, log {:#?}", self.log()), || {
            last = self.agent(name);
            condition(&last).then(|| last.clone())
        })
    }

    /// Asks the admin service.
    #[track_caller]
    pub fn ask(&self, method: &str, target: &str) -> Answer {
        self.send(method, target, "")
    }

    /// Sends a body to the admin service.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    #[track_caller]
    pub fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        web::ask(self.address, method, target, body).expect("the admin service answers")
    }

    /// SIGTERM.
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    #[track_caller]
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal, such as `-INT`.
    ///
    /// # Panics
    ///
    /// As [`terminate`](Self::terminate).
    #[track_caller]
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill can be run").success(), "{signal}");
    }

    /// SIGKILL; returns when the process is gone.
    ///
    /// # Panics
    ///
    /// When it cannot be killed.
    #[track_caller]
    pub fn kill(mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Waits for the process to end by itself: its exit status, -1 after a signal.
    ///
    /// # Panics
    ///
    /// When it does not within 60 s.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        let what = format!("siphon to end, log {:#?}", self.log());
        let status = eventually(&what, || self.child.try_wait().expect("our own child"));
        self.wait_for_end_of_log();
        status.code().unwrap_or(-1)
    }

    /// SIGTERM, then the exit status.
    #[track_caller]
    pub fn stop(&mut self) -> i32 {
        self.terminate();
        self.wait()
    }

    fn wait_for_end_of_log(&self) {
        self.lines.wait_until("the end of its output", |lines| lines.ended == 2);
    }
}

impl Drop for Siphon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log().iter().for_each(|line| eprintln!("siphon: {line}"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
