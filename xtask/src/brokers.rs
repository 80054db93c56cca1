//! `brokers`: real brokers for tests and measurements, as ordinary processes on loopback.
//!
//! An address in the environment wins (`SIPHON_TEST_AMQP`, `SIPHON_TEST_KAFKA`, `SIPHON_TEST_NATS`); else a private instance is started from the system's own
//! packages, on ports of its own, with everything it writes under `target/brokers/`. A new broker is a new file beside
//! `rabbitmq.rs` and a line in [`all`].

mod certificates;
mod kafka;
mod nats;
mod ports;
mod process;
mod rabbitmq;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::cargo;
use crate::error::{Context, Result, TaskError};

/// Names and values for the environment of whoever uses a broker.
pub type Variables = Vec<(&'static str, String)>;

/// Real brokers for tests: private processes on loopback, under target/brokers
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples: cargo xtask brokers run -- cargo test -p siphon-tests\n          \
    cargo xtask brokers up --only kafka\n          \
    cargo xtask brokers ctl -- list_queues\n\n\
    SIPHON_TEST_AMQP, SIPHON_TEST_KAFKA and SIPHON_TEST_NATS name brokers that are there already: none is started in their place.")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start the brokers that do not run yet; print how tests find them, as NAME=VALUE lines
    Up(Instance),
    /// Stop them in order; their data stays
    Down(Instance),
    /// End them as a power failure would; `up` starts them again
    Kill(Instance),
    /// Say which ones run
    Status(Instance),
    /// Run a command with the brokers; stop those that this started
    Run(Run),
    /// Run rabbitmqctl
    Ctl(Ctl),
}

/// Several may run beside each other.
#[derive(Debug, clap::Args)]
struct Instance {
    /// A name for brokers of one's own, beside the usual ones
    #[arg(long, default_value = "main")]
    instance: String,
    /// This broker alone (may be repeated), such as `kafka`; without it all
    #[arg(long)]
    only: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    instance: Instance,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Ctl {
    #[command(flatten)]
    instance: Instance,
    #[arg(last = true, required = true)]
    arguments: Vec<String>,
}

/// One kind of broker, at one place.
trait Broker {
    fn name(&self) -> &'static str;
    /// The variable that names one which is there already.
    fn variable(&self) -> &'static str;
    /// How it is found, when it runs and answers.
    fn running(&self) -> Option<Variables>;
    /// Installs it where it is missing, starts it, and waits until it answers.
    fn start(&self) -> Result<Variables>;
    /// Ends it in order. Nothing happens when it does not run.
    fn stop(&self) -> Result<()>;
    /// Ends it without any order.
    fn kill(&self) -> Result<()>;
}

/// The brokers that everybody shares; `only` names some of them, none names all.
fn usual(only: Vec<String>) -> Instance {
    Instance { instance: "main".into(), only }
}

fn all(instance: &Instance) -> Result<Vec<Box<dyn Broker>>> {
    let target = cargo::metadata()?.target;
    let brokers = target.join("brokers");
    let folder = brokers.join(&instance.instance);
    let all: Vec<Box<dyn Broker>> = vec![
        Box::new(rabbitmq::RabbitMq::at(folder.join("rabbitmq"))),
        Box::new(kafka::Kafka::at(folder.join("kafka"), brokers.join("kafka-jars"))),
        Box::new(nats::Nats::at(folder.join("nats"), target)),
    ];
    wanted(all, &instance.only)
}

/// Those of `all` that `only` names; all where it names none.
fn wanted(all: Vec<Box<dyn Broker>>, only: &[String]) -> Result<Vec<Box<dyn Broker>>> {
    let names: Vec<_> = all.iter().map(|broker| broker.name()).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(TaskError::new(format!("there is no broker {unknown:?}: there are {}", names.join(", "))));
    }
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    Ok(all.into_iter().filter(|broker| is_wanted(broker.name())).collect())
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.action {
        Action::Up(instance) => {
            let started = Started::instance(instance)?;
            started.variables.iter().for_each(|(name, value)| println!("{name}={value}"));
            started.leave();
        }
        Action::Down(instance) => all(instance)?.iter().try_for_each(|broker| broker.stop())?,
        Action::Kill(instance) => all(instance)?.iter().try_for_each(|broker| broker.kill())?,
        Action::Status(instance) => return status(instance),
        Action::Run(run) => return run_with(run),
        Action::Ctl(ctl) => return rabbitmq(&ctl.instance)?.control(&ctl.arguments),
    }
    Ok(ExitCode::SUCCESS)
}

fn rabbitmq(instance: &Instance) -> Result<rabbitmq::RabbitMq> {
    let folder = cargo::metadata()?.target.join("brokers").join(&instance.instance);
    Ok(rabbitmq::RabbitMq::at(folder.join("rabbitmq")))
}

fn status(instance: &Instance) -> Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for broker in all(instance)? {
        match broker.running() {
            Some(variables) => println!("{}: {}", broker.name(), variables[0].1),
            None => {
                println!("{}: not running", broker.name());
                status = ExitCode::from(3);
            }
        }
    }
    Ok(status)
}

fn run_with(run: &Run) -> Result<ExitCode> {
    let started = Started::instance(&run.instance)?;
    let mut command = Command::new(&run.command[0]);
    cargo::forget_outer(&mut command);
    command.args(&run.command[1..]).envs(started.variables.iter().map(|(name, value)| (name, value)));
    let status = command.status().context(&format!("start {}", run.command[0]))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// Brokers for a task; those that it started are stopped when it is done with them.
pub struct Started {
    own: Vec<Box<dyn Broker>>,
    pub variables: Variables,
}

impl Started {
    /// The usual ones.
    pub fn usual() -> Result<Self> {
        Self::instance(&usual(Vec::new()))
    }

    /// That of the usual ones with this name.
    pub fn named(name: &str) -> Result<Self> {
        Self::instance(&usual(vec![name.to_owned()]))
    }

    fn instance(instance: &Instance) -> Result<Self> {
        let mut started = Self { own: Vec::new(), variables: Variables::new() };
        for broker in all(instance)? {
            // An instance of one's own is wanted because it can be ended: no other will do.
            let is_usual = instance.instance == "main";
            let named = std::env::var(broker.variable()).ok().filter(|value| is_usual && !value.is_empty());
            if let Some(address) = named {
                started.variables.push((broker.variable(), address));
            } else if let Some(variables) = broker.running() {
                started.variables.extend(variables);
            } else {
                started.variables.extend(broker.start()?);
                started.own.push(broker);
            }
        }
        Ok(started)
    }

    /// Lets them run on.
    fn leave(mut self) {
        self.own.clear();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        for broker in &self.own {
            if let Err(error) = broker.stop() {
                eprintln!("brokers: cannot stop {}: {error}", broker.name());
            }
        }
    }
}

/// The first of `folders` that holds `program`.
fn find(folders: &[&str], program: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// Installs packages of the system.
///
/// # Errors
///
/// Not root, no Debian, or apt's own: says what to install by hand.
fn apt_install(package: &str) -> Result<()> {
    let by_hand =
        || TaskError::new(format!("{package} is missing and cannot be installed here: apt-get install {package}"));
    if !is_root() {
        return Err(by_hand());
    }
    eprintln!("brokers: installing {package}");
    // Its own service must not start: it would take the usual ports.
    let script = "set -e; policy=/usr/sbin/policy-rc.d; made=; export DEBIAN_FRONTEND=noninteractive
        [ -e $policy ] || { printf '#!/bin/sh\\nexit 101\\n' >$policy; chmod +x $policy; made=1; }
        trap '[ -z \"$made\" ] || rm -f $policy' EXIT
        apt-get update -qq >&2; apt-get install -y -qq --no-install-recommends \"$0\" >&2";
    cargo::run(Command::new("sh").args(["-c", script, package])).map_err(|_| by_hand())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
