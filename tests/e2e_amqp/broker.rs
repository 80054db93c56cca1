//! A real RabbitMQ: the one that all tests share, or one of a test's own, to be ended at will.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};

use siphon_testkit::artifacts;

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    /// `None`: shared, and not ours to end.
    instance: Option<&'static str>,
    variables: BTreeMap<String, String>,
}

impl Broker {
    /// The one that `cargo xtask test` or `cargo xtask brokers run` has started.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn shared() -> Self {
        let ours = std::env::vars().filter(|(name, _)| name.starts_with("SIPHON_TEST_"));
        let broker = Self { instance: None, variables: ours.collect() };
        assert!(
            broker.variables.contains_key("SIPHON_TEST_AMQP"),
            "no broker; run this with: cargo xtask brokers run -- cargo test -p siphon-tests --test e2e_amqp"
        );
        broker
    }

    /// One of the test's own, with data of its own from a run before. Stopped when dropped.
    pub fn own(instance: &'static str) -> Self {
        let mut broker = Self { instance: Some(instance), variables: BTreeMap::new() };
        broker.start();
        broker
    }

    /// `amqp://guest:guest@127.0.0.1:PORT/`.
    pub fn url(&self) -> &str {
        &self.variables["SIPHON_TEST_AMQP"]
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.url().rsplit_once('@').map_or(self.url(), |(_, address)| address).trim_end_matches('/')
    }

    /// The TLS listener's address and the folder of its certificates, where this broker has one.
    pub fn tls(&self) -> Option<(&str, &str)> {
        let value = |name: &str| self.variables.get(name).map(String::as_str);
        Some((value("SIPHON_TEST_AMQPS")?, value("SIPHON_TEST_TLS")?))
    }

    /// Starts it again, at the same address.
    pub fn start(&mut self) {
        let output = self.task("up", &[]);
        let lines = String::from_utf8(output.stdout).expect("text");
        let pairs = lines.lines().filter_map(|line| line.split_once('='));
        self.variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.task("kill", &[]);
    }

    /// Runs rabbitmqctl.
    pub fn control(&self, arguments: &[&str]) -> String {
        let arguments: Vec<&str> = ["--", "--quiet"].iter().chain(arguments).copied().collect();
        String::from_utf8(self.task("ctl", &arguments).stdout).expect("text")
    }

    /// Runs a task of `cargo xtask brokers`.
    #[track_caller]
    fn task(&self, task: &str, arguments: &[&str]) -> Output {
        let mut command = artifacts::cargo();
        command.args(["xtask", "brokers", task]);
        if let Some(instance) = self.instance {
            command.args(["--instance", instance, "--only", "rabbitmq"]);
        }
        let output = command.args(arguments).stderr(Stdio::inherit()).output().expect("cargo starts");
        assert!(output.status.success(), "brokers {task} {arguments:?}: {}", output.status);
        output
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.instance.is_some() {
            self.task("down", &[]);
        }
    }
}
