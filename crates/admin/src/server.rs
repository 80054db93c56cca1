//! The sockets: taking the port, connections with bounds, an end that lets answers finish.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use siphon_telemetry::Metrics;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::answer::{self, Answer};
use crate::body::{self, BodyError};
use crate::debug::{self as debug_endpoint, Debug};
use crate::echo;
use crate::health::{HealthSource, health_json};
use crate::route::{Route, Routes};

/// Connections that are open at once; later ones wait in the kernel's queue. Health needs one.
const CONNECTIONS: usize = 1_024;
/// Longest time between the start of a connection, or an answer, and the end of the next request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time that answers under way may take after the service was told to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection (no descriptors left): without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the service listens and what it offers.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Address to listen on; `None` for all of them, IPv6 and IPv4.
    pub ip: Option<IpAddr>,
    /// Port to listen on; 0 for any free one.
    pub port: u16,
    /// Path of health; `None` switches it off.
    pub health_path: Option<String>,
    /// Whether `/__debug` exists.
    pub debug: bool,
    /// Whether `/__echo` exists.
    pub echo: bool,
}

/// The port could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen on {address}: it is taken; stop the program that holds it or set another \"port\"")]
    Taken { address: SocketAddr },
    #[error("cannot listen on {address}: not allowed; ports below 1024 need privileges, set another \"port\"")]
    NotAllowed { address: SocketAddr },
    #[error("cannot listen on {address}: {source}; \"listen_ip\" has to be an address of this machine")]
    Other { address: SocketAddr, source: io::Error },
}

/// The service, holding its port and not answering yet.
#[derive(Debug)]
pub struct Admin {
    listener: StdListener,
    address: SocketAddr,
    routes: Routes,
    started: SystemTime,
    head_timeout: Duration,
    metrics: Option<Metrics>,
}

impl Admin {
    /// Takes the port. Clients can connect from now on; they are answered once [`serve`](Self::serve) runs.
    ///
    /// # Errors
    ///
    /// [`BindError`] says which address and what to do.
    pub fn bind(settings: AdminSettings) -> Result<Self, BindError> {
        let AdminSettings { ip, port, health_path, debug, echo } = settings;
        let listener = listen(ip, port)?;
        let asked = SocketAddr::new(ip.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port);
        let failed = |source| BindError::Other { address: asked, source };
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let routes = Routes { health_path, metrics: false, debug, echo };
        Ok(Self { listener, address, routes, started: SystemTime::now(), head_timeout: HEAD_TIMEOUT, metrics: None })
    }

    /// Closes connections on which no whole request head arrives within `limit`. Default: 60 s.
    pub fn with_head_timeout(mut self, limit: Duration) -> Self {
        self.head_timeout = limit;
        self
    }

    /// Shows these under `/metrics`. Without there is no such path.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.routes.metrics = true;
        self.metrics = Some(metrics);
        self
    }

    /// The address that was taken, with its real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is ready, then lets answers under way finish, at most 5 s. Has to run in a tokio
    /// runtime of any kind, with IO and time. Dropping the future ends every connection at once.
    ///
    /// # Errors
    ///
    /// Where the runtime cannot watch the socket.
    pub async fn serve(self, reports: Arc<dyn HealthSource>, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let endpoints = Endpoints {
            routes: self.routes,
            started: self.started,
            head_timeout: self.head_timeout,
            reports,
            metrics: self.metrics.unwrap_or_default(),
            debug: Debug::default(),
        };
        let (stop, stopping) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::select! {
            () = shutdown => {}
            () = accept(&listener, &mut connections, Arc::new(endpoints), stopping) => {}
        }
        drop(listener);
        drop(stop);
        let ended = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(SHUTDOWN_LIMIT, ended).await;
        Ok(())
    }
}

/// With `ip` absent: one socket for IPv6 and IPv4, or for IPv4 alone where the machine has no IPv6.
fn listen(ip: Option<IpAddr>, port: u16) -> Result<StdListener, BindError> {
    let all = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    match (listen_on(SocketAddr::new(ip.unwrap_or(all), port)), ip) {
        (Err(BindError::Other { .. }), None) => listen_on(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)),
        (result, _) => result,
    }
}

fn listen_on(address: SocketAddr) -> Result<StdListener, BindError> {
    StdListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address },
        io::ErrorKind::PermissionDenied => BindError::NotAllowed { address },
        _ => BindError::Other { address, source },
    })
}

/// Takes connections for ever, as many at once as are allowed. Ends only by being dropped.
async fn accept(
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
    endpoints: Arc<Endpoints>,
    stopping: watch::Receiver<()>,
) {
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&endpoints), stopping.clone()));
            }
            Err(error) => {
                warn!(service = "Admin", %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, to its end. A client that breaks off or talks something else than HTTP is its own problem.
async fn converse(stream: TcpStream, endpoints: Arc<Endpoints>, mut stopping: watch::Receiver<()>) {
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(endpoints.head_timeout);
    let service = service_fn(move |request| {
        let endpoints = Arc::clone(&endpoints);
        async move { Ok::<_, Infallible>(endpoints.answer(request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(service = "Admin", %error, "connection ended early");
    }
}

/// What all connections share.
struct Endpoints {
    routes: Routes,
    started: SystemTime,
    head_timeout: Duration,
    reports: Arc<dyn HealthSource>,
    metrics: Metrics,
    debug: Debug,
}

impl Endpoints {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let route = self.routes.route(request.method(), request.uri().path());
        let answer = match route {
            Route::Health => answer::json(StatusCode::OK, self.health()),
            Route::Metrics => answer::metrics(self.metrics.text()),
            Route::Debug => self.debug(request).await,
            Route::Echo => echo_of(request).await,
            Route::WrongMethod { allowed } => answer::wrong_method(allowed),
            Route::NotFound => answer::not_found(),
        };
        debug!(service = "Admin", ?route, status = answer.status().as_u16(), "request answered");
        answer
    }

    fn health(&self) -> String {
        health_json(self.reports.report(), SystemTime::now(), self.started)
    }

    async fn debug(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        match body::read(body, debug_endpoint::SHOWN_BODY, debug_endpoint::BODY_LIMIT).await {
            Ok(arrived) => self.debug.answer(&head, &arrived),
            Err(error) => refusal(&error),
        }
    }
}

async fn echo_of(request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    match body::read(body, echo::BODY_LIMIT, echo::BODY_LIMIT as u64).await {
        Ok(arrived) => echo::answer(&head, &arrived),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &BodyError) -> Answer {
    let status = match error {
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken(_) => StatusCode::BAD_REQUEST,
    };
    answer::text(status, error.to_string())
}
