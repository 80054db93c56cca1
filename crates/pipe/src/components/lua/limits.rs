//! How long a script may run: until the event's deadline, and so many instructions.
//!
//! An agent's events share one thread, so a script that does not end would hold them all.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{HookTriggers, Lua, VmState};
use tokio::time::Instant;

use super::machine::MEMORY_LIMIT;
use super::program::Program;

/// Instructions of the Lua machine that the scripts of one component may use for one event: about half a second of
/// one core. Taking a megabyte apart byte by byte needs a third of it.
pub(super) const INSTRUCTIONS: u64 = 100_000_000;

/// Instructions between two looks at the clock: some 10 µs, where each of them is a short one.
const STEP: u32 = 2_000;

/// What a call of one of our functions counts, in instructions.
const CALL: u64 = 20;

/// Bytes that our functions handle in the time of an instruction.
const BYTES: u64 = 4;

/// Why a script was stopped. It cannot go on, whatever it catches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Deadline,
    Instructions,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline => f.write_str("context deadline exceeded"),
            Self::Instructions => write!(f, "the script was stopped after {INSTRUCTIONS} instructions"),
        }
    }
}

/// The error of a stopped script.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub(super) struct Stopped {
    pub why: Stop,
    /// Chunk and line where it was.
    pub place: Option<(String, u32)>,
}

/// What is left for the event that a state works on.
#[derive(Debug, Clone)]
pub(super) struct Limits(Arc<Mutex<Left>>);

#[derive(Debug)]
struct Left {
    deadline: Instant,
    instructions: u64,
    stop: Option<Stopped>,
}

impl Limits {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Left { deadline: Instant::now(), instructions: 0, stop: None })))
    }

    /// A new event begins.
    pub fn start(&self, deadline: Instant) {
        *self.left() = Left { deadline, instructions: INSTRUCTIONS, stop: None };
    }

    /// Why the script must not go on.
    pub fn stop(&self) -> Option<Stopped> {
        self.left().stop.clone()
    }

    /// Counts a call that handles `bytes`, and looks at the clock: our functions and those of C have no instructions.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub fn work(lua: &Lua, bytes: usize) -> mlua::Result<()> {
        let Some(limits) = lua.app_data_ref::<Self>().map(|limits| limits.clone()) else { return Ok(()) };
        let bytes = u64::try_from(bytes.min(MEMORY_LIMIT)).unwrap_or(u64::MAX);
        limits.step(lua, CALL + bytes / BYTES).map_or(Ok(()), |stopped| Err(mlua::Error::external(stopped)))
    }

    /// Looks after the scripts of `lua` from now on.
    pub fn watch(&self, lua: &Lua) -> mlua::Result<()> {
        lua.set_app_data(self.clone());
        let limits = self.clone();
        let triggers = HookTriggers::new().every_nth_instruction(STEP);
        lua.set_global_hook(triggers, move |lua, _| match limits.step(lua, STEP.into()) {
            Some(stopped) => Err(mlua::Error::external(stopped)),
            None => Ok(VmState::Continue),
        })
    }

    fn step(&self, lua: &Lua, instructions: u64) -> Option<Stopped> {
        let mut left = self.left();
        left.instructions = left.instructions.saturating_sub(instructions);
        if left.stop.is_none() {
            let why = match () {
                () if Instant::now() >= left.deadline => Stop::Deadline,
                () if left.instructions == 0 => Stop::Instructions,
                () => return None,
            };
            left.stop = Some(Stopped { why, place: place(lua) });
        }
        left.stop.clone()
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a place in a script is looked for: further out than our own functions go.
const LEVELS: usize = 32;

/// Where the script is: the innermost place that is in one of its chunks.
fn place(lua: &Lua) -> Option<(String, u32)> {
    let at = |level| {
        let seen = lua.inspect_stack(level, |frame| {
            let chunk = frame.source().short_src.map(|chunk| chunk.into_owned());
            chunk.zip(frame.current_line().and_then(|line| u32::try_from(line).ok()))
        });
        seen.flatten().filter(|(chunk, _)| Program::CHUNKS.contains(&chunk.as_str()))
    };
    (0..LEVELS).find_map(at)
}
