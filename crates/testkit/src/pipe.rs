//! Modifiers and HTTP clients through the real plugin border, without a pipe: what a plugin's own tests need.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use siphon_core::abi::Kind;
pub use siphon_core::plugin::Changes;
use siphon_core::plugin::{
    Each, Ended, HttpClient, LendReply, LendRequest, Modifier, OpenOptions, Refused, Registered, Registry,
};
use tokio::time::Instant;

/// How long a plugin may take in a test. A call that is late fails; none waits for it on purpose.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that is lent to plugins. Everything may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainRequest {
    pub method: String,
    pub url: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub params: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A reply that is lent to plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainReply {
    pub status: Option<u16>,
    pub is_complete: bool,
    pub headers: Vec<(String, String)>,
    pub raw: Option<Vec<u8>>,
    /// JSON text.
    pub data: String,
}

impl LendRequest for PlainRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn query<'a>(&'a self, each: Each<'_, 'a>) {
        lend(&self.query, each);
    }

    fn headers<'a>(&'a self, each: Each<'_, 'a>) {
        lend(&self.headers, each);
    }

    fn params<'a>(&'a self, each: Each<'_, 'a>) {
        lend(&self.params, each);
    }

    fn body(&self) -> &[u8] {
        &self.body
    }
}

impl LendReply for PlainReply {
    fn status(&self) -> Option<u16> {
        self.status
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn headers<'a>(&'a self, each: Each<'_, 'a>) {
        lend(&self.headers, each);
    }

    fn raw(&self) -> Option<&[u8]> {
        self.raw.as_deref()
    }

    fn data(&self) -> &[u8] {
        self.data.as_bytes()
    }
}

fn lend<'a>(pairs: &'a [(String, String)], each: Each<'_, 'a>) {
    pairs.iter().for_each(|(name, value)| each(name.as_bytes(), value.as_bytes()));
}

/// The library that cargo built in `folder`, a package's own, loaded as siphon loads it.
///
/// # Panics
///
/// When it does not build or load.
pub fn loaded(folder: &str) -> Registry {
    registry(&crate::conformance::built(folder))
}

/// The library at `file`, loaded as siphon loads it.
///
/// # Panics
///
/// When it does not load.
pub fn registry(file: &Path) -> Registry {
    let mut registry = Registry::default();
    registry.load_file(file);
    assert!(registry.refusals().is_empty(), "{:?}", registry.refusals());
    registry
}

/// What is registered under `name`.
///
/// # Panics
///
/// When nothing is.
pub fn named(registry: &Registry, kind: Kind, name: &str) -> Arc<Registered> {
    Arc::clone(registry.in_pipe(kind, name).unwrap_or_else(|| panic!("{name} is not registered")))
}

/// What `siphon check` gets to hear about `config`, as path and message.
pub fn findings(plugin: &Registered, config: &str) -> Vec<(String, String)> {
    let found = plugin.check(&options(plugin, config)).into_iter();
    found.map(|finding| (finding.path.into(), finding.message.into())).collect()
}

/// The modifier `name` of `registry` with this configuration.
///
/// # Panics
///
/// When it does not open.
pub fn modifier(registry: &Registry, name: &str, config: &str) -> Modifier {
    let plugin = named(registry, Kind::MODIFIER, name);
    Modifier::open(&plugin, &options(&plugin, config)).unwrap_or_else(|error| panic!("{error}"))
}

/// The HTTP client `name` of `registry` with this configuration.
///
/// # Panics
///
/// When it does not open.
pub fn client(registry: &Registry, name: &str, config: &str) -> HttpClient {
    let plugin = named(registry, Kind::HTTP_CLIENT, name);
    HttpClient::open(&plugin, &options(&plugin, config)).unwrap_or_else(|error| panic!("{error}"))
}

fn options(plugin: &Registered, config: &str) -> OpenOptions {
    OpenOptions {
        agent: "test".to_owned(),
        namespace: plugin.main_key().to_owned(),
        topics: Vec::new(),
        config: config.to_owned(),
        workers: 1,
        read_ahead: 1,
        max_in_flight: 1,
        max_bytes: u64::MAX,
    }
}

/// What `modifier` makes of a request: `None`, nothing.
///
/// # Errors
///
/// It fails the event.
pub async fn change_request(modifier: &Modifier, request: &PlainRequest) -> Ended {
    modifier.request(Arc::new(request.clone()), Instant::now() + PATIENCE).await
}

/// What `modifier` makes of a reply to `request`.
///
/// # Errors
///
/// It fails the event.
pub async fn change_reply(modifier: &Modifier, request: &PlainRequest, reply: &PlainReply) -> Ended {
    modifier.reply(Arc::new(request.clone()), Arc::new(reply.clone()), Instant::now() + PATIENCE).await
}

/// What `client` answers.
///
/// # Errors
///
/// There is no answer.
pub async fn call(client: &HttpClient, request: &PlainRequest) -> Result<Changes, Refused> {
    client.call(Arc::new(request.clone()), Instant::now() + PATIENCE).await
}
