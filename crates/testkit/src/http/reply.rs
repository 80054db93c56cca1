//! What a scripted backend answers.

use std::time::Duration;

use bytes::Bytes;

/// One answer, or the lack of one.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) wire: Vec<u8>,
    pub(super) delay: Duration,
    pub(super) is_held: bool,
    pub(super) closes: bool,
}

impl Reply {
    /// `status` with a body and its content type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::with_headers(status, &[("Content-Type", content_type)], body)
    }

    /// `status` with a JSON body.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// `status` without a body.
    pub fn status(status: u16) -> Self {
        Self::with_headers(status, &[], Bytes::new())
    }

    /// `status` with these headers; Content-Length is added.
    pub fn with_headers(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if status != 204 && status != 304 {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut wire = (head + "\r\n").into_bytes();
        wire.extend_from_slice(&body);
        Self::raw(wire)
    }

    /// These very bytes: garbage, or what HTTP allows and few servers do.
    pub fn raw(wire: impl Into<Vec<u8>>) -> Self {
        Self { wire: wire.into(), delay: Duration::ZERO, is_held: false, closes: false }
    }

    /// Closes the connection without a word.
    pub fn hang_up() -> Self {
        Self::raw([]).and_close()
    }

    /// Closes the connection in the middle of a body.
    pub fn hang_up_in_the_body() -> Self {
        Self::raw(&b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"a\":"[..])
            .and_close()
    }

    /// What no HTTP client understands.
    pub fn garbage() -> Self {
        Self::raw(&b"\x00\x01 this is not HTTP\r\n\r\n"[..]).and_close()
    }

    /// Waits before it answers.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits for [`HttpBackend::release`](super::HttpBackend::release) before it answers.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.is_held = true;
        self
    }

    /// Closes the connection after the answer.
    #[must_use]
    pub fn and_close(mut self) -> Self {
        self.closes = true;
        self
    }
}
