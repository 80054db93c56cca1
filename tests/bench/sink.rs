//! A backend that does nothing but answer: the same for siphon and for the baseline.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";

/// How long nothing may arrive before a run counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// The requests of one run.
#[derive(Debug, Default)]
struct Arrivals {
    count: usize,
    last: Option<Instant>,
    /// The count that somebody waits for: nobody is woken before.
    wanted: usize,
}

/// An HTTP server on loopback, a thread for each connection.
#[derive(Debug)]
pub struct Sink {
    pub address: SocketAddr,
    arrivals: Arc<(Mutex<Arrivals>, Condvar)>,
}

impl Sink {
    pub fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let arrivals: Arc<(Mutex<Arrivals>, Condvar)> = Arc::default();
        let shared = Arc::clone(&arrivals);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Ok(Self { address, arrivals })
    }

    /// A new run: counts from 0.
    pub fn begin(&self) {
        *self.lock() = Arrivals::default();
    }

    /// Waits until `count` requests have come in this run: how many there are now, and when the last of them came.
    ///
    /// # Errors
    ///
    /// Nothing has come for a minute.
    pub fn wait_for(&self, count: usize) -> Result<(usize, Instant), String> {
        let mut arrivals = self.lock();
        arrivals.wanted = count;
        let mut before = usize::MAX;
        while arrivals.count < count {
            if arrivals.count == before {
                return Err(format!("{before} of {count} events arrived, and then none for {PATIENCE:?}"));
            }
            before = arrivals.count;
            let is_short = |arrivals: &mut Arrivals| arrivals.count < count;
            let waited = self.arrivals.1.wait_timeout_while(arrivals, PATIENCE, is_short);
            arrivals = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok((arrivals.count, arrivals.last.unwrap_or_else(Instant::now)))
    }

    fn lock(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(stream: TcpStream, arrivals: &(Mutex<Arrivals>, Condvar)) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    let mut body = Vec::new();
    loop {
        let length = content_length(&mut reader)?;
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
        note(arrivals);
        writer.write_all(ANSWER).ok()?;
    }
}

/// Reads a request's head; `None` at the end of the connection.
fn content_length(reader: &mut impl BufRead) -> Option<usize> {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            None if line == "\r\n" => return Some(length),
            _ => {}
        }
    }
}

fn note((arrivals, changed): &(Mutex<Arrivals>, Condvar)) {
    let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
    arrivals.count += 1;
    arrivals.last = Some(Instant::now());
    if arrivals.count == arrivals.wanted {
        changed.notify_one();
    }
}
