//! The event that a Lua state works on: what its scripts see of it, and what they have changed.

use std::sync::{Arc, Mutex, PoisonError};

use ::http::Uri;
use bytes::Bytes;
use mlua::Lua;

use super::call::Finished;
use super::data::{Allowance, Node};
use crate::components::Level;
use crate::http::Outgoing;
use crate::json::Json;
use crate::message::{Request, Response};

/// One event, between the stage and the functions that its scripts call.
#[derive(Debug)]
pub(super) struct Event {
    pub level: Level,
    pub request: Request,
    /// What a script has set of a request that has none yet, to be read again by it (agent).
    pub written: Written,
    /// There once the layer below has answered.
    pub response: Option<Response>,
    /// The response's data, where a script has asked for it.
    pub data: Option<Node>,
    pub allowance: Allowance,
    /// Seeded by the script; `None`: the thread's.
    pub random: Option<fastrand::Rng>,
    /// A call that the script waits for.
    pub call: Option<Outgoing>,
    pub finished: Option<Result<Finished, String>>,
}

/// Parts of a request that the layers below set anew.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub method: Option<String>,
    pub path: Option<String>,
    pub url: Option<String>,
}

impl Event {
    pub fn new(level: Level, request: Request) -> Self {
        Self {
            level,
            request,
            written: Written::default(),
            response: None,
            data: None,
            allowance: Allowance::default(),
            random: None,
            call: None,
            finished: None,
        }
    }

    /// The request for the layer below. What stays here has no payload any more.
    pub fn hand_over(&mut self) -> Request {
        let request = self.request.clone();
        self.request.body = Bytes::new();
        request
    }

    /// The data, taken apart at its first level.
    pub fn data(&mut self) -> Node {
        let Self { response, data, .. } = self;
        let given = || response.as_ref().and_then(|response| Node::of(&response.data)).unwrap_or_else(Node::table);
        data.get_or_insert_with(given).clone()
    }

    /// The response with what the scripts have made of it.
    ///
    /// # Errors
    ///
    /// A sentence when the data cannot be written.
    pub fn answer(&mut self) -> Result<Response, String> {
        let mut response = self.response.take().unwrap_or_default();
        if let Some(data) = self.data.take() {
            response.data = super::data::Item::Open(data).to_json(&mut Allowance::default())?;
        }
        Ok(response)
    }

    /// Where the call goes; empty at the agent's level.
    pub fn url(&self) -> Option<&Uri> {
        (self.level == Level::Backend).then_some(&self.request.url)
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new(Level::Agent, Request::default())
    }
}

/// What `skip_next` gives to `post`, and to the layers above.
pub(super) fn skipped() -> Response {
    Response { complete: false, data: Json::object(crate::json::Object::new()), ..Response::default() }
}

/// The event of a state, for the functions that its scripts call.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Event>>);

impl Shared {
    /// The event that `lua` works on.
    pub fn with<T>(&self, act: impl FnOnce(&mut Event) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, by the state that works on it.
    pub fn of<T>(lua: &Lua, act: impl FnOnce(&mut Event) -> mlua::Result<T>) -> mlua::Result<T> {
        let shared = lua.app_data_ref::<Self>().ok_or_else(|| mlua::Error::runtime("no event"))?;
        shared.with(act)
    }
}
