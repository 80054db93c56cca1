//! `run`: the quickstart. Builds siphon and the embedded queue, starts it, sends a few events and stays.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::build::{self, Built};
use crate::cargo::{self, Profile};
use crate::error::{Context, Result, TaskError};
use crate::sample::Sample;

/// What the quickstart builds: with every broker's library it would take minutes.
const PACKAGES: [&str; 2] = ["siphon", "siphon-plugin-sqlite"];
/// The quickstart's configuration, from the folder of the workspace.
const CONFIGURATION: &str = "config/siphon.json";
/// What the quickstart sends.
const EVENTS: [&str; 3] =
    [r#"{"id":1,"item":"kettle"}"#, r#"{"id":2,"item":"teapot"}"#, r#"{"id":3,"item":"two cups"}"#];
/// Longest time until the agent runs.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often health is asked until the agent runs.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The quickstart: build siphon and the embedded queue, run them, send three events
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples: cargo xtask run\n          \
    cargo xtask run -- publish --agent orders '{\"id\":4}'\n\n\
    Ends with Ctrl-C. With arguments after -- it runs siphon with those instead.")]
pub struct Arguments {
    #[command(flatten)]
    profile: Profile,
    /// Run siphon with these arguments instead of the quickstart
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub fn task(arguments: Arguments) -> Result<ExitCode> {
    let built = build::some(&arguments.profile, &PACKAGES)?;
    if !arguments.arguments.is_empty() {
        let error = siphon(&built)?.args(&arguments.arguments).exec();
        return Err(TaskError::new(format!("cannot start siphon: {error}")));
    }
    let sample = Sample::read(&cargo::root().join(CONFIGURATION))?;
    if sample.is_taken() {
        let address = sample.address;
        return Err(TaskError::new(format!(
            "something listens on {address} already; stop it, or set another \"port\" in {CONFIGURATION}"
        )));
    }
    quickstart(&built, &sample)
}

/// The program with the quickstart's configuration and plugins, unless the arguments or the environment name others.
fn siphon(built: &Built) -> Result<Command> {
    let mut command = Command::new(built.binary()?);
    command.current_dir(cargo::root());
    if std::env::var_os("SIPHON_CONFIG").is_none() {
        command.env("SIPHON_CONFIG", CONFIGURATION);
    }
    Ok(command)
}

fn quickstart(built: &Built, sample: &Sample) -> Result<ExitCode> {
    let (report, happenings) = mpsc::channel();
    watch_signals(report.clone())?;
    let mut command = siphon(built)?;
    command.args(["run", "-c", CONFIGURATION, "--plugins"]).arg(&built.folder);
    // A process group of its own: Ctrl-C then reaches siphon once, through us, and not a second time from the
    // terminal, which would end it without a drain.
    let child = command.process_group(0).spawn().context("start siphon")?;
    let siphon = Running { id: child.id() };
    watch_end(child, report);
    match until_running(&siphon, &happenings, sample)? {
        Some(status) => Ok(exit_code(status)),
        None => stay(built, &siphon, &happenings, sample),
    }
}

/// Sends the events, then waits for siphon's end.
fn stay(built: &Built, siphon: &Running, happenings: &Receiver<Happening>, sample: &Sample) -> Result<ExitCode> {
    let published = EVENTS.iter().try_for_each(|event| publish(built, &sample.agent, event));
    match &published {
        Ok(()) => invite(sample),
        Err(_) => siphon.signal(SIGTERM)?,
    }
    let status = until_end(siphon, happenings)?;
    published.map(|()| exit_code(status))
}

fn publish(built: &Built, agent: &str, event: &str) -> Result<()> {
    eprintln!("$ siphon publish --agent {agent} '{event}'");
    let mut command = siphon(built)?;
    command.args(["publish", "-c", CONFIGURATION, "--plugins"]).arg(&built.folder);
    cargo::run(command.args(["--agent", agent, event]).process_group(0))
}

fn invite(Sample { address, agent }: &Sample) {
    eprintln!("siphon runs until Ctrl-C. In another terminal:");
    eprintln!("  cargo xtask run -- publish --agent {agent} '{{\"id\":4}}'");
    eprintln!("  curl http://{address}/__health");
}

/// What the task waits for.
enum Happening {
    Signal(i32),
    Ended(io::Result<ExitStatus>),
}

fn watch_signals(report: Sender<Happening>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("watch signals")?;
    thread::spawn(move || signals.forever().try_for_each(|signal| report.send(Happening::Signal(signal))));
    Ok(())
}

fn watch_end(mut child: Child, report: Sender<Happening>) {
    thread::spawn(move || report.send(Happening::Ended(child.wait())));
}

/// Waits until health shows the agent as running: `None`; or until siphon ends: its status.
fn until_running(siphon: &Running, happenings: &Receiver<Happening>, sample: &Sample) -> Result<Option<ExitStatus>> {
    let began = Instant::now();
    while !sample.is_running() {
        match happenings.recv_timeout(LOOK_EVERY) {
            Ok(Happening::Ended(status)) => return status.context("wait for siphon").map(Some),
            Ok(Happening::Signal(signal)) => {
                siphon.signal(signal)?;
                return until_end(siphon, happenings).map(Some);
            }
            Err(RecvTimeoutError::Disconnected) => return Err(TaskError::new("nobody watches siphon")),
            Err(RecvTimeoutError::Timeout) if began.elapsed() > START_LIMIT => {
                siphon.signal(SIGTERM)?;
                until_end(siphon, happenings)?;
                return Err(TaskError::new(format!("the agent did not run within {START_LIMIT:?}")));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    Ok(None)
}

/// Waits for siphon's end and passes every signal on: the first drains, the second ends at once.
fn until_end(siphon: &Running, happenings: &Receiver<Happening>) -> Result<ExitStatus> {
    loop {
        match happenings.recv().context("wait for siphon")? {
            Happening::Signal(signal) => siphon.signal(signal)?,
            Happening::Ended(status) => return status.context("wait for siphon"),
        }
    }
}

/// A siphon that was started and whose end has not been reported yet.
struct Running {
    id: u32,
}

impl Running {
    /// Sends a signal with the shell's own `kill`: every system has that one. A siphon that has just ended cannot be
    /// signalled any more; its end is reported right after.
    fn signal(&self, signal: i32) -> Result<()> {
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -\"$0\" \"$1\"", &signal.to_string(), &self.id.to_string()]);
        kill.stderr(Stdio::null()).status().map(drop).context("signal siphon")
    }
}

/// The status as a shell shows it: 128 and the signal's number when a signal has ended the program.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts `script`, sends `signals` in turn, and expects this exit status.
    #[track_caller]
    fn check(script: &str, signals: &[i32], expected: i32) {
        let (report, happenings) = mpsc::channel();
        let mut command = Command::new("sh");
        let mut child = command.args(["-c", script]).process_group(0).stdout(Stdio::piped()).spawn().expect("a shell");
        let siphon = Running { id: child.id() };
        let mut ready = [0; 6];
        io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut ready).expect("it gets ready");
        watch_end(child, report.clone());
        signals.iter().for_each(|signal| report.send(Happening::Signal(*signal)).expect("received"));
        let status = until_end(&siphon, &happenings).expect("it ends");
        assert_eq!(exit_code(status), ExitCode::from(expected as u8));
    }

    #[test]
    fn a_signal_reaches_the_program_and_its_status_is_ours() {
        check("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done", &[SIGTERM], 7);
    }

    #[test]
    fn a_program_that_a_signal_has_ended_has_the_shells_status() {
        check("echo ready; while :; do sleep 0.01; done", &[SIGTERM], 143);
    }

    #[test]
    fn a_program_that_ends_by_itself_keeps_its_status() {
        check("echo ready; exit 4", &[], 4);
    }

    /// A program that does as siphon does: `run` stays until SIGTERM and then ends with 7; `publish` notes its last
    /// argument. When the last sample event has come, it plays the user and sends SIGTERM to the task.
    const FAKE_SIPHON: &str = r#"#!/bin/sh
for last; do :; done
case $1 in
run) trap 'exit 7' TERM; touch "$0.runs"; while :; do sleep 0.01; done ;;
publish) echo "$last" >>"$0.events"; case $last in *'"id":3'*) kill -TERM $PPID ;; esac ;;
esac
"#;

    /// Health of the agent `orders`: connecting until the program at `program` runs.
    fn serve_health(program: &std::path::Path) -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let runs = program.with_extension("runs");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a client");
                let state = if runs.exists() { "running" } else { "connecting" };
                let body = format!(r#"{{"agent_details":{{"orders":{{"state":"{state}"}}}}}}"#);
                let mut request = [0; 1_024];
                io::Read::read(&mut stream, &mut request).expect("a request");
                io::Write::write_all(&mut stream, format!("HTTP/1.0 200 OK\r\n\r\n{body}").as_bytes())
                    .expect("answered");
            }
        });
        address
    }

    #[test]
    fn the_quickstart_sends_its_events_once_the_agent_runs_and_passes_the_signal_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("siphon");
        std::fs::write(&program, FAKE_SIPHON).expect("written");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, executable).expect("allowed");
        let sample = Sample { address: serve_health(&program), agent: "orders".into() };
        let built = Built { folder: folder.path().into(), plugins: vec![], binary: Some(program) };
        let status = quickstart(&built, &sample).expect("it ran");
        assert_eq!(status, ExitCode::from(7));
        let events = std::fs::read_to_string(folder.path().join("siphon.events")).expect("events came");
        assert_eq!(events.lines().collect::<Vec<_>>(), EVENTS);
    }
}
