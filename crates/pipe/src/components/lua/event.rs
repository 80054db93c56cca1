//! The event that a Lua state works on: what its scripts see of it, and what they have changed.

use std::sync::{Arc, Mutex, PoisonError};

use ::http::Uri;
use bytes::Bytes;
use mlua::Lua;

use super::call::{Finished, SharedReply};
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
    /// Objects, arrays and replies that scripts have hands on. Lua lets go of those when its collector comes by, which
    /// does not know how large they are.
    handed: Vec<Handed>,
}

#[derive(Debug)]
enum Handed {
    Node(Node),
    Reply(SharedReply),
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
            handed: Vec::new(),
        }
    }

    /// A script gets hands on `node`, which is new.
    pub fn note(&mut self, node: &Node) {
        self.handed.push(Handed::Node(node.clone()));
    }

    /// A hand on a reply, for a script.
    pub fn hand_reply(&mut self, reply: Finished) -> SharedReply {
        let reply = SharedReply::new(reply);
        self.handed.push(Handed::Reply(reply.clone()));
        reply
    }

    /// The request for the layer below. What stays here has no payload any more.
    pub fn hand_over(&mut self) -> Request {
        let request = self.request.clone();
        self.request.body = Bytes::new();
        request
    }

    /// The data, taken apart at its first level.
    pub fn data(&mut self) -> Node {
        if let Some(node) = &self.data {
            return node.clone();
        }
        let given = self.response.as_ref().and_then(|response| Node::of(&response.data));
        let node = given.unwrap_or_else(Node::table);
        self.note(&node);
        self.data.insert(node).clone()
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

/// What was handed out is empty from now on.
impl Drop for Event {
    fn drop(&mut self) {
        for handed in self.handed.drain(..) {
            match handed {
                Handed::Node(node) => node.clear(),
                Handed::Reply(reply) => reply.close(),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::lua::data::Item;

    #[test]
    fn what_scripts_hold_is_empty_after_the_event() {
        let mut event = Event::default();
        event.response = Some(Response::complete(Json::parse(br#"{"o":{"a":1}}"#).expect("an object")));
        let held = event.data();
        let answer = event.answer().map(|response| response.data.to_string());
        drop(event);
        let left = Item::Open(held).to_json(&mut Allowance::default()).map(|json| json.to_string());
        assert_eq!((answer.as_deref(), left.as_deref()), (Ok(r#"{"o":{"a":1}}"#), Ok("{}")));
    }
}
