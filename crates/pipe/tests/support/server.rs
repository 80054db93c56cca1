//! The server: reads requests as bytes, answers with bytes, remembers both.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A request as it arrived. Header names are as they were spelt.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which connection, from 0.
    pub connection: usize,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Clone)]
pub enum Action {
    Answer(Vec<u8>),
    /// Answers, then closes without having said so.
    AnswerAndClose(Vec<u8>),
    HangUp,
    /// Says nothing until the client closes.
    Stall,
    /// Answers, then repeats the last bytes until the client closes.
    Flood(Vec<u8>, Vec<u8>),
}

/// `HTTP/1.1 STATUS`, Content-Length, `headers` (lines), body.
pub fn reply(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Action {
    Action::Answer(bytes(status, headers, body))
}

pub fn bytes(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} Some\r\nContent-Length: {}\r\n{lines}\r\n", body.as_ref().len());
    [head.as_bytes(), body.as_ref()].concat()
}

/// 200 with a JSON body.
pub fn json(body: &str) -> Action {
    reply(200, &["Content-Type: application/json"], body)
}

type Script = dyn Fn(&Seen) -> Action + Send + Sync;

#[derive(Clone)]
pub struct Server {
    state: Arc<State>,
    pub address: SocketAddr,
}

struct State {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    opened: AtomicUsize,
    closed: AtomicUsize,
    has_moved: Notify,
}

impl Server {
    pub async fn start(script: impl Fn(&Seen) -> Action + Send + Sync + 'static) -> Self {
        Self::start_with(script, |stream| async move { Some(stream) }).await
    }

    /// `secure` makes of each connection what is spoken over; `None` when that fails.
    pub async fn start_with<S, F>(
        script: impl Fn(&Seen) -> Action + Send + Sync + 'static,
        secure: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (opened, closed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (script, seen, has_moved) = (Box::new(script), Mutex::new(Vec::new()), Notify::new());
        let state = Arc::new(State { script, seen, opened, closed, has_moved });
        let server = Self { state: Arc::clone(&state), address };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, secured) = (Arc::clone(&state), secure(stream));
                tokio::spawn(async move {
                    let connection = state.opened.fetch_add(1, Ordering::SeqCst);
                    if let Some(stream) = secured.await {
                        _ = serve(stream, connection, &state).await;
                    }
                    state.closed.fetch_add(1, Ordering::SeqCst);
                    state.has_moved.notify_waiters();
                });
            }
        });
        server
    }

    /// A server with one answer for each path.
    pub async fn answering(answers: &[(&'static str, &'static str)]) -> Self {
        let answers: HashMap<_, _> = answers.iter().copied().collect();
        Self::start(move |seen| {
            answers.get(seen.target.as_str()).map_or_else(|| reply(404, &[], "no"), |body| json(body))
        })
        .await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("whole").clone()
    }

    pub fn connections(&self) -> usize {
        self.state.opened.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have been closed, by whichever side.
    pub async fn closed(&self, connections: usize) {
        self.until(|state| state.closed.load(Ordering::SeqCst) >= connections).await;
    }

    /// Waits until so many requests have arrived.
    pub async fn called(&self, requests: usize) {
        self.until(|state| state.seen.lock().expect("whole").len() >= requests).await;
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let moved = self.state.has_moved.notified();
            if condition(&self.state) {
                return;
            }
            moved.await;
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, connection: usize, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read(&mut stream, connection).await? {
        state.seen.lock().expect("whole").push(seen.clone());
        state.has_moved.notify_waiters();
        match (state.script)(&seen) {
            Action::Answer(bytes) => stream.write_all(&bytes).await?,
            Action::AnswerAndClose(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Action::HangUp => return stream.shutdown().await,
            Action::Stall => return until_closed(&mut stream).await,
            Action::Flood(bytes, more) => {
                stream.write_all(&bytes).await?;
                loop {
                    stream.write_all(&more).await?;
                }
            }
        }
        stream.flush().await?;
    }
    Ok(())
}

async fn until_closed<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<()> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.map(drop)
}

async fn read<S: AsyncRead + Unpin>(stream: &mut BufReader<S>, connection: usize) -> std::io::Result<Option<Seen>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines[0].split(' ').map(str::to_owned);
    let (method, target) = (first.next().expect("a method"), first.next().expect("a target"));
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned()));
    let mut seen = Seen { connection, method, target, headers: headers.collect(), body: String::new() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(seen))
}
