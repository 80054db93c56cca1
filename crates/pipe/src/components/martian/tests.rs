//! The reference's worked examples (components-scripting.md §10, Martian), and what this build refuses.

mod changes;
mod choices;
mod refusals;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::header::{HeaderName, HeaderValue};
use ::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use tokio::time::Instant;

use super::*;
use crate::components::testing;

/// Keeps the call, and answers it.
struct Backend {
    seen: Arc<Mutex<Vec<Outgoing>>>,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Exchange for Backend {
    fn exchange<'a>(&'a self, call: Outgoing, _: &'a Context) -> ExchangeFuture<'a> {
        let answer = Answer::from_memory(&call, self.status, self.headers.clone(), self.body.clone());
        self.seen.lock().expect("whole").push(call);
        Box::pin(std::future::ready(Ok(answer)))
    }
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// `POST http://u:p@h:81/x?a=1&b=2` with `orig`, and an answer 200 `{"k":1}`.
struct Run {
    url: &'static str,
    asked: HeaderMap,
    answered: HeaderMap,
    status: u16,
}

impl Default for Run {
    fn default() -> Self {
        let (asked, answered) = (HeaderMap::new(), HeaderMap::new());
        Self { url: "http://u:p@h:81/x?a=1&b=2", asked, answered, status: 200 }
    }
}

/// The call that the backend saw, and the answer's head and body.
struct Ran {
    call: Option<Outgoing>,
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Run {
    fn asking(lines: &[(&'static str, &'static str)]) -> Self {
        Self { asked: headers(lines), ..Self::default() }
    }

    async fn through(self, settings: &str) -> Result<Ran, String> {
        let seen = Arc::default();
        let (status, body) = (StatusCode::from_u16(self.status).expect("a status"), Bytes::from_static(b"{\"k\":1}"));
        let below = Backend { seen: Arc::clone(&seen), status, headers: self.answered, body };
        let component = testing::component(ENTRY.namespaces[0], settings);
        let martian = testing::with_site(|site| build(&component, site, Box::new(below)));
        let martian = martian.unwrap_or_else(|problems| panic!("{settings}: {problems:?}"));
        let url = self.url.parse().expect("a url");
        let call = Outgoing::new(Method::POST, url, Arc::new(self.asked), Bytes::from_static(b"orig"));
        let context = Context { deadline: Instant::now() + Duration::from_secs(60) };
        let answer = martian.exchange(call, &context).await.map_err(|error| error.to_string())?;
        let (status, headers) = (answer.status.as_u16(), answer.headers.clone());
        let body = answer.read().await.expect("in memory");
        let call = seen.lock().expect("whole").pop();
        Ok(Ran { call, status, headers, body })
    }
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect();
    lines.sort();
    lines
}

/// Headers of the call, then those of its answer.
async fn check(run: Run, settings: &str, call: &[&str], answer: &[&str]) {
    let ran = run.through(settings).await.expect(settings);
    let seen = ran.call.map(|call| lines(&call.headers)).unwrap_or_default();
    assert_eq!(
        (seen.as_slice(), lines(&ran.headers).as_slice()),
        (as_text(call).as_slice(), as_text(answer).as_slice())
    );
}

fn as_text(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[track_caller]
fn refused(settings: &str, path: &str, message: &str) {
    let component = testing::component(ENTRY.namespaces[0], settings);
    let below = Backend { seen: Arc::default(), status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
    let problems = testing::with_site(|site| build(&component, site, Box::new(below))).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{settings}: {said:?}");
}
