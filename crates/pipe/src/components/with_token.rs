//! Calls with a token that somebody else gives out.
//!
//! A token is fetched once for all events that wait for it, and fetched anew once when the backend answers 401 to one that
//! was kept.

use std::sync::Arc;

use ::http::header::{HeaderName, HeaderValue};
use ::http::{StatusCode, Uri};
use siphon_telemetry::redact;

use super::renewed::Renewed;
use crate::error::PipeError;
use crate::hosts::is_callable;
use crate::http::{Answer, Exchange, ExchangeFuture, Outgoing};
use crate::stage::Context;

/// Around each hop: calls to hosts of the configuration get the token.
pub(super) struct WithToken {
    /// What `header` says.
    pub token: Renewed<HeaderValue>,
    /// What the call had under this name is replaced.
    pub header: HeaderName,
    pub below: Box<dyn Exchange>,
}

impl Exchange for WithToken {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        if call.is_abroad {
            return self.below.exchange(call, context);
        }
        Box::pin(self.call(call, context))
    }
}

impl WithToken {
    async fn call(&self, call: Outgoing, context: &Context) -> Result<Answer, PipeError> {
        let (token, is_new) = self.token(&call).await?;
        let answer = self.below.exchange(self.signed(&call, &token), context).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.token.forget(&token);
        if is_new {
            return Ok(answer);
        }
        answer.discard().await;
        let (token, _) = self.token(&call).await?;
        self.below.exchange(self.signed(&call, &token), context).await
    }

    async fn token(&self, call: &Outgoing) -> Result<(Arc<HeaderValue>, bool), PipeError> {
        self.token.get().await.map_err(|unavailable| unavailable.for_call(call.call()))
    }

    fn signed(&self, call: &Outgoing, token: &HeaderValue) -> Outgoing {
        let mut call = call.clone();
        Arc::make_mut(&mut call.headers).insert(self.header.clone(), token.clone());
        call
    }
}

/// A URL of the configuration.
///
/// # Errors
///
/// A sentence when it cannot be called.
pub(super) fn callable(text: &str) -> Result<Uri, String> {
    let is_http = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https"));
    let url = text.parse::<Uri>().ok().filter(|url| is_http(url) && url.authority().is_some_and(is_callable));
    url.ok_or_else(|| {
        format!("{} is no http or https URL; write it whole, with scheme and host", redact::written(text))
    })
}
