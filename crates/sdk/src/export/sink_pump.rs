//! The task that drives one open sink: what is waiting is published in one go; the connection is made when it is needed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use siphon_abi::Done;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::driver::Sink;
use crate::{Context, Error, OutgoingMessage};

/// A request of the host to the pump.
pub(super) enum Request {
    Publish(Vec<OutgoingMessage>, Done),
    Ping(Done),
    Close(Duration, Done),
}

/// What waits for the pump.
#[derive(Default)]
pub(super) struct Inbox {
    requests: Mutex<(VecDeque<Request>, bool)>,
    changed: Notify,
}

impl Inbox {
    /// Hands a request to the pump; when that is gone, its `Done` is dropped, which answers "closed".
    pub(super) fn send(&self, request: Request) {
        let mut inbox = self.lock();
        if inbox.1 {
            drop(inbox); // before the request: dropping it calls the host
            return;
        }
        inbox.0.push_back(request);
        drop(inbox);
        self.changed.notify_one();
    }

    /// The pump is gone: no request stays unanswered.
    pub(super) fn finish(&self) {
        let left = std::mem::replace(&mut *self.lock(), (VecDeque::new(), true));
        drop(left);
    }

    async fn take(&self) -> VecDeque<Request> {
        loop {
            let taken = std::mem::take(&mut self.lock().0);
            if !taken.is_empty() {
                return taken;
            }
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<Request>, bool)> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes until the host closes.
pub(super) async fn run<S: Sink>(config: S::Config, context: Context, inbox: &Inbox) {
    let mut connection = Connection::<S> { config, context, sink: None };
    loop {
        let mut publishes = Vec::new();
        for request in inbox.take().await {
            match request {
                Request::Publish(messages, done) => publishes.push((messages, done)),
                Request::Ping(done) => connection.ping(done).await,
                Request::Close(deadline, done) => {
                    connection.publish(publishes).await;
                    return connection.close(deadline, done).await;
                }
            }
        }
        connection.publish(publishes).await;
    }
}

struct Connection<S: Sink> {
    config: S::Config,
    context: Context,
    sink: Option<S>,
}

impl<S: Sink> Connection<S> {
    async fn sink(&mut self) -> Result<&mut S, Error> {
        let sink = match self.sink.take() {
            Some(sink) => sink,
            None => S::connect(self.config.clone(), self.context.clone()).await?,
        };
        Ok(self.sink.insert(sink))
    }

    /// Publishes all messages of all requests together and answers each request with its own share.
    async fn publish(&mut self, publishes: Vec<(Vec<OutgoingMessage>, Done)>) {
        if publishes.is_empty() {
            return;
        }
        let (counts, messages) = flatten(publishes);
        let mut results = match self.sink().await {
            Ok(sink) => sink.publish(&messages).await.into_iter(),
            Err(error) => vec![Err(error); messages.len()].into_iter(),
        };
        for (count, done) in counts {
            let share: Vec<_> = results.by_ref().take(count).collect();
            if !answer(count, share, done) {
                self.sink = None; // the next message connects anew
            }
        }
    }

    async fn ping(&mut self, done: Done) {
        let result = match self.sink().await {
            Ok(sink) => sink.ping().await,
            Err(error) => Err(error),
        };
        complete(done, result);
    }

    async fn close(self, deadline: Duration, done: Done) {
        let Some(mut sink) = self.sink else {
            return done.succeed(0);
        };
        let late = Err(Error::connection("the broker did not answer in time"));
        complete(done, timeout(deadline, sink.close()).await.unwrap_or(late));
    }
}

fn complete(done: Done, result: Result<(), Error>) {
    match result {
        Ok(()) => done.succeed(0),
        Err(error) => done.fail(0, error.into_abi()),
    }
}

type Shares = Vec<(usize, Done)>;

fn flatten(publishes: Vec<(Vec<OutgoingMessage>, Done)>) -> (Shares, Vec<OutgoingMessage>) {
    let mut all = Vec::new();
    let mut shares = Shares::new();
    for (messages, done) in publishes {
        shares.push((messages.len(), done));
        all.extend(messages);
    }
    (shares, all)
}

/// Answers one request; false when its error says that the connection is gone.
fn answer(count: usize, results: Vec<Result<(), Error>>, done: Done) -> bool {
    let missing =
        (results.len() < count).then(|| Error::fatal("the driver answered for fewer messages than it was given"));
    let confirmed = results.iter().take_while(|result| result.is_ok()).count();
    match results.into_iter().find_map(Result::err).or(missing) {
        None => {
            done.succeed(confirmed as u64);
            true
        }
        Some(error) => {
            let is_connected = error.kind != siphon_abi::ErrorKind::CONNECTION;
            done.fail(confirmed as u64, error.into_abi());
            is_connected
        }
    }
}
