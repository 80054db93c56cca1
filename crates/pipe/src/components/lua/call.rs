//! `http_response` of scripts: a call of their own (components-scripting.md §4.6).
//!
//! The script is suspended while the call is made, so the other events of its thread go on.

use std::sync::{Arc, Mutex, PoisonError};

use ::http::{HeaderMap, Method};
use bytes::Bytes;
use mlua::{Lua, MultiValue, Table, UserData, UserDataMethods, Value};

use super::arguments::{Arguments, bytes_of, lua_text};
use super::event::{Hands, Shared};
use super::headers::{Access, append, header_list, headers, name_of, value_of};
use super::limits::Limits;
use super::request::callable;
use crate::error::PipeError;
use crate::http::{Below, Client, Exchange, Following, Outgoing, RedirectPolicy};
use crate::stage::Context;

/// What came back.
#[derive(Debug)]
pub(super) struct Finished {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Finished {
    /// What it takes of the memory.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        self.body.len() + headers.sum::<usize>()
    }
}

/// Makes the calls of one component's scripts: over the pipe's connections, with redirects.
pub(super) struct Caller(Following);

impl Caller {
    pub fn new(client: &Arc<Client>) -> Self {
        Self(Following { below: Below::Client(Arc::clone(client)), policy: RedirectPolicy::default() })
    }

    /// Any status is a success.
    ///
    /// # Errors
    ///
    /// The text for the script when there is no answer.
    pub async fn call(&self, call: Outgoing, context: &Context) -> Result<Finished, String> {
        self.answer(call, context).await.map_err(|error| error.to_string())
    }

    async fn answer(&self, call: Outgoing, context: &Context) -> Result<Finished, PipeError> {
        let mut answer = self.0.exchange(call, context).await?;
        let body = answer.load().await?;
        Ok(Finished { status: answer.status.as_u16(), headers: answer.headers, body })
    }
}

/// `http_response.new(url)`, `(url, method, body)`, `(url, method, body, headers)`: notes the call to be made.
pub(super) fn start(lua: &Lua, values: MultiValue) -> mlua::Result<()> {
    let arguments = Arguments::of_function("new", values);
    let count = arguments.count();
    if count == 0 || count == 2 {
        return Err(mlua::Error::runtime("need 1, 3 or 4 arguments"));
    }
    let url = arguments.text(0)?;
    let no_url = || mlua::Error::runtime("http_response takes a whole URL of http or https");
    let url = callable(&url).ok_or_else(no_url)?;
    let (mut method, mut body, mut map) = (Method::GET, Bytes::new(), HeaderMap::new());
    if count > 2 {
        let name = arguments.text(1)?.to_ascii_uppercase();
        method = Method::from_bytes(name.as_bytes()).map_err(|_| mlua::Error::runtime("net/http: invalid method"))?;
        body = arguments.bytes(2)?.into();
    }
    if count == 4
        && let Some(given) = arguments.value(3).as_table()
    {
        map = headers_of(given)?;
    }
    Shared::of(lua, |event| {
        event.call = Some(Outgoing::new(method, url, Arc::new(map), body));
        Ok(())
    })
}

/// Names with a text or a list of texts; what is neither is left out.
fn headers_of(given: &Table) -> mlua::Result<HeaderMap> {
    let mut map = HeaderMap::new();
    given.for_each(|name: Value, value: Value| {
        let Value::String(name) = name else { return Ok(()) };
        let name = name_of(&name.to_string_lossy())?;
        match value {
            Value::String(value) => {
                append(&mut map, &name, value_of(&name, &value.as_bytes())?)?;
            }
            Value::Table(values) => {
                for value in values.sequence_values::<Value>() {
                    let value = bytes_of(&value?).unwrap_or_default();
                    append(&mut map, &name, value_of(&name, &value)?)?;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(map)
}

/// The call that was noted is not made.
pub(super) fn drop_call(lua: &Lua, _: ()) -> mlua::Result<()> {
    Shared::of(lua, |event| {
        event.call = None;
        Ok(())
    })
}

/// The end of `http_response.new`: the call has been made.
pub(super) fn finish(lua: &Lua, _: ()) -> mlua::Result<ReplyHandle> {
    Shared::of(lua, |event| match event.finished.take() {
        Some(Ok(finished)) => event.hands.hand_reply(finished).map(ReplyHandle),
        Some(Err(reason)) => Err(mlua::Error::runtime(reason)),
        None => Err(mlua::Error::runtime("http_response cannot be used here")),
    })
}

/// A reply; `None` once it is closed. Cloning gives another hand on the same.
#[derive(Debug, Clone)]
pub(super) struct SharedReply(Arc<Mutex<Option<Finished>>>);

impl SharedReply {
    pub fn new(reply: Finished) -> Self {
        Self(Arc::new(Mutex::new(Some(reply))))
    }

    /// Gives the bytes that it had.
    pub fn close(&self) -> usize {
        let reply = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        reply.map_or(0, |reply| reply.bytes())
    }

    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn read<T>(&self, act: impl FnOnce(&mut Finished) -> mlua::Result<T>) -> mlua::Result<T> {
        let closed = || mlua::Error::runtime("the http_response is closed");
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().ok_or_else(closed)?)
    }
}

/// What `http_response.new` gives.
pub(super) struct ReplyHandle(SharedReply);

impl UserData for ReplyHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("statusCode", |_, this, _: MultiValue| this.0.read(|reply| Ok(reply.status)));
        methods.add_method("headers", |lua, this, values| {
            let name = first_of("headers", values)?;
            this.read(lua, |reply, hands| headers(lua, Access::Own(&mut reply.headers), hands, &name))
        });
        methods.add_method("headerList", |lua, this, values| {
            let name = first_of("headerList", values)?;
            this.read(lua, |reply, hands| header_list(lua, Access::Own(&mut reply.headers), hands, &name))
        });
        methods.add_method("body", |lua, this, _: MultiValue| {
            Limits::work(lua, this.0.read(|reply| Ok(reply.body.len()))?)?;
            this.0.read(|reply| lua_text(lua, &reply.body))
        });
        methods.add_method("close", |lua, this, _: MultiValue| {
            Shared::of(lua, |event| {
                event.hands.close(&this.0);
                Ok(())
            })
        });
    }
}

impl ReplyHandle {
    fn read<T>(&self, lua: &Lua, act: impl FnOnce(&mut Finished, &mut Hands) -> mlua::Result<T>) -> mlua::Result<T> {
        Shared::of(lua, |event| self.0.read(|reply| act(reply, &mut event.hands)))
    }
}

/// Replies are read only: what follows the name does not count.
fn first_of(name: &'static str, values: MultiValue) -> mlua::Result<Arguments> {
    let arguments = Arguments::of_method(name, values.into_iter().take(1).collect());
    arguments.at_least(1).map(|()| arguments)
}
