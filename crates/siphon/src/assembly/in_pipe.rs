//! Plugins in the pipe: modifiers around its stages, HTTP clients in the place of its own.

use std::sync::Arc;

use http::StatusCode;
use siphon_config::model::{Agent, Component, Config};
use siphon_config::{Document, Problem};
use siphon_core::abi::{ErrorKind, Kind};
use siphon_core::plugin::{Changes, HttpClient, Modifier, Refused, Registry};
use siphon_pipe::http::{Answer, Exchange, ExchangeFuture, Outgoing, REPLY_LIMIT};
use siphon_pipe::{Checked, Context, PipeError, Reply, Request, Response, Site, Stage, StageFuture};

use super::chosen::{self, Chosen, chosen};
use super::lent::{LentReply, LentRequest, header_map};
use super::{is_refused, placed, severity};

/// What the plugins have to say about their settings in pipes, with the places in the file. Settings that their schema has
/// refused are not shown to them.
pub(super) fn findings(registry: &Registry, config: &Config, document: &Document, known: &[Problem]) -> Vec<Problem> {
    let of_one = |(kind, agent, component): (Kind, &Agent, &Component)| match chosen(registry, kind, component, agent) {
        Err(problems) => problems.into_iter().map(|problem| placed(problem, document)).collect(),
        Ok(all) => {
            let is_told = |one: &&Chosen<'_>| is_refused(known, &chosen::path(component, &one.name, ""));
            let unsaid = all.iter().filter(|one| !is_told(one));
            unsaid.flat_map(|one| said_by(one, component, document)).collect::<Vec<_>>()
        }
    };
    chosen::places(config).flat_map(of_one).collect()
}

fn said_by(one: &Chosen<'_>, component: &Component, document: &Document) -> Vec<Problem> {
    let found = one.plugin.check(&one.options).into_iter();
    let problem = |finding: siphon_core::abi::Finding| {
        let path = chosen::path(component, &one.name, &finding.path);
        Problem { severity: severity(finding.weight), ..document.problem_at(&path, &finding.message) }
    };
    found.map(problem).collect()
}

/// The modifiers that `component` names, around `inner`.
pub(super) fn modified(
    registry: &Registry,
    component: &Component,
    site: &Site<'_>,
    inner: Box<dyn Stage>,
) -> Checked<Box<dyn Stage>> {
    let mut links = Vec::new();
    for Chosen { name, plugin, options } in chosen(registry, Kind::MODIFIER, component, site.agent)? {
        let modifier = Modifier::open(plugin, &options);
        let modifier =
            modifier.map_err(|error| vec![chosen::problem(component, &name, &error.path, &error.message)])?;
        links.push(Link { modifier, speaker: Speaker(format!("modifier {name}").into()) });
    }
    let has_requests = links.iter().any(|link| link.modifier.has_requests());
    let has_replies = links.iter().any(|link| link.modifier.has_replies());
    Ok(Box::new(Modified { links, is_agent: site.backend.is_none(), has_requests, has_replies, inner }))
}

/// The HTTP client that `component` names.
pub(super) fn client(registry: &Registry, component: &Component, site: &Site<'_>) -> Checked<Box<dyn Exchange>> {
    let Some(Chosen { name, plugin, options }) =
        chosen(registry, Kind::HTTP_CLIENT, component, site.agent)?.into_iter().next()
    else {
        return Err(vec![component.problem("", "names no plugin; write \"name\": \"…\"")]);
    };
    let client = HttpClient::open(plugin, &options)
        .map_err(|error| vec![chosen::problem(component, &name, &error.path, &error.message)])?;
    Ok(Box::new(Client { client, speaker: Speaker(format!("HTTP client {name}").into()) }))
}

/// Who speaks in errors: `modifier tenant`.
struct Speaker(Arc<str>);

impl Speaker {
    fn refused(&self, refused: Refused) -> PipeError {
        PipeError::Refused {
            name: Arc::clone(&self.0),
            is_connection: refused.kind == ErrorKind::CONNECTION,
            is_late: refused.kind == ErrorKind::TIMED_OUT,
            reason: refused.message,
            status: refused.status,
            content_type: refused.content_type,
        }
    }

    /// What came back is of no use.
    fn broke(&self, reason: String) -> PipeError {
        let name = Arc::clone(&self.0);
        PipeError::Refused { name, reason, status: None, content_type: None, is_connection: false, is_late: false }
    }
}

struct Link {
    modifier: Modifier,
    speaker: Speaker,
}

/// A chain of modifiers: requests pass it from the first to the last, and so do replies, where nothing failed.
struct Modified {
    links: Vec<Link>,
    /// Around an agent's backends, not around one call.
    is_agent: bool,
    has_requests: bool,
    has_replies: bool,
    inner: Box<dyn Stage>,
}

impl Stage for Modified {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let request = match self.down(request, context).await {
                Ok(request) => request,
                Err(error) => return error.into(),
            };
            if !self.has_replies {
                return self.inner.call(request, context).await;
            }
            let asked = request.clone();
            match self.inner.call(request, context).await {
                Reply { response: Some(response), error: None } => self.up(asked, response, context).await.into(),
                failed => failed,
            }
        })
    }
}

impl Modified {
    fn lent(&self, request: Request) -> Arc<LentRequest> {
        Arc::new(if self.is_agent { LentRequest::of_agent(request) } else { LentRequest::of_backend(request) })
    }

    async fn down(&self, request: Request, context: &Context) -> Result<Request, PipeError> {
        if !self.has_requests {
            return Ok(request);
        }
        let mut lent = self.lent(request);
        for Link { modifier, speaker } in self.links.iter().filter(|link| link.modifier.has_requests()) {
            let ended = modifier.request(lent.clone(), context.deadline).await;
            if let Some(changes) = ended.map_err(|refused| speaker.refused(refused))? {
                lent = Arc::new(lent.changed(changes).map_err(|reason| speaker.broke(reason))?);
            }
        }
        Ok(LentRequest::take(lent))
    }

    async fn up(&self, asked: Request, response: Response, context: &Context) -> Result<Response, PipeError> {
        let (asked, mut lent) = (self.lent(asked), Arc::new(LentReply::new(response)));
        for Link { modifier, speaker } in self.links.iter().filter(|link| link.modifier.has_replies()) {
            let ended = modifier.reply(asked.clone(), lent.clone(), context.deadline).await;
            if let Some(changes) = ended.map_err(|refused| speaker.refused(refused))? {
                lent = Arc::new(LentReply::changed(lent, changes).map_err(|reason| speaker.broke(reason))?);
            }
        }
        Ok(LentReply::take(lent))
    }
}

/// A plugin that makes the call.
struct Client {
    client: HttpClient,
    speaker: Speaker,
}

impl Exchange for Client {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        Box::pin(async move {
            let changes = self.client.call(Arc::new(LentRequest::of_call(&call)), context.deadline).await;
            self.answer(&call, changes.map_err(|refused| self.speaker.refused(refused))?)
        })
    }
}

impl Client {
    fn answer(&self, call: &Outgoing, changes: Changes) -> Result<Answer, PipeError> {
        let Changes { status, headers, body, .. } = changes;
        let (code, body) = (status.unwrap_or(200), body.unwrap_or_default());
        let status = StatusCode::from_u16(code);
        let status = status.map_err(|_| self.speaker.broke(format!("returned the status {code}, which is none")))?;
        let headers = header_map(headers.unwrap_or_default()).map_err(|reason| self.speaker.broke(reason))?;
        if body.len() > REPLY_LIMIT {
            return Err(PipeError::Oversized { call: call.call(), limit: REPLY_LIMIT });
        }
        Ok(Answer::from_memory(call, status, headers, body))
    }
}
