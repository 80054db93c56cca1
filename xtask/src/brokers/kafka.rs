//! Apache Kafka (KRaft, one node) as a private process: jars from Maven Central under the system's Java.
//!
//! Sources: <https://kafka.apache.org/documentation/#brokerconfigs>, <https://kafka.apache.org/documentation/#security>.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::{self, Process};
use super::{Broker, Variables, apt_install, certificates, ports};
use crate::cargo;
use crate::error::{Context, Result, TaskError};

/// What Maven copies; its text says when to copy again.
const POM: &str = include_str!("kafka.xml");

/// Any 16 octets in base64url.
const CLUSTER: &str = "c2lwaG9uLXRlc3RzLTAwMQ";

/// The one user of the listener with SASL, for PLAIN and SCRAM.
const USER: (&str, &str) = ("siphon", "siphon-secret");

/// A busy machine needs up to 30 s.
const STARTING: Duration = Duration::from_secs(180);
const STOPPING: Duration = Duration::from_secs(60);

/// One instance. All share the jars.
#[derive(Debug)]
pub struct Kafka {
    folder: PathBuf,
    jars: PathBuf,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    plain: u16,
    tls: u16,
    sasl: u16,
    controller: u16,
}

impl Kafka {
    pub fn at(folder: PathBuf, jars: PathBuf) -> Self {
        Self { folder, jars }
    }

    fn ports(&self) -> Result<Ports> {
        fs::create_dir_all(&self.folder).at("make the folder", &self.folder)?;
        let [plain, tls, sasl, controller] = ports::kept(&self.folder.join("ports"))?;
        Ok(Ports { plain, tls, sasl, controller })
    }

    fn mark(ports: Ports) -> String {
        format!("-Dsiphon.port={} ", ports.plain)
    }

    fn process(&self, ports: Ports) -> Process {
        Process { pid_file: self.folder.join("pid"), mark: Self::mark(ports) }
    }

    fn variables(&self, ports: Ports) -> Variables {
        let mut variables = vec![
            ("SIPHON_TEST_KAFKA", format!("127.0.0.1:{}", ports.plain)),
            ("SIPHON_TEST_KAFKA_TLS", format!("localhost:{}", ports.tls)),
            ("SIPHON_TEST_KAFKA_CERTIFICATES", self.folder.join("tls").display().to_string()),
            ("SIPHON_TEST_KAFKA_SASL", format!("127.0.0.1:{}", ports.sasl)),
        ];
        // For measurements of what the broker itself uses.
        variables.extend(self.process(ports).id().map(|id| ("SIPHON_TEST_KAFKA_PROCESS", id.to_string())));
        variables
    }

    /// Copies the jars unless they are there.
    fn install(&self) -> Result<()> {
        for (program, package) in [("java", "default-jre-headless"), ("mvn", "maven")] {
            let version = Command::new(program).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if version.is_err() && !(program == "mvn" && self.has_jars()) {
                apt_install(package)?;
            }
        }
        if self.has_jars() {
            return Ok(());
        }
        eprintln!("brokers: fetching Apache Kafka");
        // A folder of its own: another task may fetch at the same time, and half a folder must not look like a whole one.
        let part = self.jars.with_extension(format!("part-{}", std::process::id()));
        fs::create_dir_all(&part).at("make the folder", &part)?;
        let pom = part.join("pom.xml");
        fs::write(&pom, POM).at("write", &pom)?;
        let mut maven = Command::new("mvn");
        maven.args(["-B", "-q", "-DincludeScope=runtime", "dependency:copy-dependencies", "-f"]).arg(&pom);
        cargo::run(maven.arg(format!("-DoutputDirectory={}", part.display())).stdout(Stdio::null()))?;
        let _ = fs::remove_dir_all(&self.jars);
        let moved = fs::rename(&part, &self.jars);
        if self.has_jars() { Ok(()) } else { moved.at("move to its place", &part) }
    }

    fn has_jars(&self) -> bool {
        fs::read_to_string(self.jars.join("pom.xml")).is_ok_and(|text| text == POM)
    }

    fn java(&self) -> Command {
        let mut java = Command::new("java");
        java.arg("-cp").arg(self.jars.join("*")).arg("-Djava.awt.headless=true");
        java.arg(format!("-Dlog4j2.configurationFile={}", self.folder.join("log4j2.properties").display()));
        java
    }

    fn configure(&self, ports: Ports) -> Result<()> {
        let tls = self.folder.join("tls");
        certificates::write(&tls, "siphon")?;
        let read = |name: &str| fs::read_to_string(tls.join(name)).at("read", &tls.join(name));
        let both = read("server.key")? + &read("server.pem")?;
        let files = [
            (tls.join("server-both.pem"), both),
            (self.folder.join("log4j2.properties"), LOGGING.to_owned()),
            (self.properties(), properties(&self.folder, ports)),
        ];
        files.iter().try_for_each(|(path, text)| fs::write(path, text).at("write", path))
    }

    fn properties(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    /// Prepares the folder of the data, with the user that logs in by SCRAM.
    fn format(&self) -> Result<()> {
        if self.folder.join("data/meta.properties").is_file() {
            return Ok(());
        }
        let (name, password) = USER;
        let mut tool = self.java();
        tool.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]);
        tool.arg(self.properties()).arg("--add-scram");
        tool.arg(format!("SCRAM-SHA-256=[name={name},password={password}]"));
        let output = tool.output().context("start java")?;
        let said = || String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
        if output.status.success() {
            return Ok(());
        }
        Err(TaskError::new(format!("Kafka cannot format its storage:\n{}", said())))
    }

    fn end(&self, signal: &str) -> Result<()> {
        let ports = self.ports()?;
        let process = self.process(ports);
        if process.id().is_none() {
            return Ok(());
        }
        process.end(signal, STOPPING)?;
        // Threads of a killed process may hold its port a moment longer.
        let is_listening = || TcpStream::connect((Ipv4Addr::LOCALHOST, ports.plain)).is_ok();
        let _ = process::wait_until(STOPPING, || !is_listening());
        eprintln!("brokers: Kafka ended");
        Ok(())
    }
}

impl Broker for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn variable(&self) -> &'static str {
        "SIPHON_TEST_KAFKA"
    }

    fn running(&self) -> Option<Variables> {
        let ports = self.ports().ok()?;
        self.process(ports).id()?;
        answers(ports.plain).then(|| self.variables(ports))
    }

    fn start(&self) -> Result<Variables> {
        self.install()?;
        let ports = self.ports()?;
        self.configure(ports)?;
        self.format()?;
        let log = self.folder.join("console.log");
        let output = File::create(&log).at("write", &log)?;
        let errors = output.try_clone().at("write", &log)?;
        let mut server = self.java();
        server.args(["-Xms128m", "-Xmx512m", "-XX:+UseG1GC"]).arg(Self::mark(ports).trim());
        server.arg("kafka.Kafka").arg(self.properties());
        // A process group of its own: Ctrl-C ends the task, and the task ends the broker in order.
        server.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let mut child = server.spawn().context("start Kafka")?;
        let pid = self.folder.join("pid");
        fs::write(&pid, child.id().to_string()).at("write", &pid)?;
        if process::wait_until(STARTING, || answers(ports.plain)).is_none() {
            let _ = child.kill();
            let log = process::tail(&log);
            return Err(TaskError::new(format!("Kafka did not answer within {STARTING:?}:\n{log}")));
        }
        eprintln!("brokers: Kafka answers on port {}", ports.plain);
        Ok(self.variables(ports))
    }

    fn stop(&self) -> Result<()> {
        self.end("TERM")
    }

    fn kill(&self) -> Result<()> {
        self.end("KILL")
    }
}

/// Warnings on the standard error.
const LOGGING: &str = "rootLogger.level = WARN\n\
    rootLogger.appenderRef.console.ref = console\n\
    appender.console.type = Console\n\
    appender.console.name = console\n\
    appender.console.target = SYSTEM_ERR\n\
    appender.console.layout.type = PatternLayout\n\
    appender.console.layout.pattern = [%d] %p %m (%c)%n\n";

/// One node that is broker and controller, everything on loopback, every internal topic with one copy.
fn properties(folder: &Path, ports: Ports) -> String {
    let Ports { plain, tls, sasl, controller } = ports;
    let (data, certificates) = (folder.join("data"), folder.join("tls"));
    let (data, certificates) = (data.display(), certificates.display());
    let (user, password) = USER;
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{plain},SSL://127.0.0.1:{tls},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SSL://localhost:{tls},SASL_PLAINTEXT://127.0.0.1:{sasl}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={certificates}/server-both.pem\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={certificates}/ca.pem\n\
         ssl.client.auth=requested\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,OAUTHBEARER\n\
         listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}=\"{password}\";\n\
         listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"{user}\";\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         min.insync.replicas=1\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         share.coordinator.state.topic.num.partitions=4\n\
         group.initial.rebalance.delay.ms=0\n\
         broker.session.timeout.ms=4000\n\
         broker.heartbeat.interval.ms=500\n\
         num.network.threads=2\n\
         num.io.threads=4\n\
         message.max.bytes=10485760\n\
         log.cleaner.backoff.ms=200\n\
         log.cleaner.dedupe.buffer.size=16777216\n"
    )
}

/// Whether a Kafka broker listens: it answers `ApiVersions` 0 of correlation 1 with that number and no error.
fn answers(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(3))).ok()?;
        stream.write_all(b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff").ok()?;
        let mut answer = [0; 10];
        stream.read_exact(&mut answer).ok()?;
        Some(answer[4..] == [0, 0, 0, 1, 0, 0])
    };
    ask().unwrap_or(false)
}
