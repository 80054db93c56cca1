//! Backends of plugins that publish: the event goes on when the broker has confirmed.

use std::sync::Arc;

use siphon_core::abi::ErrorKind;
use siphon_core::plugin::{DriverError, Outgoing, Sink};
use siphon_pipe::{Context, PipeError, Request, Response, Stage, StageFuture};

/// The innermost stage of a backend that publishes.
pub(super) struct Publishing {
    pub sink: Sink,
    pub namespace: Arc<str>,
}

impl Stage for Publishing {
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        let published = self.sink.publish(&[outgoing(request)]);
        Box::pin(async move {
            match published.await.1 {
                Ok(()) => Ok(Response::empty()).into(),
                Err(error) => self.failed(error).into(),
            }
        })
    }
}

impl Publishing {
    fn failed(&self, error: DriverError) -> PipeError {
        PipeError::Plugin {
            namespace: Arc::clone(&self.namespace),
            is_connection: error.kind == ErrorKind::CONNECTION,
            reason: error.message,
        }
    }
}

fn outgoing(request: Request) -> Outgoing {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = request.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
    let params = request.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Outgoing { payload: request.body, headers: headers.collect(), attributes: params.collect(), ..Outgoing::default() }
}
