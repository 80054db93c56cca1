//! The HTTP call of one backend as a stack of its own (pipeline.md §4.18), below the stages and above the connections.
//!
//! ```text
//! around the call (once an event) → redirects → around each hop (once a request) → connections
//!                                 └ or something that calls in another way, instead of all that is right of it
//! ```
//!
//! A layer may change the call, answer by itself ([`Answer::from_memory`]), or look at what came back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue, Method, Uri};
use bytes::Bytes;
use tokio::time::Instant;

use super::answer::Answer;
use super::client::Client;
use super::redirect::{self, REDIRECT_LIMIT, RedirectPolicy};
use crate::error::{Call, PipeError};
use crate::stage::Context;

/// Makes an answer of a call.
///
/// Built once and called for many events at once. Dropping the future gives the call up; what was sent stays sent.
/// A status is no error here: what counts as a success is judged above.
pub trait Exchange: Send + Sync {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a>;
}

/// The head of a reply with its body still to be read, or why there is none.
pub type ExchangeFuture<'a> = Pin<Box<dyn Future<Output = Result<Answer, PipeError>> + Send + 'a>>;

/// One call, its headers without those that belong to the connection. Cloning copies no payload and no header.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub method: Method,
    /// The whole URL.
    pub url: Uri,
    pub headers: Arc<HeaderMap>,
    pub body: Bytes,
    /// What `Host` says instead of the URL's host. The call goes where the URL says.
    pub host: Option<HeaderValue>,
    /// Whether a redirect leads to another host than the configured one. A layer that signs or adds a token leaves such
    /// a call alone: its secret is not for that host.
    pub is_abroad: bool,
    /// When a connection must be open, because another host could be asked instead; `None`: the event's deadline.
    pub connect_by: Option<Instant>,
}

impl Outgoing {
    /// A call to a host of the configuration.
    pub fn new(method: Method, url: Uri, headers: Arc<HeaderMap>, body: Bytes) -> Self {
        Self { method, url, headers, body, host: None, is_abroad: false, connect_by: None }
    }

    /// As error texts name it.
    pub fn call(&self) -> Call {
        Call::new(&self.method, &self.url)
    }
}

/// Calls, and follows redirects as the backend's configuration says.
pub(crate) struct Following {
    pub below: Below,
    pub policy: RedirectPolicy,
}

/// What makes one hop. A plain backend costs no second box.
pub(crate) enum Below {
    Client(Arc<Client>),
    Layers(Box<dyn Exchange>),
}

impl Below {
    pub fn boxed(self) -> Box<dyn Exchange> {
        match self {
            Self::Client(client) => Box::new(client),
            Self::Layers(layers) => layers,
        }
    }

    async fn hop(&self, call: &Outgoing, context: &Context) -> Result<Answer, PipeError> {
        match self {
            Self::Client(client) => client.send(call).await,
            Self::Layers(layers) => layers.exchange(call.clone(), context).await,
        }
    }
}

impl Exchange for Following {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        Box::pin(self.follow(call, context))
    }
}

impl Following {
    /// # Errors
    ///
    /// Those of a hop; `Redirect` after too many, or when one leads to a place that cannot be called.
    async fn follow(&self, call: Outgoing, context: &Context) -> Result<Answer, PipeError> {
        let mut call = call;
        for _ in 0..=REDIRECT_LIMIT {
            let answer = self.below.hop(&call, context).await?;
            let next = redirect::next(&call, answer.status, &answer.headers, self.policy);
            match next.map_err(|reason| PipeError::Redirect { call: call.call(), reason })? {
                None => return Ok(answer),
                Some(next) => {
                    Box::pin(answer.discard()).await; // rare, and not to be moved with each call
                    call = next;
                }
            }
        }
        let reason = format!("stopped after {REDIRECT_LIMIT} redirects");
        Err(PipeError::Redirect { call: call.call(), reason })
    }
}
