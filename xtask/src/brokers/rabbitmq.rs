//! RabbitMQ from the system's package, as a private process: its own folder, ports, name service and cookie.
//!
//! Sources: <https://www.rabbitmq.com/docs/configure>, <https://www.rabbitmq.com/docs/ssl>.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::process::{self, Process};
use super::{Broker, Variables, apt_install, certificates, find, ports};
use crate::error::{Context, Result, TaskError};

/// The broker's own scripts. Those in the search path are Debian's, which insist on another user.
const SCRIPTS: [&str; 2] = ["/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"];

/// A busy machine needs up to 20 s.
const STARTING: Duration = Duration::from_secs(120);
const STOPPING: Duration = Duration::from_secs(60);

/// One instance.
#[derive(Debug)]
pub struct RabbitMq {
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    tls: u16,
    /// Erlang's distribution, for rabbitmqctl.
    distribution: u16,
    /// Erlang's name service.
    names: u16,
}

impl RabbitMq {
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn ports(&self) -> Result<Ports> {
        fs::create_dir_all(&self.folder).at("make the folder", &self.folder)?;
        let [amqp, tls, distribution, names] = ports::kept(&self.folder.join("ports"))?;
        Ok(Ports { amqp, tls, distribution, names })
    }

    fn process(&self, ports: Ports) -> Process {
        Process { pid_file: self.folder.join("pid"), mark: format!("-epmd_port {} ", ports.names) }
    }

    fn variables(&self, ports: Ports) -> Variables {
        let mut variables = vec![
            ("SIPHON_TEST_AMQP", format!("amqp://guest:guest@127.0.0.1:{}/", ports.amqp)),
            ("SIPHON_TEST_AMQPS", format!("amqps://guest:guest@localhost:{}/", ports.tls)),
            ("SIPHON_TEST_TLS", self.folder.join("tls").display().to_string()),
        ];
        // For measurements of what the broker itself uses.
        variables.extend(self.process(ports).id().map(|id| ("SIPHON_TEST_AMQP_PROCESS", id.to_string())));
        variables
    }

    /// A script of the broker in this instance's environment.
    fn script(&self, name: &str, ports: Ports) -> Result<Command> {
        let missing = || TaskError::new("RabbitMQ is not installed: apt-get install rabbitmq-server");
        let mut command = Command::new(find(&SCRIPTS, name).ok_or_else(missing)?);
        let at = |name: &str| self.folder.join(name);
        command
            .env("HOME", &self.folder)
            .env("RABBITMQ_NODENAME", format!("rabbit-{}@localhost", ports.amqp))
            .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
            .env("ERL_EPMD_PORT", ports.names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
            // Schedulers that spin would take the CPU from what is tested and measured.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("LC_ALL", "C.UTF-8");
        Ok(command)
    }

    fn configure(&self, ports: Ports) -> Result<()> {
        let tls = self.folder.join("tls");
        // Its name is that of the user who may log in with nothing but the certificate.
        certificates::write(&tls, "guest")?;
        let tls = tls.display();
        let (amqp, ssl) = (ports.amqp, ports.tls);
        let text = format!(
            "listeners.tcp.default = 127.0.0.1:{amqp}\n\
             listeners.ssl.default = 127.0.0.1:{ssl}\n\
             ssl_options.cacertfile = {tls}/ca.pem\n\
             ssl_options.certfile = {tls}/server.pem\n\
             ssl_options.keyfile = {tls}/server.key\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = false\n\
             ssl_options.versions.1 = tlsv1.3\n\
             ssl_options.versions.2 = tlsv1.2\n\
             auth_mechanisms.1 = PLAIN\n\
             auth_mechanisms.2 = AMQPLAIN\n\
             auth_mechanisms.3 = EXTERNAL\n\
             ssl_cert_login_from = common_name\n\
             loopback_users.guest = true\n\
             log.console = false\n"
        );
        for (name, text) in [("rabbitmq.conf", text.as_str()), ("enabled_plugins", "[rabbitmq_auth_mechanism_ssl].\n")]
        {
            let path = self.folder.join(name);
            fs::write(&path, text).at("write", &path)?;
        }
        Ok(())
    }

    /// Runs rabbitmqctl with these arguments.
    pub fn control(&self, arguments: &[String]) -> Result<ExitCode> {
        let status =
            self.script("rabbitmqctl", self.ports()?)?.args(arguments).status().context("start rabbitmqctl")?;
        Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
    }

    fn end(&self, signal: &str) -> Result<()> {
        let ports = self.ports()?;
        let process = self.process(ports);
        if process.id().is_none() {
            return Ok(());
        }
        process.end(signal, STOPPING)?;
        // Threads of a killed process may hold its port a moment longer.
        let _ = process::wait_until(STOPPING, || !is_listening(ports.amqp));
        self.end_name_service(ports);
        eprintln!("brokers: RabbitMQ ended");
        Ok(())
    }

    /// It outlives its broker otherwise. It refuses to end while a broker is registered, and may be gone already.
    fn end_name_service(&self, ports: Ports) {
        let mut epmd = Command::new("epmd");
        epmd.args(["-port", &ports.names.to_string(), "-kill"]).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        let _ = epmd.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Broker for RabbitMq {
    fn name(&self) -> &'static str {
        "rabbitmq"
    }

    fn variable(&self) -> &'static str {
        "SIPHON_TEST_AMQP"
    }

    fn running(&self) -> Option<Variables> {
        let ports = self.ports().ok()?;
        self.process(ports).id()?;
        answers(ports.amqp).then(|| self.variables(ports))
    }

    fn start(&self) -> Result<Variables> {
        if find(&SCRIPTS, "rabbitmq-server").is_none() {
            apt_install("rabbitmq-server")?;
        }
        let ports = self.ports()?;
        self.configure(ports)?;
        let _ = fs::remove_file(self.folder.join("pid"));
        let log = self.folder.join("console.log");
        let output = File::create(&log).at("write", &log)?;
        let errors = output.try_clone().at("write", &log)?;
        let mut server = self.script("rabbitmq-server", ports)?;
        // A process group of its own: Ctrl-C ends the task, and the task ends the broker in order.
        server.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let mut launcher = server.spawn().context("start RabbitMQ")?;
        let process = self.process(ports);
        let is_up = process::wait_until(STARTING, || process.id().is_some() && answers(ports.amqp));
        if is_up.is_none() {
            let _ = launcher.kill();
            let log = process::tail(&log);
            return Err(TaskError::new(format!("RabbitMQ did not answer within {STARTING:?}:\n{log}")));
        }
        eprintln!("brokers: RabbitMQ answers on port {}", ports.amqp);
        Ok(self.variables(ports))
    }

    fn stop(&self) -> Result<()> {
        self.end("TERM")
    }

    fn kill(&self) -> Result<()> {
        self.end("KILL")
    }
}

fn is_listening(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether an AMQP broker listens: it answers our header with a frame of a method (1).
fn answers(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(3))).ok()?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").ok()?;
        let mut first = [0];
        stream.read_exact(&mut first).ok()?;
        Some(first[0] == 1)
    };
    ask().unwrap_or(false)
}
