//! The task that drives one open source: it receives and settles at once, until the host closes it or the broker is gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use siphon_abi::{Done, Terms, Verdict as AbiVerdict};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::shared::{Command, End, Shared};
use crate::driver::{Receiver, Settlement, Settler, Source, Verdict};
use crate::message::{Batch, Entry};
use crate::{Context, Error};

/// How long the last settlements and the goodbye may take after the connection has failed.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// The host's wish to end.
struct Closing {
    deadline: Duration,
    done: Done,
}

/// Connects, then receives and settles until the end.
pub(super) async fn run<S: Source>(config: S::Config, context: Context, shared: &Arc<Shared>) -> End {
    let connected = tokio::select! {
        biased;
        closing = closing_before_connect(shared) => return closed(closing),
        connected = S::connect(config, context) => connected,
    };
    match connected {
        Ok((receiver, settler)) => drive(receiver, settler, shared).await,
        Err(error) => End::Failed(error),
    }
}

fn closed(closing: Closing) -> End {
    closing.done.succeed(0);
    End::Closed
}

/// Answers commands while there is no connection. Settlements cannot be there: nothing was delivered.
async fn closing_before_connect(shared: &Shared) -> Closing {
    loop {
        for command in shared.take_inbox().1 {
            match command {
                Command::Close(deadline, done) => return Closing { deadline, done },
                Command::Pause(_, done) => done.succeed(0),
                Command::Ping(done) => {
                    done.fail(0, Error::connection("not connected yet").into_abi());
                }
            }
        }
        shared.inbox_changed().await;
    }
}

async fn drive(mut receiver: impl Receiver, mut settler: impl Settler, shared: &Arc<Shared>) -> End {
    shared.push(connected(&settler));
    let ending = Notify::new();
    let ended = {
        let mut settling = std::pin::pin!(settle_all(&mut settler, shared, &ending));
        tokio::select! {
            ended = &mut settling => ended,
            error = receive_all(&mut receiver, shared) => {
                shared.return_untaken(); // before anything is awaited: what the host starts now would be done twice
                ending.notify_one();
                let _ = timeout(LAST_FLUSH, settling).await;
                Err(error)
            }
        }
    };
    drop(receiver); // the one place where `recv` is cancelled
    match ended {
        Ok(Some(closing)) => close(settler, closing, shared).await,
        Ok(None) => End::Closed,
        Err(error) => {
            // Perhaps it can still give back what it holds; it has ended either way.
            let _ = timeout(LAST_FLUSH, goodbye(&mut settler, shared)).await;
            End::Failed(error)
        }
    }
}

/// Gives back what the host never took, sends every settlement, closes.
async fn goodbye(settler: &mut impl Settler, shared: &Shared) -> Result<(), Error> {
    shared.return_untaken();
    let last: Vec<_> = shared.take_inbox().0.into_iter().map(settlement).collect();
    if !last.is_empty() {
        settler.settle(&last).await?;
    }
    settler.close().await
}

/// The first notice of a source, with its terms.
fn connected(settler: &impl Settler) -> Batch {
    let terms = if settler.is_failure_final() { Terms::FAILURE_IS_FINAL } else { Terms::NONE };
    let mut batch = Batch::new(0);
    batch.entries.push(Entry::Connected { generation: 0, terms });
    batch
}

/// Receives until the connection ends.
async fn receive_all<R: Receiver>(receiver: &mut R, shared: &Shared) -> Error {
    loop {
        let mut batch = shared.batch();
        if batch.room() == 0 && !R::POLLS_WITHOUT_ROOM {
            shared.room_changed().await;
            continue;
        }
        if let Err(error) = receiver.recv(&mut batch).await {
            shared.push(batch);
            return error;
        }
        shared.push(batch);
        // A receiver that always has something would keep the settling half from its turn.
        tokio::task::consume_budget().await;
    }
}

/// Settles and answers until the host closes (`Some`) or `ending` was told and nothing is left (`None`).
async fn settle_all(settler: &mut impl Settler, shared: &Shared, ending: &Notify) -> Result<Option<Closing>, Error> {
    let mut waiting = VecDeque::new();
    loop {
        let (settlements, commands) = shared.take_inbox();
        waiting.extend(commands);
        if !settlements.is_empty() {
            let settlements: Vec<_> = settlements.into_iter().map(settlement).collect();
            settler.settle(&settlements).await?;
        }
        while let Some(command) = waiting.pop_front() {
            if matches!(command, Command::Close(..)) && shared.has_settlements() {
                waiting.push_front(command); // they go before the goodbye
                break;
            }
            if let Some(closing) = answer(settler, command).await {
                return Ok(Some(closing));
            }
        }
        if shared.has_settlements() {
            continue;
        }
        tokio::select! {
            biased;
            () = shared.inbox_changed() => {}
            () = ending.notified() => return Ok(None),
        }
    }
}

async fn answer(settler: &mut impl Settler, command: Command) -> Option<Closing> {
    let (result, done) = match command {
        Command::Close(deadline, done) => return Some(Closing { deadline, done }),
        Command::Ping(done) => (settler.ping().await, done),
        Command::Pause(paused, done) => (settler.pause(paused).await, done),
    };
    complete(done, result);
    None
}

fn complete(done: Done, result: Result<(), Error>) {
    match result {
        Ok(()) => done.succeed(0),
        Err(error) => done.fail(0, error.into_abi()),
    }
}

/// Says goodbye within the host's deadline.
async fn close(mut settler: impl Settler, closing: Closing, shared: &Shared) -> End {
    let result = timeout(closing.deadline, goodbye(&mut settler, shared)).await;
    complete(closing.done, result.unwrap_or_else(|_| Err(Error::connection("the broker did not answer in time"))));
    End::Closed
}

fn settlement(settlement: siphon_abi::Settlement) -> Settlement {
    let verdict = match settlement.verdict {
        AbiVerdict::ACK => Verdict::Ack,
        AbiVerdict::RETRY => Verdict::Retry { delay_ms: settlement.delay_ms },
        AbiVerdict::REJECT => Verdict::Reject,
        _ => Verdict::Requeue, // an unknown word must not lose the message
    };
    Settlement { id: settlement.handle.id, generation: settlement.handle.generation, verdict }
}
