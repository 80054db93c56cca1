//! An HTTP backend that does what a test tells it to: answer, be slow, hang up, talk garbage, be down.
//!
//! It speaks HTTP/1.1 over plain TCP on loopback, from a thread of its own, so that it serves tests with and without a
//! runtime. Everything that it saw is recorded.

mod reply;
mod serve;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

pub use reply::Reply;
pub use wire::Request;

use crate::Watched;

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// What a backend saw.
#[derive(Debug, Default)]
pub struct Log {
    /// In the order of their arrival.
    pub requests: Vec<Request>,
    /// Requests that are being answered.
    pub running: usize,
    /// Most requests at once.
    pub most_running: usize,
    /// Connections that were accepted.
    pub connections: usize,
    /// Connections and listeners that are open.
    open: usize,
    /// How many requests came for each path: looking through all would take longer with each.
    by_path: HashMap<String, usize>,
}

impl Log {
    /// Counts a request for `path`; which one it is, from 1.
    fn count(&mut self, path: &str) -> usize {
        let count = self.by_path.entry(path.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// Bodies of the requests for `path`, as text.
    pub fn bodies(&self, path: &str) -> Vec<String> {
        let requests = self.requests.iter().filter(|request| request.path == path);
        requests.map(Request::text).collect()
    }
}

/// What the backend's tasks share.
struct Shared {
    log: Watched<Log>,
    scripts: std::sync::RwLock<BTreeMap<String, Script>>,
    /// Lets replies go that are [held](Reply::held).
    released: watch::Sender<bool>,
    is_down: watch::Sender<bool>,
}

/// A running backend. Dropping it ends it and its connections.
pub struct HttpBackend {
    shared: Arc<Shared>,
    address: SocketAddr,
    runtime: Handle,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl HttpBackend {
    /// A backend on a free port of loopback that answers `200 {}` to everything.
    ///
    /// # Panics
    ///
    /// When the system gives no port or thread.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (handle, shared) = (runtime.handle().clone(), Arc::new(Shared::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        runtime.spawn(serve::accept(listen(&handle, listener), Arc::clone(&shared)));
        let run = move || drop(runtime.block_on(stopped));
        let thread = std::thread::Builder::new().name("http-backend".into()).spawn(run).expect("a thread");
        Self { shared, address, runtime: handle, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`, for a backend's `host`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every request for `path` (without its query) with what `script` says. The first request of a path has
    /// [`Request::nth`] 1.
    pub fn script(&self, path: &str, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> &Self {
        let mut scripts = self.shared.scripts.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        scripts.insert(path.to_owned(), Arc::new(script));
        drop(scripts);
        self
    }

    /// Answers every request for `path` with `reply`.
    pub fn answer(&self, path: &str, reply: Reply) -> &Self {
        self.script(path, move |_| reply.clone())
    }

    /// Answers the first `count` requests for `path` with `reply`, later ones with `200 {}`.
    pub fn fail_first(&self, path: &str, count: usize, reply: Reply) -> &Self {
        self.script(path, move |request| if request.nth <= count { reply.clone() } else { Reply::json(200, "{}") })
    }

    /// Refuses connections, and cuts those that are open.
    pub fn go_down(&self) {
        self.shared.is_down.send_replace(true);
        self.shared.log.wait_until("sockets to be closed", |log| log.open == 0);
    }

    /// Listens again, on the same port.
    ///
    /// # Panics
    ///
    /// When somebody else took the port meanwhile.
    pub fn come_back(&self) {
        self.shared.is_down.send_replace(false);
        let listener = std::net::TcpListener::bind(self.address).expect("the port is still free");
        self.runtime.spawn(serve::accept(listen(&self.runtime, listener), Arc::clone(&self.shared)));
    }

    /// Lets all [held](Reply::held) replies go, now and later.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Looks at what came so far.
    pub fn look<R>(&self, look: impl FnOnce(&Log) -> R) -> R {
        self.shared.log.look(look)
    }

    /// Copies of all requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.look(|log| log.requests.clone())
    }

    /// Blocks until `condition` holds. In async tests: inside `spawn_blocking`.
    ///
    /// # Panics
    ///
    /// When it does not hold within 60 s.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Log) -> bool) {
        self.shared.log.wait_until(what, condition);
    }
}

impl Shared {
    fn new() -> Self {
        let (released, is_down) = (watch::Sender::new(false), watch::Sender::new(false));
        Self { log: Watched::default(), scripts: std::sync::RwLock::default(), released, is_down }
    }

    /// What the script of the request's path says.
    fn reply_to(&self, request: &Request) -> Reply {
        let scripts = self.scripts.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let script = scripts.get(&request.path).cloned();
        drop(scripts);
        script.map_or_else(|| Reply::json(200, "{}"), |script| script(request))
    }
}

/// A socket for tokio; the runtime's context is needed for that alone.
fn listen(runtime: &Handle, listener: std::net::TcpListener) -> TcpListener {
    let _context = runtime.enter();
    listener.set_nonblocking(true).expect("a socket that does not block");
    TcpListener::from_std(listener).expect("a socket of this runtime")
}

impl Drop for HttpBackend {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for HttpBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpBackend({})", self.address)
    }
}
