//! The event that a Lua state works on: what its scripts see of it, and what they have changed.

use std::sync::{Arc, Mutex, PoisonError};

use ::http::Uri;
use bytes::Bytes;
use mlua::Lua;

use super::allowance::Allowance;
use super::call::{Finished, SharedReply};
use super::data::{Node, WeakNode};
use super::limits::Limits;
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
    pub hands: Hands,
    /// Seeded by the script; `None`: the thread's.
    pub random: Option<fastrand::Rng>,
    /// A call that the script waits for.
    pub call: Option<Outgoing>,
    pub finished: Option<Result<Finished, String>>,
}

/// What scripts hold outside of their state: objects, arrays and replies. Lua lets go of those when its collector comes
/// by, which does not know how large they are. So they are counted, and empty after the event.
#[derive(Debug)]
pub(super) struct Hands {
    /// For what scripts add to the data, and to headers and params.
    pub added: Allowance,
    /// For what they decode, look into and fetch.
    pub taken: Allowance,
    nodes: Vec<WeakNode>,
    replies: Vec<SharedReply>,
}

impl Hands {
    /// A script gets hands on `node`, which is new. `bytes`: of its texts.
    ///
    /// # Errors
    ///
    /// Where that is too much.
    pub fn note(&mut self, node: &Node, bytes: usize) -> mlua::Result<()> {
        let all = (node.len() + 1).saturating_mul(Allowance::VALUE).saturating_add(bytes);
        self.taken.spend(all).map_err(mlua::Error::runtime)?;
        self.nodes.push(node.weak());
        Ok(())
    }

    /// A hand on a reply, for a script.
    ///
    /// # Errors
    ///
    /// Where that is too much.
    pub fn hand_reply(&mut self, reply: Finished) -> mlua::Result<SharedReply> {
        self.taken.spend(reply.bytes()).map_err(mlua::Error::runtime)?;
        let reply = SharedReply::new(reply);
        self.replies.push(reply.clone());
        Ok(reply)
    }

    /// Closes a reply: its bytes are free for others.
    pub fn close(&mut self, reply: &SharedReply) {
        self.taken.give_back(reply.close());
        self.replies.retain(|other| !other.is(reply));
    }
}

/// What was handed out is empty from now on.
impl Drop for Hands {
    fn drop(&mut self) {
        self.nodes.drain(..).for_each(|node| node.clear());
        for reply in self.replies.drain(..) {
            reply.close();
        }
    }
}

impl Default for Hands {
    fn default() -> Self {
        Self { added: Allowance::default(), taken: Allowance::taken(), nodes: Vec::new(), replies: Vec::new() }
    }
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
            hands: Hands::default(),
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
    ///
    /// # Errors
    ///
    /// Where it is too much.
    pub fn data(&mut self) -> mlua::Result<Node> {
        if let Some(node) = &self.data {
            return Ok(node.clone());
        }
        let given = self.response.as_ref().and_then(|response| Node::of(&response.data));
        let node = given.unwrap_or_else(Node::table);
        self.hands.note(&node, 0)?;
        Ok(self.data.insert(node).clone())
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

    /// The same, by the state that works on it. A call like this counts for the script, and looks at the clock.
    ///
    /// # Errors
    ///
    /// Those of `act`, and [`Stopped`](super::limits::Stopped).
    pub fn of<T>(lua: &Lua, act: impl FnOnce(&mut Event) -> mlua::Result<T>) -> mlua::Result<T> {
        Limits::work(lua, 0)?;
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
        let data = Json::parse(br#"{"o":{"a":1}}"#).expect("an object");
        let mut event = Event { response: Some(Response::complete(data)), ..Event::default() };
        let held = event.data().expect("a table");
        let answer = event.answer().map(|response| response.data.to_string());
        drop(event);
        let left = Item::Open(held).to_json(&mut Allowance::default()).map(|json| json.to_string());
        assert_eq!((answer.as_deref(), left.as_deref()), (Ok(r#"{"o":{"a":1}}"#), Ok("{}")));
    }
}
