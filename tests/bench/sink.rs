//! A backend that does nothing but answer: the same for siphon and for the baseline.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";

/// When requests arrived.
#[derive(Debug, Default)]
struct Arrivals {
    count: usize,
    first: Option<Instant>,
    last: Option<Instant>,
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

    /// Waits for `count` requests since the last call; when the first and the last of them came.
    pub fn wait_for(&self, count: usize) -> (Instant, Instant) {
        let (arrivals, changed) = &*self.arrivals;
        let lock = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done =
            changed.wait_while(lock, |arrivals| arrivals.count < count).unwrap_or_else(PoisonError::into_inner);
        let arrivals = std::mem::take(&mut *done);
        let now = Instant::now();
        (arrivals.first.unwrap_or(now), arrivals.last.unwrap_or(now))
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
    let now = Instant::now();
    arrivals.count += 1;
    arrivals.first.get_or_insert(now);
    arrivals.last = Some(now);
    changed.notify_one();
}
