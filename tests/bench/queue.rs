//! The embedded queue through the whole program, against the least that a consumer of such a queue does: one thread per
//! worker, one claim, one POST and one delete per event, each change of the file in a transaction of its own.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use siphon_testkit::{plugins_dir, siphon_bin};

use crate::process::{cpu, memory_mib, terminate};
use crate::sink::Sink;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often the start is measured.
const STARTS: usize = 11;

/// How long an idle siphon is watched.
const IDLE: Duration = Duration::from_secs(10);

/// One measured run.
struct Run {
    events_per_second: f64,
    /// Microseconds of CPU per event.
    cpu: f64,
    peak_mib: f64,
}

pub fn run(events: usize, payload: usize) -> Result<()> {
    let sink = Sink::start()?;
    println!("embedded queue, {events} events of {payload} bytes, siphon against the naive consumer, interleaved");
    println!("{:>8} {:>8} {:>12} {:>14} {:>10}", "workers", "", "events/s", "CPU us/event", "peak MiB");
    for workers in [1, 64] {
        // One at a time is slower by an order: fewer events say as much.
        let events = if workers == 1 { events / 10 } else { events };
        let naive = naive(&sink, workers, events, payload)?;
        let siphon = siphon(&sink, workers, events, payload)?;
        print_run(workers, "naive", &naive);
        print_run(workers, "siphon", &siphon);
        let (rate, cpu) = (siphon.events_per_second / naive.events_per_second, siphon.cpu / naive.cpu);
        println!("{:>8} {:>8} {rate:>11.2}x {cpu:>13.2}x", workers, "ratio");
    }
    start_up(&sink)?;
    idle(&sink, 1)?;
    idle(&sink, 200)
}

fn print_run(workers: usize, name: &str, run: &Run) {
    println!("{workers:>8} {name:>8} {:>12.0} {:>14.1} {:>10.1}", run.events_per_second, run.cpu, run.peak_mib);
}

fn rate(events: usize, (first, last): (Instant, Instant)) -> f64 {
    (events.max(2) - 1) as f64 / last.duration_since(first).as_secs_f64().max(1e-9)
}

fn siphon(sink: &Sink, workers: usize, events: usize, payload: usize) -> Result<Run> {
    let folder = tempfile::tempdir()?;
    configure(folder.path(), sink.address, workers, 1)?;
    publish(folder.path(), events, payload)?;
    let child = start(folder.path())?;
    let span = sink.wait_for(events);
    let used = cpu(child.id());
    let peak_mib = memory_mib(child.id(), "VmHWM");
    terminate(child)?;
    Ok(Run { events_per_second: rate(events, span), cpu: used.as_secs_f64() * 1e6 / events as f64, peak_mib })
}

fn configure(folder: &Path, backend: SocketAddr, workers: usize, agents: usize) -> Result<()> {
    let mut list = String::new();
    for agent in 0..agents {
        let comma = if agent == 0 { "" } else { "," };
        write!(
            list,
            r#"{comma}{{"name":"a{agent}","consumer":{{"topic":"bench","workers":{workers},"timeout":"10s"}},
            "backend":[{{"host":["http://{backend}"],"url_pattern":"/in","method":"POST"}}],
            "extra_config":{{"async/sqlite":{{"path":"events.db","queue":"q{agent}"}}}}}}"#
        )?;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let text = format!(r#"{{"version":3,"listen_ip":"127.0.0.1","port":{port},"async_agent":[{list}]}}"#);
    Ok(std::fs::write(folder.join("siphon.json"), text)?)
}

fn command(folder: &Path, subcommand: &str) -> Command {
    let mut command = Command::new(siphon_bin());
    command
        .current_dir(folder)
        .args([subcommand, "-c", "siphon.json", "--log-level", "error", "--plugins"])
        .arg(plugins_dir());
    command
}

fn start(folder: &Path) -> Result<Child> {
    Ok(command(folder, "run").stdout(Stdio::null()).spawn()?)
}

fn body(payload: usize) -> String {
    format!(r#"{{"pad":"{}"}}"#, "x".repeat(payload.saturating_sub(10)))
}

fn publish(folder: &Path, events: usize, payload: usize) -> Result<()> {
    let mut child =
        command(folder, "publish").args(["--agent", "a0", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let line = body(payload) + "\n";
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    for _ in 0..events {
        stdin.write_all(line.as_bytes())?;
    }
    drop(stdin);
    if child.wait()?.success() { Ok(()) } else { Err("siphon publish failed".into()) }
}

/// From the start of the process to its first call of the backend, with an event waiting in the queue.
fn start_up(sink: &Sink) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        configure(folder.path(), sink.address, 1, 1)?;
        publish(folder.path(), 1, 256)?;
        let began = Instant::now();
        let child = start(folder.path())?;
        times.push(sink.wait_for(1).0.duration_since(began));
        terminate(child)?;
    }
    times.sort();
    println!("start to first event: median {:?}, worst {:?} of {STARTS}", times[STARTS / 2], times[STARTS - 1]);
    Ok(())
}

fn idle(sink: &Sink, agents: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    configure(folder.path(), sink.address, 1, agents)?;
    publish(folder.path(), 1, 256)?;
    let child = start(folder.path())?;
    sink.wait_for(1);
    let before = cpu(child.id());
    std::thread::sleep(IDLE);
    let used = cpu(child.id()) - before;
    let (percent, mib) = (used.as_secs_f64() / IDLE.as_secs_f64() * 100.0, memory_mib(child.id(), "VmRSS"));
    println!("idle with {agents} agent(s): {percent:.2} % of a core, {mib:.1} MiB resident");
    terminate(child).map_err(Into::into)
}

/// The baseline, in a process of its own so that its CPU and memory can be told apart.
fn naive(sink: &Sink, workers: usize, events: usize, payload: usize) -> Result<Run> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("naive.db");
    let mut connection = open(&file)?;
    connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, payload BLOB, taken INTEGER DEFAULT 0)", [])?;
    connection.execute("CREATE INDEX free ON events (taken, id)", [])?;
    let transaction = connection.transaction()?;
    for _ in 0..events {
        transaction.execute("INSERT INTO events (payload) VALUES (?1)", [body(payload)])?;
    }
    transaction.commit()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("naive-queue").arg(&file).arg(workers.to_string()).arg(sink.address.to_string());
    // It ends by itself, but stays for a line of input, so that it can be looked at.
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let span = sink.wait_for(events);
    let mut done = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut done)?;
    let (used, peak_mib) = (cpu(child.id()), memory_mib(child.id(), "VmHWM"));
    drop(child.stdin.take());
    child.wait()?;
    Ok(Run { events_per_second: rate(events, span), cpu: used.as_secs_f64() * 1e6 / events as f64, peak_mib })
}

fn open(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.busy_timeout(Duration::from_secs(60))?;
    Ok(connection)
}

/// `bench naive-queue FILE WORKERS ADDRESS`: consumes the table until it is empty.
pub fn naive_consumer(file: &Path, workers: usize, backend: SocketAddr) -> Result<()> {
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(move || consume(file, backend).unwrap_or_else(|error| panic!("the naive consumer: {error}")));
        }
    });
    println!("done");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn consume(file: &Path, backend: SocketAddr) -> Result<()> {
    let connection = open(file)?;
    let mut stream = TcpStream::connect(backend)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut claim = connection.prepare(
        "UPDATE events SET taken = 1 WHERE id = (SELECT id FROM events WHERE taken = 0 ORDER BY id LIMIT 1) RETURNING id, payload",
    )?;
    let mut delete = connection.prepare("DELETE FROM events WHERE id = ?1")?;
    loop {
        let mut rows = claim.query([])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let (id, payload): (i64, String) = (row.get(0)?, row.get(1)?);
        // The claim is a transaction that ends with its statement.
        while rows.next()?.is_some() {}
        drop(rows);
        post(&mut stream, &mut reader, payload.as_bytes())?;
        delete.execute([id])?;
    }
}

fn post(stream: &mut TcpStream, reader: &mut impl BufRead, payload: &[u8]) -> Result<()> {
    let head = format!(
        "POST /in HTTP/1.1\r\nhost: sink\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        payload.len()
    );
    stream.write_all(&[head.as_bytes(), payload].concat())?;
    let mut line = String::new();
    let mut status = String::new();
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
        if status.is_empty() {
            status.clone_from(&line);
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if status.contains(" 200 ") { Ok(()) } else { Err(status.into()) }
}
