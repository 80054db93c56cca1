//! The embedded queue: a thread per worker; one claim, one POST and one delete per event, each change of the file in a
//! transaction of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::kinds::Result;

/// Makes the table, with so many events in it.
pub fn fill(file: &Path, events: usize, body: &str) -> Result<()> {
    let mut connection = open(file)?;
    connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, payload BLOB, taken INTEGER DEFAULT 0)", [])?;
    connection.execute("CREATE INDEX free ON events (taken, id)", [])?;
    let transaction = connection.transaction()?;
    for _ in 0..events {
        transaction.execute("INSERT INTO events (payload) VALUES (?1)", [body])?;
    }
    Ok(transaction.commit()?)
}

/// Consumes the table until it is empty. Then it waits for the end of its input, so that it can be looked at.
pub fn consume(file: &Path, workers: usize, backend: SocketAddr) -> Result<()> {
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(move || work(file, backend).unwrap_or_else(|error| panic!("the naive consumer: {error}")));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn open(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.busy_timeout(Duration::from_secs(60))?;
    Ok(connection)
}

fn work(file: &Path, backend: SocketAddr) -> Result<()> {
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
