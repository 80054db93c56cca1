//! Connections of a scripted backend.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::wire::Reader;
use super::{Reply, Request, Shared};

/// Takes connections until the backend goes down.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut down = shared.is_down.subscribe();
    let _open = Open::begin(&shared);
    loop {
        let accepted = tokio::select! {
            _ = down.wait_for(|is_down| *is_down) => return drop(listener),
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            shared.log.change(|log| log.connections += 1);
            tokio::spawn(connection(stream, Arc::clone(&shared)));
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let mut down = shared.is_down.subscribe();
    let _open = Open::begin(&shared);
    tokio::select! {
        _ = down.wait_for(|is_down| *is_down) => {}
        _ = answer_all(stream, &shared) => {} // a client that hangs up is no news
    }
}

async fn answer_all(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.split();
    let mut reader = Reader::new(read);
    while let Some(request) = reader.request().await? {
        let running = Running::begin(shared, request);
        let reply = shared.reply_to(&running.request);
        wait(&reply, shared).await;
        // Before the answer: when the client has it, this request is over.
        drop(running);
        write.write_all(&reply.wire).await?;
        if reply.closes {
            return write.shutdown().await;
        }
    }
    Ok(())
}

async fn wait(reply: &Reply, shared: &Shared) {
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if reply.is_held {
        let _ = shared.released.subscribe().wait_for(|released| *released).await;
    }
}

/// A socket that is open.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.log.change(|log| log.open += 1);
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.log.change(|log| log.open -= 1);
    }
}

/// A request that is being answered; counted down also when its connection is cut.
struct Running<'a> {
    shared: &'a Shared,
    request: Request,
}

impl<'a> Running<'a> {
    fn begin(shared: &'a Shared, mut request: Request) -> Self {
        shared.log.change(|log| {
            request.nth = log.count(&request.path);
            log.requests.push(request.clone());
            log.running += 1;
            log.most_running = log.most_running.max(log.running);
        });
        Self { shared, request }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.shared.log.change(|log| log.running -= 1);
    }
}
