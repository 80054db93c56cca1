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
use super::client::{Outgoing, Pool, broken};
use super::connect::Connection;
use super::idle::{Kept, Peer};
use crate::error::{Call, PipeError};

/// A body that nobody wants is read only up to this size, to keep its connection; a new connection costs less than
/// reading more.
const DISCARD_LIMIT: u64 = 64 * 1024;

/// And only for this long: the failure is known already, and must not wait for a body.
const DISCARD_PATIENCE: Duration = Duration::from_millis(20);

/// Where a connection goes when its reply was read whole.
pub(super) struct Lease {
    pub kept: Kept<Connection>,
    pub pool: Arc<Pool>,
    pub peer: Peer,
}

impl Lease {
    fn end(self) {
        self.pool.give(&self.peer, self.kept);
    }
}

/// Head of a reply. Dropping it before its body was read closes the connection.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// What was asked last, after redirects.
    pub method: Method,
    pub url: Uri,
    body: Incoming,
    lease: Option<Lease>,
}

impl Answer {
    pub(super) fn new(response: Response<Incoming>, call: &Outgoing, lease: Option<Lease>) -> Self {
        let (head, body) = response.into_parts();
        let (method, url) = (call.method.clone(), call.url.clone());
        Self { status: head.status, headers: head.headers, method, url, body, lease }
    }

    /// The whole body, unpacked if it is gzip.
    ///
    /// # Errors
    ///
    /// `Oversized` past [`REPLY_LIMIT`], without reading more; `Transport` when the connection breaks; `Packing`.
    pub async fn read(mut self) -> Result<Bytes, PipeError> {
        if self.announced().is_some_and(|length| length > REPLY_LIMIT as u64) && self.method != Method::HEAD {
            return Err(self.oversized());
        }
        let body = self.collect().await?;
        if let Some(lease) = self.lease.take() {
            lease.end();
        }
        if body.is_empty() || !self.is_packed() {
            return Ok(body);
        }
        self.unpack(&body)
    }

    /// Reads and forgets a short body, so that the connection can be used again.
    pub async fn discard(mut self) {
        let is_short = self.method == Method::HEAD || self.announced().is_some_and(|length| length <= DISCARD_LIMIT);
        if is_short
            && matches!(timeout(DISCARD_PATIENCE, self.collect()).await, Ok(Ok(_)))
            && let Some(lease) = self.lease.take()
        {
            lease.end();
        }
    }

    fn announced(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    pub fn is_packed(&self) -> bool {
        self.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"))
    }

    /// One piece is taken as it came; several are put together.
    async fn collect(&mut self) -> Result<Bytes, PipeError> {
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| broken(self.call(), &error))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.len() + whole.len() + data.len() > REPLY_LIMIT {
                return Err(self.oversized());
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
