//! `modifier/martian`: modifiers change a backend's calls and their answers (components-scripting.md §3).
//!
//! The configuration becomes two trees at load, one for calls and one for answers, with everything parsed that can be.
//! They stand around redirects and all below: a call is changed once, before its first hop, and the answer of its last.

mod body;
mod cookie;
mod filter;
mod group;
mod header;
mod message;
mod ranges;
mod read;
mod schema;
mod scope;
mod stash;
mod static_file;
mod status;
mod url;

use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use siphon_config::model::Component;

use super::{Build, Checked, Entry, Layer, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::http::{Answer, Exchange, ExchangeFuture, Outgoing};
use crate::stage::Context;

use message::{Act, Received, Sent};
use read::Reader;
use static_file::{File, Folder};

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["modifier/martian", "github.com/devopsfaith/krakend-martian"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "changes calls and answers with modifiers",
    schema: schema::schema,
    build: Build::Exchange(Layer::AroundCall(build)),
};

struct Martian {
    on_call: Option<Act<Sent>>,
    on_answer: Option<Act<Received>>,
    /// Where modifiers of answers take files from.
    folders: Vec<Folder>,
    below: Box<dyn Exchange>,
}

impl Exchange for Martian {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        match self.outgoing(call) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok((call, false)) if self.on_answer.is_none() => self.below.exchange(call, context),
            Ok((call, is_answered)) => Box::pin(self.call(call, is_answered, context)),
        }
    }
}

impl Martian {
    /// The call as it goes out, and whether nobody is called.
    fn outgoing(&self, call: Outgoing) -> Result<(Outgoing, bool), PipeError> {
        let Some(act) = &self.on_call else { return Ok((call, false)) };
        let mut sent = Sent::new(call);
        act.modify(&mut sent).map_err(invalid)?;
        sent.finish()
    }

    async fn call(&self, call: Outgoing, is_answered: bool, context: &Context) -> Result<Answer, PipeError> {
        let answer = match is_answered {
            true => Answer::from_memory(&call, StatusCode::OK, HeaderMap::new(), Bytes::new()),
            false => self.below.exchange(call.clone(), context).await?,
        };
        match &self.on_answer {
            Some(act) => self.incoming(act, call, answer).await,
            None => Ok(answer),
        }
    }

    async fn incoming(&self, act: &Act<Received>, call: Outgoing, answer: Answer) -> Result<Answer, PipeError> {
        let mut answer = answer;
        if answer.is_packed() {
            answer.load().await?; // modifiers see the headers of what was packed
        }
        let files = self.files(&call, &answer).await?;
        let mut received = Received::new(&answer, call, files);
        act.modify(&mut received).map_err(invalid)?;
        if let Some(body) = received.body {
            answer.replace_body(body).await;
        }
        (answer.status, answer.headers) = (received.status, received.headers);
        Ok(answer)
    }

    async fn files(&self, call: &Outgoing, answer: &Answer) -> Result<Vec<Option<File>>, PipeError> {
        let mut files = Vec::with_capacity(self.folders.len());
        for folder in &self.folders {
            let failed = |reason| PipeError::Transport { call: call.call(), reason };
            files.push(folder.read(answer.url.path()).await.map_err(failed)?);
        }
        Ok(files)
    }
}

fn invalid(reason: String) -> PipeError {
    PipeError::Invalid { reason }
}

fn build(component: &Component, site: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    let mut reader = Reader::default();
    let acts = reader.modifier(component)?;
    if reader.needs_tls {
        site.client.prepare_tls().map_err(|message| vec![component.problem("", &message)])?;
    }
    Ok(Box::new(Martian { on_call: acts.on_call, on_answer: acts.on_answer, folders: reader.folders, below }))
}

#[cfg(test)]
mod tests;
