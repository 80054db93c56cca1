//! The thread that owns a file: it takes what is asked, everything that waits as one transaction, and
//! answers after the commit.
//!
//! A claim that finds nothing stays parked. It is tried again when this process publishes to or gives
//! back into its queue, when a delay or lease ends, and when another process changed the file, which
//! is looked for now and then, as long as a claim is parked.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::clock::Now;
use super::command::{Claim, Command, Job};
use super::engine::Engine;
use super::error::{Fault, StoreError};
use super::event::{Event, Millis};
use super::inbox::{Inbox, Taken};

/// Commands in one transaction at most: what waits longer than that is no better off together.
const GROUP: usize = 512;

/// How often other processes' changes are looked for: at first, and at last, when nothing happens.
/// A look costs about 10 µs.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(100);

type ParkedClaim = Job<Claim, Vec<Event>>;

/// The thread's work, step by step.
#[derive(Debug)]
pub struct Keeper {
    engine: Engine,
    inbox: Inbox,
    parked: Vec<ParkedClaim>,
    next_due: Option<Millis>,
    look_every: Duration,
    next_look: Instant,
}

/// Starts the thread for the file at `path`. `opened` tells whether the file could be opened; `ended`
/// is dropped when the file is closed.
pub fn start(
    path: &Path,
    inbox: Inbox,
    opened: oneshot::Sender<Result<(), StoreError>>,
    ended: oneshot::Sender<()>,
) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| Fault::Other(format!("no thread for it: {error}")).at(path);
    let path = path.to_owned();
    let run = move || {
        let (engine, result) = match Engine::open(&path, Now::read()) {
            Ok(engine) => (Some(engine), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let is_awaited = opened.send(result).is_ok();
        if let Some(engine) = engine.filter(|_| is_awaited) {
            Keeper::new(engine, inbox).run();
        }
        drop(ended);
    };
    std::thread::Builder::new().name("siphon-sqlite".into()).spawn(run).map_err(failed)?;
    Ok(())
}

impl Keeper {
    pub fn new(engine: Engine, inbox: Inbox) -> Self {
        Self { engine, inbox, parked: Vec::new(), next_due: None, look_every: FIRST_LOOK, next_look: Instant::now() }
    }

    #[cfg(test)]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Works until every handle is gone or the file is.
    fn run(mut self) {
        while let Some(commands) = self.wait() {
            if let Err(fault) = self.round(commands, Now::read()) {
                tracing::error!(path = %self.engine.path().display(), %fault, "the queue was given up");
                return self.give_up(&fault);
            }
        }
    }

    /// Everything that was asked, or nothing when it is time to look around; none when all are gone.
    fn wait(&mut self) -> Option<Vec<Command>> {
        let first = match self.wake_at(Now::read()) {
            None => self.inbox.take(),
            Some(at) => self.inbox.take_until(at),
        };
        let mut commands = match first {
            Taken::Command(command) => vec![command],
            Taken::Nothing => return Some(Vec::new()),
            Taken::End => return None,
        };
        commands.extend(std::iter::from_fn(|| self.inbox.take_waiting()).take(GROUP - 1));
        Some(commands)
    }

    fn wake_at(&self, now: Now) -> Option<Instant> {
        let look = (!self.parked.is_empty()).then(|| {
            let due = self.next_due.map(|due| now.steady + until(due, now));
            due.map_or(self.next_look, |due| due.min(self.next_look))
        });
        look.into_iter().chain(self.engine.next_renewal()).min()
    }

    /// One transaction, if there is anything to do.
    ///
    /// # Errors
    ///
    /// [`Fault::Replaced`]: the work is at its end. All other faults are told to those who asked.
    pub fn round(&mut self, mut commands: Vec<Command>, now: Now) -> Result<(), Fault> {
        let is_all_stirred = match self.look(now) {
            Ok(is_stirred) => is_stirred,
            Err(fault) => return self.refuse(commands, fault, now).map(drop),
        };
        commands.extend(self.unpark(&commands, is_all_stirred));
        commands.extend(self.engine.take_renewals(now.steady));
        let is_idle = commands.is_empty();
        commands.sort_by_key(Command::rank);
        while !commands.is_empty() {
            commands = self.transact(commands, now)?;
        }
        self.engine.forget_the_gone();
        if is_idle {
            return Ok(());
        }
        self.next_due = if self.parked.is_empty() { None } else { self.engine.next_due().unwrap_or(Some(now.wall)) };
        Ok(())
    }

    /// Whether any parked claim may find something now, by time or by another process's doing.
    ///
    /// # Errors
    ///
    /// [`Fault::Replaced`] only.
    fn look(&mut self, now: Now) -> Result<bool, Fault> {
        self.parked.retain(|claim| !claim.is_abandoned());
        if self.parked.is_empty() {
            return Ok(false);
        }
        let is_due = self.next_due.is_some_and(|due| due <= now.wall) || self.engine.watch_clock(now);
        if now.steady < self.next_look {
            return Ok(is_due);
        }
        let is_changed = match self.engine.was_changed_by_others() {
            Err(Fault::Replaced) => return Err(Fault::Replaced),
            Err(_) => true, // the claims that are tried now will tell what it is
            Ok(is_changed) => is_changed,
        };
        self.look_every = if is_changed { FIRST_LOOK } else { (self.look_every * 2).min(LAST_LOOK) };
        self.next_look = now.steady + self.look_every;
        Ok(is_due || is_changed)
    }

    /// The parked claims that may find something, the oldest first.
    fn unpark(&mut self, commands: &[Command], is_all_stirred: bool) -> Vec<Command> {
        if self.parked.is_empty() {
            return Vec::new();
        }
        let engine = &self.engine;
        let stirred: Vec<&str> = commands.iter().flat_map(|command| engine.stirs(command)).collect();
        let may_find = |claim: &mut ParkedClaim| {
            is_all_stirred || engine.queue_of(claim.input.consumer).is_none_or(|queue| stirred.contains(&queue))
        };
        self.parked.extract_if(.., may_find).map(Command::Claim).collect()
    }

    /// Carries out `commands` and answers them. What is still to be done comes back.
    fn transact(&mut self, mut commands: Vec<Command>, now: Now) -> Result<Vec<Command>, Fault> {
        match self.engine.run(&mut commands, now) {
            Ok(()) => Ok(commands.into_iter().filter_map(|command| self.finish(command, now)).collect()),
            Err(fault) if commands.len() > 1 && fault.may_pass_alone() => self.one_by_one(commands, now),
            Err(fault) => self.refuse(commands, fault, now),
        }
    }

    /// One command may be what made the others fail: a publish that found the disk full, say, among
    /// acknowledgements that need no room.
    fn one_by_one(&mut self, commands: Vec<Command>, now: Now) -> Result<Vec<Command>, Fault> {
        let mut left = Vec::new();
        for command in commands {
            left.extend(self.transact(vec![command], now)?);
        }
        Ok(left)
    }

    fn refuse(&mut self, commands: Vec<Command>, fault: Fault, now: Now) -> Result<Vec<Command>, Fault> {
        let is_end = fault == Fault::Replaced;
        if is_end {
            self.inbox.close(); // before the answers: whoever opens the path now gets the new file
        }
        for command in commands {
            self.engine.refuse(command, &fault, now.steady);
        }
        if is_end { Err(fault) } else { Ok(Vec::new()) }
    }

    fn finish(&mut self, command: Command, now: Now) -> Option<Command> {
        match self.engine.finish(command, now.steady)? {
            Command::Claim(claim) => {
                self.park(claim, now);
                None
            }
            to_do => Some(to_do),
        }
    }

    fn park(&mut self, claim: ParkedClaim, now: Now) {
        if self.parked.is_empty() {
            self.look_every = FIRST_LOOK;
            self.next_look = now.steady;
        }
        self.parked.push(claim);
    }

    /// Answers everybody who waits with `fault`.
    fn give_up(self, fault: &Fault) {
        let path = self.engine.path().to_owned();
        self.parked.into_iter().for_each(|claim| Command::Claim(claim).fail(&path, fault));
        while let Some(command) = self.inbox.take_waiting() {
            command.fail(&path, fault);
        }
    }
}

/// Time from `now` until `due`, by the wall clock.
fn until(due: Millis, now: Now) -> Duration {
    Duration::from_millis(due.saturating_sub(now.wall).try_into().unwrap_or(0))
}
