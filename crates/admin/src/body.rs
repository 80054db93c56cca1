//! Reading what a client sends, with a bound on memory and on time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// Longest time a client may take to send its body. The body of a backend call arrives in one go; who needs longer
/// holds one of a bounded number of connections.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What arrived: the first bytes, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// At most as many bytes as were asked for.
    pub start: Bytes,
    /// Length of the whole body in bytes.
    pub length: u64,
}

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the body did not arrive within {BODY_TIMEOUT:?}")]
    TooSlow,
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// Reads a body to its end and keeps its first `kept` bytes. Memory: `kept` bytes and one frame.
///
/// # Errors
///
/// [`BodyError`]: longer than `limit` bytes, not there in time, or broken off. Dropping the future ends the reading;
/// the connection is closed then.
pub async fn read(body: Incoming, kept: usize, limit: u64) -> Result<Arrived, BodyError> {
    if body.size_hint().lower() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    let all = tokio::time::timeout(BODY_TIMEOUT, read_frames(body, kept, limit));
    all.await.map_err(|_| BodyError::TooSlow)?
}

async fn read_frames(mut body: Incoming, kept: usize, limit: u64) -> Result<Arrived, BodyError> {
    let mut start = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len() as u64;
        if length > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let room = kept - start.len();
        start.extend_from_slice(&data[..room.min(data.len())]);
    }
    Ok(Arrived { start: start.freeze(), length })
}
