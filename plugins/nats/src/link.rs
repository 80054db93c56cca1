//! The connection to a server, and what the client tells about it. The client mends it by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Client, Event, ServerError};
use futures_util::StreamExt as _;
use siphon_sdk::{Batch, Error};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::Config;
use crate::error;
use crate::login::{self, Login};
use crate::tls;

/// How long the server may take to answer a question.
pub const ANSWER: Duration = Duration::from_secs(5);

/// The longest wait between two tries of the client to mend its connection: an outage is over soon after the server is back.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The same for a connection that nobody wants any more. The client has no other way to be told while it mends; it ends
/// when it is connected, or with the process.
const UNWANTED_WAIT: Duration = Duration::from_secs(60);

/// Commands that may wait for the connection, beyond a settlement and a sign of life for each event.
const COMMANDS: usize = 2_048;

/// Messages of plain subjects that may wait in the client. More are dropped, and said to be: NATS does not wait.
const BACKLOG: usize = 8_192;

/// What the client told so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub is_connected: bool,
    /// Connections that were lost.
    pub losses: u64,
    /// Messages that came faster than they were taken, and were dropped.
    pub dropped: u64,
    /// What the server last forbade.
    pub refusal: Option<String>,
    /// Events that wait at the server.
    pub lag: Option<u64>,
}

/// An open connection.
pub struct Link {
    pub client: Client,
    /// The addresses, for messages.
    pub servers: String,
    seen: watch::Sender<Seen>,
    is_unwanted: Arc<AtomicBool>,
}

impl Link {
    /// `name`: what the server's own tools call the connection. `in_flight`: unsettled events at most.
    ///
    /// # Errors
    ///
    /// Why no server can be used.
    pub async fn open(config: &Config, name: &str, in_flight: usize) -> Result<Arc<Self>, Error> {
        let login = Login::of(config).map_err(login::changed)?;
        let tls = tls::client(config);
        let addresses: Vec<_> = config.addresses().into_iter().map(|address| address.server).collect();
        let (seen, is_unwanted) = (watch::Sender::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let (events, unwanted, servers) = (seen.clone(), Arc::clone(&is_unwanted), addresses.len());
        let mut options = login.options().map_err(login::changed)?.name(format!("siphon {name}"));
        options = match tls {
            Ok(tls) => options.tls_client_config(tls),
            Err(wrong) if tls::is_wanted(config) || config.client_tls.is_some() => return Err(login::changed(wrong)),
            Err(_) => options, // this machine trusts nobody, and nobody asked for TLS
        };
        if config.tls_first {
            options = options.tls_first();
        }
        let patience = config.connection_timeout.0;
        options = options
            .connection_timeout(patience)
            .request_timeout(Some(ANSWER))
            .client_capacity(COMMANDS.saturating_add(in_flight.saturating_mul(2)))
            .subscription_capacity(BACKLOG)
            .reconnect_delay_callback(move |tries| delay(tries, servers, &unwanted))
            .event_callback(move |event| {
                note(&events, event);
                std::future::ready(())
            });
        let shown = config.shown();
        let client = options.connect(addresses).await;
        let client = client.map_err(|error| error::not_reached(&shown, &login, patience, &error))?;
        // The client's word about it may still be on its way.
        seen.send_modify(|seen| seen.is_connected = true);
        Ok(Arc::new(Self { client, servers: shown, seen, is_unwanted }))
    }

    /// What the client told so far, and a way to wait for more.
    pub fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    pub fn is_connected(&self) -> bool {
        self.seen.borrow().is_connected
    }

    /// So many events wait at the server.
    pub fn note_lag(&self, lag: u64) {
        self.seen.send_if_modified(|seen| seen.lag.replace(lag) != Some(lag));
    }

    /// An error where the connection is gone: what waits for it to be mended would wait too long.
    ///
    /// # Errors
    ///
    /// There is no connection.
    pub fn require(&self) -> Result<(), Error> {
        if self.is_connected() { Ok(()) } else { Err(Error::connection(self.loss())) }
    }

    pub fn loss(&self) -> String {
        format!("lost the connection to {}", self.servers)
    }

    /// Returns when the server has read everything that was sent before: it sends a message of ours back, or forbids it.
    ///
    /// # Errors
    ///
    /// It did not within [`ANSWER`].
    pub async fn round_trip(&self) -> Result<(), Error> {
        self.require()?;
        let inbox = self.client.new_inbox();
        let mut seen = self.seen();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(error::unexpected)?;
        self.client.publish(inbox.clone(), "".into()).await.map_err(error::unexpected)?;
        let forbidden = seen.wait_for(|seen| seen.refusal.as_ref().is_some_and(|text| text.contains(&inbox)));
        let answered = async {
            tokio::select! {
                answer = answers.next() => answer.is_some(),
                forbidden = forbidden => forbidden.is_ok(),
            }
        };
        match timeout(ANSWER, answered).await {
            Ok(true) => Ok(()),
            _ => Err(Error::connection(format!("{} did not answer within {ANSWER:?}", self.servers))),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.is_unwanted.store(true, Ordering::Relaxed);
    }
}

/// The wait before a try. The first at each server is made at once.
fn delay(tries: usize, servers: usize, is_unwanted: &AtomicBool) -> Duration {
    if is_unwanted.load(Ordering::Relaxed) {
        return UNWANTED_WAIT;
    }
    let again = u32::try_from(tries.saturating_sub(servers)).unwrap_or(u32::MAX);
    Duration::from_millis(50).saturating_mul(again).min(LONGEST_WAIT)
}

fn note(seen: &watch::Sender<Seen>, event: Event) {
    match event {
        Event::Connected => seen.send_modify(|seen| seen.is_connected = true),
        Event::Disconnected => seen.send_modify(|seen| {
            seen.is_connected = false;
            seen.losses += 1;
        }),
        Event::SlowConsumer(_) => seen.send_modify(|seen| seen.dropped += 1),
        Event::ServerError(ServerError::Other(text)) => seen.send_modify(|seen| seen.refusal = Some(text)),
        Event::ServerError(error) => seen.send_modify(|seen| seen.refusal = Some(error.to_string())),
        Event::LameDuckMode | Event::Draining | Event::Closed | Event::ClientError(_) => {}
    }
}

/// What of it the host has been told.
#[derive(Debug)]
pub struct News {
    seen: watch::Receiver<Seen>,
    losses: u64,
    is_connected: bool,
    dropped: u64,
    lag: Option<u64>,
    refusal: Option<String>,
}

/// Messages stay good when their connection is gone: their subject for answers is the same on the next. So all are of one
/// generation, and a connection that is lost is said to be of an older one.
pub const GENERATION: u64 = 1;

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The host is told something.
    pub is_new: bool,
    /// The connection is another one: what was asked for on the old one is forgotten.
    pub is_another_connection: bool,
}

impl News {
    /// The SDK has told of the first connection.
    pub fn of(link: &Link) -> Self {
        let seen = link.seen();
        Self { seen, losses: 0, is_connected: true, dropped: 0, lag: None, refusal: None }
    }

    /// Tells the host what is new.
    ///
    /// # Errors
    ///
    /// The server forbids to subscribe.
    pub fn tell(&mut self, link: &Link, batch: &mut Batch) -> Result<Told, Error> {
        let seen = self.seen.borrow_and_update().clone();
        let mut told = Told::default();
        if self.refusal != seen.refusal {
            self.refusal.clone_from(&seen.refusal);
            self.refused(link)?;
        }
        if seen.dropped > self.dropped {
            let count = seen.dropped - self.dropped;
            tracing::warn!(count, "lost: messages came faster than they were done, and NATS does not wait");
            self.dropped = seen.dropped;
        }
        if seen.losses > self.losses {
            self.losses = seen.losses;
            told = Told { is_new: true, is_another_connection: true };
            self.is_connected = false;
            self.lag = None; // the host forgets it, too
            batch.lost(GENERATION - 1, link.loss());
        }
        if seen.is_connected && !self.is_connected {
            self.is_connected = true;
            told = Told { is_new: true, is_another_connection: true };
            batch.connected(GENERATION);
        }
        if seen.lag != self.lag {
            self.lag = seen.lag;
            told.is_new |= seen.lag.inspect(|lag| batch.lag(*lag)).is_some();
        }
        Ok(told)
    }

    fn refused(&self, link: &Link) -> Result<(), Error> {
        let Some(text) = &self.refusal else { return Ok(()) };
        let lower = text.to_lowercase();
        if lower.contains("permissions violation for subscription") {
            return Err(Error::connection(format!(
                "{} forbids to listen: {text}; give the user the right",
                link.servers
            )));
        }
        tracing::warn!(error = text.as_str(), "the server complains");
        Ok(())
    }

    /// Waits for something new. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The link is gone.
    pub async fn changed(&mut self) -> Result<(), Error> {
        self.seen.changed().await.map_err(error::unexpected)
    }

    pub fn is_connected(&self) -> bool {
        self.is_connected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_tries_each_server_at_once_then_waits_longer_up_to_a_second() {
        let wanted = AtomicBool::new(false);
        let waits = [1, 2, 3, 4, 12, 500].map(|tries| delay(tries, 2, &wanted).as_millis());
        assert_eq!(waits, [0, 0, 50, 100, 500, 1_000]);
        assert_eq!(delay(1, 2, &AtomicBool::new(true)), UNWANTED_WAIT);
    }

    #[test]
    fn a_connection_that_was_lost_and_mended_between_two_looks_is_a_loss_all_the_same() {
        let seen = watch::Sender::new(Seen { is_connected: true, ..Seen::default() });
        note(&seen, Event::Disconnected);
        note(&seen, Event::Connected);
        let now = seen.borrow();
        assert_eq!((now.losses, now.is_connected), (1, true));
    }
}
