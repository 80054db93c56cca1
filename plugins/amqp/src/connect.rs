//! From an address to a channel: TCP, TLS, the handshake; and the driver's entry.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::{Channel, Connection, ConnectionProperties};
use siphon_sdk::{Capabilities, Context, Error, Finding, Source};

use crate::config::Config;
use crate::consume::Deliveries;
use crate::declare;
use crate::error::{self, Doing};
use crate::settle::{Judge, Wire};
use crate::tls::{self, TlsSettings};
use crate::uri::Address;
use crate::{KEYS, LABEL};

/// How long the broker may take to say goodbye after a failure.
const GOODBYE: Duration = Duration::from_secs(3);

/// The broker as a source of events.
pub struct Broker;

impl Source for Broker {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK
        .and(Capabilities::REJECT)
        .and(Capabilities::ATTEMPTS)
        .and(Capabilities::ORDER)
        .and(Capabilities::BATCH_SETTLE);
    type Config = Config;
    type Receiver = Deliveries;
    type Settler = Judge;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        config.findings(context)
    }

    async fn connect(config: Config, context: Context) -> Result<(Deliveries, Judge), Error> {
        let link = Link::open(&config, &context.agent).await?;
        match consume(&link, &config, &context).await {
            Ok(halves) => Ok(halves),
            Err(error) => {
                // The reason counts, not what becomes of the rest.
                let _ = tokio::time::timeout(GOODBYE, link.close()).await;
                Err(error)
            }
        }
    }
}

/// Declares, subscribes, and divides the link between the two halves.
async fn consume(link: &Arc<Link>, config: &Config, context: &Context) -> Result<(Deliveries, Judge), Error> {
    declare::topology(link, config, &context.topics).await?;
    let consumer = declare::consumer(link, config, context.workers).await?;
    let wire = Wire::new(Arc::clone(link), context.workers, config.prefetch(context.workers));
    let deliveries = Deliveries::new(consumer, Arc::clone(&wire), config);
    Ok((deliveries, Judge::new(wire, config)))
}

/// An open connection with its one channel.
pub struct Link {
    pub address: Address,
    pub channel: Channel,
    connection: Connection,
}

impl Link {
    /// Tries the brokers in turn.
    ///
    /// # Errors
    ///
    /// Why none of them can be used.
    pub async fn open(config: &Config, agent: &str) -> Result<Arc<Self>, Error> {
        let mut errors = Vec::new();
        for address in config.addresses() {
            match Self::to(address, config.client_tls.as_ref(), agent).await {
                Ok(link) => return Ok(Arc::new(link)),
                Err(error) => errors.push(error),
            }
        }
        Err(error::none_of(errors))
    }

    async fn to(address: Address, settings: Option<&TlsSettings>, agent: &str) -> Result<Self, Error> {
        let patience = address.patience;
        let opening = open(&address, settings, agent);
        let (connection, channel) =
            tokio::time::timeout(patience, opening).await.unwrap_or_else(|_| Err(error::too_late(&address)))?;
        Ok(Self { address, channel, connection })
    }

    /// What the broker did not do, in one line.
    pub fn refused(&self, doing: Doing<'_>, error: &lapin::Error) -> Error {
        error::refused(&self.address, doing, error)
    }

    /// Says goodbye and waits for the answer. Everything that was sent before is on the wire then.
    ///
    /// # Errors
    ///
    /// The connection was gone before.
    pub async fn close(&self) -> Result<(), Error> {
        let closed = self.connection.close(200, "siphon ends".into()).await;
        closed.map_err(|error| error::ended(&self.address, &error))
    }
}

async fn open(address: &Address, settings: Option<&TlsSettings>, agent: &str) -> Result<(Connection, Channel), Error> {
    let tls = address.is_tls.then(|| tls::connector(address, settings)).transpose()?;
    let runtime = lapin::runtime::default_runtime().map_err(error::unexpected)?;
    let not_reached = |error: io::Error| error::not_reached(address, &error);
    let dialling = async {
        match address.host.parse::<IpAddr>() {
            // Looking up a name takes a thread for ten seconds.
            Ok(ip) => AsyncTcpStream::connect(&runtime, SocketAddr::new(ip, address.port)).await,
            Err(_) => {
                let place = runtime.to_socket_addrs((address.host.clone(), address.port));
                AsyncTcpStream::connect(&runtime, place).await
            }
        }
    };
    let stream = dialling.await.map_err(not_reached)?;
    let mut cut = None;
    if let AsyncTcpStream::Plain(stream) = &stream {
        // An acknowledgement that waits for the one before costs 40 ms. A socket that cannot is not worth an error.
        let _ = stream.get_ref().set_nodelay(true);
        cut = Some(Cut::of(stream.get_ref()).map_err(not_reached)?);
    }
    let stream = match tls {
        Some(tls) => {
            let tls = RustlsConnector::from(tls);
            stream.into_rustls(&tls, tls::server_name(address)).await.map_err(not_reached)?
        }
        None => stream,
    };
    // The client wants to dial by itself; it gets what is dialled already.
    let dialled = Mutex::new(Some(stream));
    let dial = async move |_, _| {
        let taken = dialled.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    let connecting = Connection::connector(address.for_client(), runtime, dial, properties(agent));
    let refused = |error: lapin::Error| error::refused(address, Doing::Connecting, &error);
    let connection = boxed(connecting).await.map_err(refused)?;
    let channel = connection.create_channel().await.map_err(refused)?;
    if let Some(cut) = &mut cut {
        cut.is_armed = false;
    }
    Ok((connection, channel))
}

/// Ends a socket whose handshake was given up: the client's thread would wait at it for ever.
struct Cut {
    socket: std::net::TcpStream,
    is_armed: bool,
}

impl Cut {
    fn of(stream: &impl AsFd) -> io::Result<Self> {
        Ok(Self { socket: stream.as_fd().try_clone_to_owned()?.into(), is_armed: true })
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        if self.is_armed {
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }
}

/// The client's futures are large.
fn boxed<'a, F: Future + Send + 'a>(future: F) -> std::pin::Pin<Box<dyn Future<Output = F::Output> + Send + 'a>> {
    Box::pin(future)
}

/// How the broker's own tools show the connection.
fn properties(agent: &str) -> ConnectionProperties {
    ConnectionProperties::default()
        .with_connection_name(format!("siphon {agent}").into())
        .with_client_property("product".into(), "siphon".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
}
