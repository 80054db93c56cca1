//! One Lua state, prepared for the scripts of one component, and used for one event after another.
//!
//! Nothing survives an event: `prelude.lua` gives each one a world of fresh tables, and what all share cannot be
//! changed from within. That costs a microsecond; a new state costs hundreds.

use std::sync::Arc;

use mlua::{Function, Lua, LuaOptions, StdLib, Table, Thread, Value};
use siphon_telemetry::Label;
use tokio::time::Instant;

use super::call::Caller;
use super::event::{Event, Shared};
use super::fault;
use super::limits::Limits;
use super::program::{Program, Sources};
use super::{concat, library};
use crate::components::Level;
use crate::error::PipeError;
use crate::message::{Request, Response};
use crate::stage::Context;

/// Bytes that a state may use, its libraries included: the largest payload and its copy fit.
pub(super) const MEMORY_LIMIT: usize = 192 * 1024 * 1024;

/// A state that is larger after an event is not used again; it was some 150 KiB before.
const KEPT_MEMORY: usize = 8 * 1024 * 1024;

static PRELUDE: &str = include_str!("prelude.lua");

/// A state with what its component's scripts were compiled to.
pub(super) struct Machine {
    lua: Lua,
    program: Arc<Program>,
    event: Shared,
    limits: Limits,
    /// The function for the texts of numbers.
    text_of: Function,
    /// Makes a world, runs the sources and `pre` in it.
    begin: Function,
    /// Runs `post` in the same world.
    end: Function,
    sources: Option<Function>,
    /// What `sources` was compiled from, where the files are read again.
    live: Option<Sources>,
    pre: Option<Function>,
    post: Option<Function>,
    is_spent: bool,
}

impl Machine {
    /// # Errors
    ///
    /// What the scripts cannot be compiled for; it was found at load, where they did not change since.
    pub fn new(program: &Arc<Program>, label: &Label) -> mlua::Result<Self> {
        let mut libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::JIT;
        if program.allow_open_libs {
            libraries = libraries | StdLib::IO | StdLib::OS;
        }
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        lua.set_memory_limit(MEMORY_LIMIT)?;
        // Hooks do not fire in compiled traces.
        lua.globals().get::<Table>("jit")?.get::<Function>("off")?.call::<()>(())?;
        let (event, limits) = (Shared::default(), Limits::new());
        lua.set_app_data(event.clone());
        let natives = library::natives(&lua, &limits, label)?;
        let text_of: Function = natives.get(library::NUMBER_TEXT)?;
        let prelude = lua.load(PRELUDE).set_name("=prelude").into_function()?;
        let (begin, end) = prelude.call((natives, program.allow_open_libs))?;
        let part = |name: &str, text: &str| (!text.is_empty()).then(|| script(&lua, name, text, &text_of)).transpose();
        let sources = if program.live { None } else { part(Program::SOURCES, &program.sources.text)? };
        let (pre, post) = (part(Program::PRE, &program.pre)?, part(Program::POST, &program.post)?);
        limits.watch(&lua)?;
        let program = Arc::clone(program);
        Ok(Self { lua, program, event, limits, text_of, begin, end, sources, live: None, pre, post, is_spent: false })
    }

    /// Lets go of the event. Gives whether the state may work on another one.
    pub fn forget(&mut self) -> bool {
        self.event.with(|event| *event = Event::default());
        !self.is_spent && self.lua.used_memory() < KEPT_MEMORY
    }

    /// Runs the sources and `pre`. Gives the request for the layer below.
    ///
    /// # Errors
    ///
    /// That of a script. Dropping the future leaves a state that is not used again.
    pub async fn before(
        &mut self,
        request: Request,
        level: Level,
        caller: &Caller,
        context: &Context,
    ) -> Result<Request, PipeError> {
        self.start(request, level, context.deadline);
        self.refresh()?;
        let thread = self.lua.create_thread(self.begin.clone());
        let arguments = (self.sources.clone(), self.pre.clone());
        self.run(thread, arguments, caller, context).await?;
        Ok(self.event.with(Event::hand_over))
    }

    /// Runs `post`, in the world of [`before`](Self::before).
    ///
    /// # Errors
    ///
    /// That of a script.
    pub async fn after(
        &mut self,
        response: Response,
        caller: &Caller,
        context: &Context,
    ) -> Result<Response, PipeError> {
        self.event.with(|event| event.response = Some(response));
        if let Some(post) = self.post.clone() {
            let thread = self.lua.create_thread(self.end.clone());
            self.run(thread, (post, Value::Nil), caller, context).await?;
        }
        let answer = self.event.with(Event::answer);
        answer.map_err(|reason| PipeError::Script { reason, status: None, is_late: false })
    }

    fn start(&mut self, request: Request, level: Level, deadline: Instant) {
        self.event.with(|event| *event = Event::new(level, request));
        self.limits.start(deadline);
    }

    /// `live`: the sources as they are now.
    fn refresh(&mut self) -> Result<(), PipeError> {
        if !self.program.live {
            return Ok(());
        }
        let failed = |reason: String| PipeError::Script { reason, status: None, is_late: false };
        let now = self.program.sources_now().map_err(failed)?;
        if self.live.as_ref() != Some(&now) {
            let compiled = script(&self.lua, Program::SOURCES, &now.text, &self.text_of);
            self.sources = Some(compiled.map_err(|error| fault::failure(&error, &now))?);
            self.live = Some(now);
        }
        Ok(())
    }

    fn sources_of_errors(&self) -> &Sources {
        self.live.as_ref().unwrap_or(&self.program.sources)
    }

    async fn run(
        &mut self,
        thread: mlua::Result<Thread>,
        arguments: (impl mlua::IntoLua, impl mlua::IntoLua),
        caller: &Caller,
        context: &Context,
    ) -> Result<(), PipeError> {
        self.is_spent = true;
        let ended = match thread {
            Ok(thread) => self.resume(&thread, arguments, caller, context).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => {
                self.is_spent = false;
                Ok(())
            }
            Err(error) => {
                self.is_spent = fault::is_fatal(&error);
                Err(fault::failure(&error, self.sources_of_errors()))
            }
        }
    }

    async fn resume(
        &self,
        thread: &Thread,
        arguments: (impl mlua::IntoLua, impl mlua::IntoLua),
        caller: &Caller,
        context: &Context,
    ) -> mlua::Result<()> {
        thread.resume::<()>(arguments)?;
        while thread.is_resumable() {
            let Some(call) = self.event.with(|event| event.call.take()) else {
                return Err(mlua::Error::runtime("attempt to yield from outside a coroutine"));
            };
            let finished = caller.call(call, context).await;
            self.event.with(|event| event.finished = Some(finished));
            thread.resume::<()>(())?;
        }
        Ok(())
    }
}

/// A chunk with the function for the texts of numbers (see [`concat`]).
///
/// # Errors
///
/// As [`compile`].
fn script(lua: &Lua, name: &str, text: &str, text_of: &Function) -> mlua::Result<Function> {
    // What is wrong is said of the text that somebody wrote.
    let plain = compile(lua, name, text)?;
    match concat::rewritten(text) {
        Some(anew) => compile(lua, name, &anew)?.call(text_of),
        None => Ok(plain),
    }
}

/// # Errors
///
/// `SyntaxError` with name and line.
pub(super) fn compile(lua: &Lua, name: &str, text: &str) -> mlua::Result<Function> {
    lua.load(text).set_name(format!("={name}")).set_mode(mlua::chunk::ChunkMode::Text).into_function()
}
