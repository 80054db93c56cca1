//! A reply whose body is still on the wire.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use ::http::{Method, Response, StatusCode, Uri};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::REPLY_LIMIT;
use super::client::broken;
use super::connect::Connection;
use super::exchange::Outgoing;
use super::idle::{Kept, Peer};
use super::pool::Pool;
use super::shared::Place;
use crate::error::{Call, PipeError};

/// A body that nobody wants is read only up to this size, to keep its connection; a new connection costs less than
/// reading more.
const DISCARD_LIMIT: u64 = 64 * 1024;

/// And only for this long: the failure is known already, and must not wait for a body.
const DISCARD_PATIENCE: Duration = Duration::from_millis(20);

/// What a reply holds until it was read whole.
pub(super) enum Lease {
    /// A connection, and where it goes then.
    One { kept: Kept<Connection>, pool: Arc<Pool>, peer: Peer },
    /// A place on one.
    Many(#[expect(dead_code, reason = "held")] Place),
}

impl Lease {
    fn end(self) {
        if let Self::One { kept, pool, peer } = self {
            pool.give(&peer, kept);
        }
    }
}

/// Head of a reply, and its body on the wire or in memory. Dropping it before its body was read closes the connection.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// What was asked last, after redirects.
    pub method: Method,
    pub url: Uri,
    /// What came behind the body, once it is read.
    pub trailers: HeaderMap,
    /// What a layer of the call found wrong with it, for the error that its status becomes. Empty: nothing.
    pub remark: String,
    body: Body,
}

enum Body {
    Wire(Incoming, Option<Lease>),
    Memory(Bytes),
}

impl Answer {
    pub(super) fn new(response: Response<Incoming>, call: &Outgoing, lease: Option<Lease>) -> Self {
        let (head, body) = response.into_parts();
        Self::with(call, head.status, head.headers, Body::Wire(body, lease))
    }

    /// An answer to `call` that came over no connection.
    pub fn from_memory(call: &Outgoing, status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self::with(call, status, headers, Body::Memory(body))
    }

    fn with(call: &Outgoing, status: StatusCode, headers: HeaderMap, body: Body) -> Self {
        let (method, url, trailers) = (call.method.clone(), call.url.clone(), HeaderMap::new());
        Self { status, headers, method, url, trailers, remark: String::new(), body }
    }

    /// The whole body, unpacked if it is gzip.
    ///
    /// # Errors
    ///
    /// `Oversized` past [`REPLY_LIMIT`], without reading more; `Transport` when the connection breaks; `Packing`.
    pub async fn read(self) -> Result<Bytes, PipeError> {
        let mut answer = self;
        answer.load().await
    }

    /// Brings the whole body into memory, unpacked if it is gzip; the headers are then about the unpacked body. A layer
    /// that looks at the body, and what is above it, share it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn load(&mut self) -> Result<Bytes, PipeError> {
        if self.announced().is_some_and(|length| length > REPLY_LIMIT as u64) && self.method != Method::HEAD {
            return Err(self.oversized());
        }
        let mut body = self.collect().await?;
        if !body.is_empty() && self.is_packed() {
            body = self.unpack(&body)?;
            self.headers.remove(CONTENT_ENCODING);
            self.headers.remove(CONTENT_LENGTH);
        }
        self.body = Body::Memory(body.clone());
        Ok(body)
    }

    /// Reads and forgets a short body, so that the connection can be used again.
    pub async fn discard(mut self) {
        self.drain().await;
    }

    /// Puts `body` in the place of the one that came, which is discarded. The headers stay as they are.
    pub async fn replace_body(&mut self, body: Bytes) {
        self.drain().await;
        self.body = Body::Memory(body);
    }

    async fn drain(&mut self) {
        let is_short = self.method == Method::HEAD || self.announced().is_some_and(|length| length <= DISCARD_LIMIT);
        if is_short {
            _ = timeout(DISCARD_PATIENCE, self.collect()).await;
        }
    }

    fn announced(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Whether the body is gzip, and [`load`](Self::load) will unpack it.
    pub(crate) fn is_packed(&self) -> bool {
        self.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"))
    }

    /// The body as it came. One piece is taken as it is; several are put together. At the end of the body its
    /// connection is free.
    async fn collect(&mut self) -> Result<Bytes, PipeError> {
        let (incoming, lease) = match &mut self.body {
            Body::Memory(body) => return Ok(body.clone()),
            Body::Wire(incoming, lease) => (incoming, lease),
        };
        let call = || Call::new(&self.method, &self.url);
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| broken(call(), &error))?;
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    self.trailers.extend(frame.into_trailers().unwrap_or_default());
                    continue;
                }
            };
            if first.len() + whole.len() + data.len() > REPLY_LIMIT {
                return Err(PipeError::Oversized { call: call(), limit: REPLY_LIMIT });
            }
            match (first.is_empty(), whole.is_empty()) {
                (true, true) => first = data,
                (false, _) => {
                    whole.extend_from_slice(&std::mem::take(&mut first));
                    whole.extend_from_slice(&data);
                }
                (true, false) => whole.extend_from_slice(&data),
            }
        }
        if let Some(lease) = lease.take() {
            lease.end();
        }
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    }

    fn unpack(&self, body: &[u8]) -> Result<Bytes, PipeError> {
        let mut out = Vec::new();
        let read = MultiGzDecoder::new(body).take(REPLY_LIMIT as u64 + 1).read_to_end(&mut out);
        if out.len() > REPLY_LIMIT {
            return Err(self.oversized());
        }
        match read {
            Ok(_) => Ok(out.into()),
            Err(error) => Err(PipeError::Packing { call: self.call(), reason: packing(&error) }),
        }
    }

    fn oversized(&self) -> PipeError {
        PipeError::Oversized { call: self.call(), limit: REPLY_LIMIT }
    }

    fn call(&self) -> Call {
        Call::new(&self.method, &self.url)
    }
}

fn packing(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "gzip: unexpected EOF".to_owned(),
        _ => format!("gzip: {error}"),
    }
}
