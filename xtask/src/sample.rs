//! The quickstart's configuration, as far as the quickstart itself has to know it, and a look at health.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::error::{Context, Result, TaskError};

/// Longest time the health page may take. It comes from this machine and waits for nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the quickstart's siphon answers, and the agent that gets the events.
#[derive(Debug, PartialEq, Eq)]
pub struct Sample {
    pub address: SocketAddr,
    pub agent: String,
}

impl Sample {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).at("read", path)?;
        let value: Value = serde_json::from_str(&text).at("read", path)?;
        Self::of(&value).ok_or_else(|| {
            TaskError::new(format!("{}: the quickstart needs an agent with a name, and a port", path.display()))
        })
    }

    fn of(configuration: &Value) -> Option<Self> {
        let agent = configuration["async_agent"][0]["name"].as_str()?.to_owned();
        let port = configuration["port"].as_u64().unwrap_or(8_080).try_into().ok()?;
        let ip: Option<IpAddr> = configuration["listen_ip"].as_str().and_then(|ip| ip.parse().ok());
        let ip = ip.filter(|ip| !ip.is_unspecified()).unwrap_or(Ipv4Addr::LOCALHOST.into());
        Some(Self { address: SocketAddr::new(ip, port), agent })
    }

    /// Whether something listens at the address.
    pub fn is_taken(&self) -> bool {
        TcpStream::connect_timeout(&self.address, PATIENCE).is_ok()
    }

    /// Whether health shows the agent as running.
    pub fn is_running(&self) -> bool {
        let health = self.health().unwrap_or_default();
        health["agent_details"][&*self.agent]["state"] == "running"
    }

    fn health(&self) -> Option<Value> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = format!("GET /__health HTTP/1.0\r\nhost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(configuration: Value, address: &str) {
        let expected = Sample { address: address.parse().expect("an address"), agent: "orders".into() };
        assert_eq!(Sample::of(&configuration), Some(expected));
    }

    #[test]
    fn the_address_is_one_that_can_be_called() {
        let agents = json!([{"name": "orders"}, {"name": "others"}]);
        check(json!({"async_agent": agents}), "127.0.0.1:8080");
        check(json!({"async_agent": agents, "port": 9000, "listen_ip": "0.0.0.0"}), "127.0.0.1:9000");
        check(json!({"async_agent": agents, "listen_ip": "::1"}), "[::1]:8080");
    }

    #[test]
    fn without_an_agent_there_is_no_quickstart() {
        assert_eq!(Sample::of(&json!({"async_agent": []})), None);
    }

    /// Answers one request for health with `body`; says whether the agent counts as running.
    fn is_running(body: &str) -> bool {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answer = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 1_024];
            assert_ne!(stream.read(&mut request).expect("a request"), 0);
            stream.write_all(answer.as_bytes()).expect("answered");
        });
        let running = Sample { address, agent: "orders".into() }.is_running();
        server.join().expect("no panic");
        running
    }

    #[test]
    fn only_the_state_running_counts() {
        assert!(is_running(r#"{"agent_details":{"orders":{"state":"running"}}}"#));
        assert!(!is_running(r#"{"agent_details":{"orders":{"state":"connecting"}}}"#));
        assert!(!is_running(r#"{"agent_details":{}}"#));
        assert!(!is_running("no json"));
    }
}
