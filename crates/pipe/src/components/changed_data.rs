//! What the components share that change the data of a reply.

use siphon_config::model::{Backend, Component, Encoding};

use super::{Checked, Site};
use crate::error::PipeError;
use crate::json::Json;
use crate::message::{Reply, Request};
use crate::stage::{Context, Stage, StageFuture};

/// Puts `change`d data in the place of those of a reply; a failed call stays as it is.
pub(super) struct Changed<C> {
    pub change: C,
    /// The namespace, for errors.
    pub source: &'static str,
    pub inner: Box<dyn Stage>,
}

impl<C: Fn(Json) -> Result<Json, String> + Send + Sync> Stage for Changed<C> {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let mut reply = self.inner.call(request, context).await;
            let (Some(response), None) = (&mut reply.response, &reply.error) else { return reply };
            match (self.change)(std::mem::take(&mut response.data)) {
                Ok(data) => response.data = data,
                Err(reason) => {
                    let reason = format!("{}: {reason}", self.source);
                    return Reply::from(PipeError::Invalid { reason });
                }
            }
            reply
        })
    }
}

/// With `no-op` there are no data: the component would silently do nothing.
pub(super) fn refuse_without_data(component: &Component, site: &Site<'_>) -> Checked<()> {
    let has_none = |backend: &Backend| backend.encoding == Encoding::NoOp;
    let has_none = match site.backend {
        Some(backend) => has_none(backend),
        None => !site.agent.backends.is_empty() && site.agent.backends.iter().all(has_none),
    };
    if !has_none {
        return Ok(());
    }
    Err(vec![component.problem("", "has no data to change with encoding no-op; set another encoding")])
}
