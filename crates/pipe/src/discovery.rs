//! Service discovery by DNS: the SRV records of one name are the hosts of a backend (RFC 2782).
//!
//! What was found counts for `dns_cache_ttl`. After that the next event starts a new look-up and goes to the old hosts
//! meanwhile; they stay, too, when the look-up fails.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::PipeError;
use crate::hosts::{Host, Hosts};

/// A look-up that takes longer has failed; only those behind the first event need one.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Turns in the list of hosts that weights are shared out in, as in the reference.
const TURNS: u64 = 100;

/// What is looked up, and how.
#[derive(Debug)]
pub(crate) struct Name {
    pub name: String,
    pub tls: bool,
    pub ttl: Duration,
    /// `None`: whom the machine asks.
    pub server: Option<SocketAddr>,
    /// The path of all calls, where it is the same for all.
    pub path: Option<String>,
}

/// The hosts behind a name.
#[derive(Debug)]
pub(crate) struct Discovery {
    name: Name,
    state: Mutex<State>,
    /// One looks, the others wait.
    turn: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    hosts: Option<Arc<Hosts>>,
    /// When they are to be looked up again.
    due: Option<Instant>,
}

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    priority: u16,
    weight: u16,
    /// Without the dot at its end.
    target: String,
    port: u16,
}

impl Discovery {
    pub fn new(name: Name) -> Self {
        Self { name, state: Mutex::default(), turn: Semaphore::new(1) }
    }

    pub fn has_tls(&self) -> bool {
        self.name.tls
    }

    pub fn shown(&self) -> String {
        format!("{}://{}", if self.name.tls { "https" } else { "http" }, self.name.name)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hosts(&self) -> Option<Arc<Hosts>> {
        self.state().hosts.clone()
    }

    pub fn is_fresh(&self) -> bool {
        self.state().due.is_some_and(|due| Instant::now() < due)
    }

    /// See [`crate::target::Target::discover`].
    pub async fn refresh(this: &Arc<Self>) -> Result<(), PipeError> {
        if this.hosts().is_none() {
            let _turn = this.turn.acquire().await;
            return if this.hosts().is_some() { Ok(()) } else { this.find().await };
        }
        let mut state = this.state();
        if state.due.is_some_and(|due| Instant::now() >= due) {
            state.due = Some(Instant::now() + this.name.ttl);
            // Ends by itself after `LOOKUP_TIMEOUT`.
            let this = Arc::clone(this);
            tokio::spawn(async move { _ = this.find().await });
        }
        Ok(())
    }

    async fn find(&self) -> Result<(), PipeError> {
        let failed = |reason: String| PipeError::Discovery { name: self.name.name.clone(), reason };
        let found = tokio::time::timeout(LOOKUP_TIMEOUT, self.look_up()).await;
        let services = found.map_err(|_| failed("i/o timeout".into()))?.map_err(failed)?;
        let turns = turns(services);
        let list = turns.iter().filter_map(|one| Host::at(self.name.tls, &format!("{}:{}", one.target, one.port)).ok());
        let list: Vec<_> = list.collect();
        if list.is_empty() {
            return Err(failed("no SRV record that can be called".into()));
        }
        let first = fastrand::usize(..list.len());
        let hosts = Hosts::new(list, self.name.path.as_deref(), first).map_err(failed)?;
        *self.state() = State { hosts: Some(Arc::new(hosts)), due: Some(Instant::now() + self.name.ttl) };
        Ok(())
    }

    async fn look_up(&self) -> Result<Vec<Service>, String> {
        let resolver = resolver(self.name.server).map_err(|error| error.to_string())?;
        let found = resolver.srv_lookup(self.name.name.as_str()).await.map_err(|error| error.to_string())?;
        let services = found.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(one) => Some(Service {
                priority: one.priority,
                weight: one.weight,
                target: one.target.to_utf8().trim_end_matches('.').to_owned(),
                port: one.port,
            }),
            _ => None,
        });
        Ok(services.collect())
    }
}

/// Made anew for each look-up, so that a changed `resolv.conf` counts.
fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    let mut builder = match server {
        None => Resolver::builder_tokio()?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_name_servers(vec![server]);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    builder.options_mut().cache_size = 0;
    builder.build()
}

/// The hosts of the best priority, each as often as its weight says. Where all weigh nothing, all weigh the same.
fn turns(services: Vec<Service>) -> Vec<Service> {
    let mut services = services;
    services.sort_by(|a, b| {
        let key = |one: &Service| (one.priority, std::cmp::Reverse(one.weight), one.target.clone(), one.port);
        key(a).cmp(&key(b))
    });
    let best = services.first().map(|one| one.priority);
    services.retain(|one| Some(one.priority) == best);
    let sum: u64 = services.iter().map(|one| u64::from(one.weight)).sum();
    let turns = TURNS.max(services.len() as u64);
    let shares: Vec<u64> = services
        .iter()
        .map(|one| match sum {
            0 => 1,
            sum if sum > turns => u64::from(one.weight) * turns / sum,
            _ => u64::from(one.weight),
        })
        .collect();
    let divisor = shares.iter().copied().fold(0, greatest_common_divisor).max(1);
    let repeated = services.iter().zip(&shares);
    repeated.flat_map(|(one, share)| std::iter::repeat_n(one.clone(), (share / divisor) as usize)).collect()
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(records: &[(u16, u16, &str)], expected: &[&str]) {
        let service = |(priority, weight, target): &(u16, u16, &str)| Service {
            priority: *priority,
            weight: *weight,
            target: (*target).to_owned(),
            port: 80,
        };
        let turns: Vec<_> = turns(records.iter().map(service).collect()).into_iter().map(|one| one.target).collect();
        assert_eq!(turns, expected, "{records:?}");
    }

    #[test]
    fn a_host_gets_as_many_turns_as_its_weight_says_within_the_best_priority() {
        check(&[(10, 1, "s1"), (10, 2, "s2"), (20, 1, "s3")], &["s2", "s2", "s1"]);
        check(&[(0, 500, "s1"), (0, 1000, "s2")], &["s2", "s2", "s1"]);
        check(&[(0, 1, "s1"), (0, 1000, "s2")], &["s2"]);
        check(&[], &[]);
    }

    #[test]
    fn hosts_without_weight_share_the_calls() {
        check(&[(10, 0, "s2"), (10, 0, "s1")], &["s1", "s2"]);
    }
}
