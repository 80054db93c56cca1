//! The backend of the pipes: one answer for each path, a thread for each connection.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

const SMALL: &str = r#"{"ok":true}"#;

/// Rows of the larger answers, so that they have about 10 KiB.
const ROWS: usize = 96;

struct Answers {
    small: Vec<u8>,
    json: Vec<u8>,
    xml: Vec<u8>,
}

/// The small answer over HTTP/2 without TLS, until the process ends.
pub fn start_http2() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || runtime.block_on(accept_http2(listener)));
    Ok(address)
}

async fn accept_http2(listener: TcpListener) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(async |request: Request<Incoming>| {
            request.into_body().collect().await?;
            Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(SMALL.as_bytes()))))
        });
        tokio::spawn(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
    }
}

/// Serves until the process ends.
pub fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answers = Arc::new(Answers { small: answer(SMALL), json: answer(&json()), xml: answer(&xml()) });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || serve(stream, &answers));
        }
    });
    Ok(address)
}

fn answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn json() -> String {
    let mut rows = String::new();
    for row in 0..ROWS {
        let comma = if row == 0 { "" } else { "," };
        _ = write!(
            rows,
            r#"{comma}{{"sku":"article-{row}","name":"a thing with a name \"{row}\"","count":{row},"price":{row}.50,"tags":["a","b"]}}"#
        );
    }
    format!(r#"{{"id":12345678901234567890,"customer":{{"name":"Ann","city":"Vigo"}},"rows":[{rows}],"note":"none"}}"#)
}

fn xml() -> String {
    let mut rows = String::new();
    for row in 0..ROWS {
        _ = write!(
            rows,
            "<row sku=\"article-{row}\"><name>a thing &amp; its name {row}</name><count>{row}</count><price>{row}.50</price></row>"
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><order id=\"7\"><customer><name>Ann</name></customer>{rows}</order>"
    )
}

fn serve(stream: TcpStream, answers: &Answers) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    let mut body = Vec::new();
    loop {
        let (path, length) = head(&mut reader)?;
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
        let answer = match path.as_str() {
            "/json" => &answers.json,
            "/xml" => &answers.xml,
            _ => &answers.small,
        };
        writer.write_all(answer).ok()?;
    }
}

/// Path and length of a request; `None` at the end of the connection.
fn head(reader: &mut impl BufRead) -> Option<(String, usize)> {
    let (mut path, mut length, mut line) = (String::new(), 0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            None if line == "\r\n" => return Some((path, length)),
            None => path = line.split(' ').nth(1)?.to_owned(),
            Some(_) => {}
        }
    }
}
