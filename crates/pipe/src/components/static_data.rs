//! `backend/static`: a backend that needs no server. It answers every event with the same data, for tests and demos.

use std::path::Path;
use std::time::Duration;

use ::http::{Method, StatusCode};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use siphon_config::HumanDuration;
use siphon_config::model::Component;

use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::backend::Reading;
use crate::error::PipeError;
use crate::http::REPLY_LIMIT;
use crate::json::Json;
use crate::message::{Reply, Request, Response};
use crate::stage::{Context, Stage, StageFuture};

const NAMESPACE: &str = "backend/static";

pub(super) const ENTRY: Entry = Entry {
    namespaces: &[NAMESPACE],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Refuse,
    effect: "answers with data of the configuration, calls nobody",
    schema,
    build: Build::Transport(build),
};

/// `backend/static`. One of `data`, `text` and `file` at most; without any the reply is empty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The reply as JSON. Example: `{"id": 7}`.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    data: Option<IgnoredAny>,
    /// The reply as text, for the encodings `xml`, `rss` and `string`.
    #[serde(default)]
    text: Option<String>,
    /// A file with the reply, read at start; relative to the working directory.
    #[serde(default)]
    file: Option<String>,
    /// Status of the reply. Default: 200. Others than 2xx fail the event, as they do from a server.
    #[serde(default = "ok")]
    status: u16,
    /// Time until the reply is there. Duration such as `150ms`. Default: none.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    delay: Option<HumanDuration>,
}

fn ok() -> u16 {
    StatusCode::OK.as_u16()
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

/// The reply, read once: every event gets a copy, which shares the data.
struct Static {
    reply: Result<Response, PipeError>,
    delay: Duration,
}

impl Stage for Static {
    fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            if !self.delay.is_zero() {
                tokio::time::sleep(self.delay).await;
            }
            Reply::from(self.reply.clone())
        })
    }
}

fn build(component: &Component, site: &Site<'_>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let refuse = |key: &str, message: String| vec![component.problem(key, &message)];
    let (key, body) = body(&settings, component).map_err(|(key, message)| refuse(key, message))?;
    let status = StatusCode::from_u16(settings.status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| refuse("status", format!("{} is no status of a reply; write 200 to 599", settings.status)))?;
    let backend = site.backend.expect("stands at the level of backends");
    let method = Method::from_bytes(backend.method.as_bytes()).unwrap_or_default();
    let reply = Reading::new(backend, method)?.local(status, body, NAMESPACE);
    // What cannot be read would fail each event.
    if let Err(error @ PipeError::Decode { .. }) = &reply {
        return Err(refuse(key, format!("is not what the backend's encoding says: {error}")));
    }
    Ok(Box::new(Static { reply, delay: settings.delay.map(Duration::from).unwrap_or_default() }))
}

/// The reply's body and the key that has it, or what is wrong with which key.
fn body(settings: &Settings, component: &Component) -> Result<(&'static str, Bytes), (&'static str, String)> {
    let given =
        [("data", settings.data.is_some()), ("text", settings.text.is_some()), ("file", settings.file.is_some())];
    let given: Vec<_> = given.into_iter().filter(|(_, is_given)| *is_given).map(|(key, _)| key).collect();
    match given.as_slice() {
        [] => Ok(("", Bytes::new())),
        ["data"] => {
            let data = component.settings.get("data").map(Json::of_setting).unwrap_or_default();
            Ok(("data", data.to_vec().into()))
        }
        ["text"] => Ok(("text", settings.text.clone().unwrap_or_default().into())),
        ["file"] => read(settings.file.as_deref().unwrap_or_default()).map(|body| ("file", body)),
        [.., last] => Err((last, format!("stands beside {}; keep one of them", given[0]))),
    }
}

fn read(path: &str) -> Result<Bytes, (&'static str, String)> {
    let refuse = |why: String| ("file", format!("{path} {why}"));
    let length = Path::new(path).metadata().map_or(0, |file| file.len());
    if length > REPLY_LIMIT as u64 {
        return Err(refuse(format!("is larger than {REPLY_LIMIT} bytes")));
    }
    let body = std::fs::read(path);
    body.map(Bytes::from)
        .map_err(|error| refuse(format!("cannot be read: {error}; it is relative to the working directory")))
}

#[cfg(test)]
mod tests {
    use siphon_config::model::{Backend, Encoding};

    use super::*;
    use crate::components::testing;
    use crate::fixture;

    fn backend(encoding: Encoding) -> Backend {
        Backend { encoding, group: "g".into(), ..fixture::backend("", "/stub") }
    }

    fn built(encoding: Encoding, settings: &str) -> Checked<Box<dyn Stage>> {
        let component = testing::component(NAMESPACE, settings);
        testing::with_backend(&backend(encoding), |site| build(&component, site))
    }

    async fn reply(encoding: Encoding, settings: &str) -> Result<String, String> {
        let stage = built(encoding, settings).expect(settings);
        let reply = testing::run(stage.as_ref(), Request::new("event")).await;
        match reply.error {
            None => Ok(reply.response.expect("a response").data.to_string()),
            Some(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn every_event_gets_the_data_as_the_backends_keys_say() {
        let cases = [
            (
                Encoding::Json,
                r#"{"data": {"n": 12345678901234567890, "_x": 1.50}}"#,
                r#"{"g":{"n":12345678901234567890,"_x":1.50}}"#,
            ),
            (Encoding::SafeJson, r#"{"data": [1]}"#, r#"{"g":{"collection":[1]}}"#),
            (Encoding::Xml, r#"{"text": "<a>1</a>"}"#, r#"{"g":{"a":"1"}}"#),
            (Encoding::String, r#"{"text": "hi"}"#, r#"{"g":{"content":"hi"}}"#),
            (Encoding::Json, "{}", r#"{"g":{}}"#),
            (Encoding::NoOp, r#"{"status": 500, "text": "raw"}"#, "{}"),
        ];
        for (encoding, settings, expected) in cases {
            assert_eq!(reply(encoding, settings).await.as_deref(), Ok(expected), "{settings}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_once_at_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stub.json");
        std::fs::write(&file, r#"{"from": "file"}"#).expect("written");
        let stage = built(Encoding::Json, &serde_json::json!({ "file": file }).to_string()).expect("a stage");
        std::fs::remove_file(&file).expect("removed");
        let reply = testing::run(stage.as_ref(), Request::new("")).await;
        assert_eq!(
            reply.response.map(|response| response.data.to_string()).as_deref(),
            Some(r#"{"g":{"from":"file"}}"#)
        );
    }

    #[tokio::test]
    async fn a_status_fails_the_event_as_that_of_a_server_does() {
        let failed = reply(Encoding::Json, r#"{"status": 503}"#).await;
        assert_eq!(failed, Err("invalid status code 503 [POST /stub]: backend/static".to_owned()));
    }

    #[tokio::test]
    async fn a_delay_passes_first() {
        let stage = built(Encoding::Json, r#"{"delay": "1h"}"#).expect("a stage");
        let run = testing::run(stage.as_ref(), Request::new(""));
        assert!(futures_util::FutureExt::now_or_never(run).is_none());
        assert!(reply(Encoding::Json, r#"{"delay": "1ms"}"#).await.is_ok());
    }

    #[track_caller]
    fn refused(settings: &str, path: &str, message: &str) {
        let problems = built(Encoding::Json, settings).err().expect(settings);
        let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
        assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
    }

    #[test]
    fn what_cannot_work_is_refused_at_load() {
        refused(r#"{"data": [1]}"#, "b.data", "is not what the backend's encoding says: json: cannot unmarshal array");
        refused(r#"{"text": "<a>"}"#, "b.text", "at line 1, column 1");
        refused(r#"{"data": {}, "file": "x"}"#, "b.file", "stands beside data; keep one of them");
        refused(r#"{"file": "not/there.json"}"#, "b.file", "not/there.json cannot be read: ");
        refused(r#"{"status": 100}"#, "b.status", "100 is no status of a reply");
        refused(r#"{"delay": "soon"}"#, "b.delay", "soon");
        refused(r#"{"datum": 1}"#, "b.datum", "unknown field");
    }
}
