//! `static.Modifier`: files in the place of a backend (components-scripting.md §3.3).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use ::http::StatusCode;
use ::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::message::{Acts, Modify, Received, Sent};
use super::ranges;
use super::read::{Reader, refuse, settings};
use super::scope::Sides;
use crate::components::{Checked, static_files};
use crate::http::REPLY_LIMIT;
use crate::percent;

/// `static.Modifier`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Settings {
    /// The folder with the files; relative to the working directory.
    #[serde(rename = "rootPath")]
    root_path: String,
    /// Paths of calls whose file has another name. Example: `{"/x": "/f.json"}`. Default: none.
    #[serde(rename = "explicitPaths")]
    explicit_paths: BTreeMap<String, String>,
}

/// Where answers are taken from.
pub(super) struct Folder {
    /// Without links.
    root: PathBuf,
    /// From the path of a call to that below the folder.
    explicit: BTreeMap<String, PathBuf>,
}

/// A file that was read.
pub(super) struct File {
    body: Bytes,
    content_type: HeaderValue,
}

impl Folder {
    /// The file for a call's path; `None` where there is none inside the folder.
    ///
    /// # Errors
    ///
    /// Why a file that is there cannot be read.
    pub async fn read(&self, path: &str) -> Result<Option<File>, String> {
        let plain = percent::decoded(path).unwrap_or_default();
        let below = self.explicit.get(&plain).cloned().or_else(|| static_files::below(path));
        let Some(below) = below else { return Ok(None) };
        let (root, content_type) = (self.root.clone(), content_type(&below));
        // A disk may take its time, and the thread serves other events.
        let read = tokio::task::spawn_blocking(move || static_files::read(&root, &below)).await;
        let body = read.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| error.to_string())?;
        match body {
            Some(body) if body.len() > REPLY_LIMIT => Err(format!("the file is larger than {REPLY_LIMIT} bytes")),
            body => Ok(body.map(|body| File { body, content_type })),
        }
    }
}

/// By the name's extension; an unknown one has none, as in the reference.
fn content_type(path: &Path) -> HeaderValue {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    HeaderValue::from_static(match extension.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "xml" => "text/xml; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "wasm" => "application/wasm",
        _ => "",
    })
}

/// Nobody is called.
struct Skip;

impl Modify<Sent> for Skip {
    fn modify(&self, call: &mut Sent) -> Result<(), String> {
        call.is_answered = true;
        Ok(())
    }
}

/// The folder's place in the reader's list.
struct Serve(usize);

impl Modify<Received> for Serve {
    fn modify(&self, answer: &mut Received) -> Result<(), String> {
        match answer.files.get_mut(self.0).and_then(Option::take) {
            Some(file) => {
                ranges::answer_with(answer, &file.body, file.content_type.clone());
                answer.files[self.0] = Some(file);
            }
            None => {
                answer.status = StatusCode::NOT_FOUND;
                answer.headers.remove(CONTENT_ENCODING);
                answer.headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
                answer.body = Some(Bytes::new());
            }
        }
        Ok(())
    }
}

pub(super) fn modifier(reader: &mut Reader, place: &Component, sides: Sides) -> Checked<Acts> {
    let settings: Settings = settings(place)?;
    if sides.request && !sides.response {
        let message = "nobody would be called and no file taken; write [\"request\", \"response\"]";
        return Err(refuse(place, "scope")(message.to_owned()));
    }
    let mut acts = Acts::on_call(Skip);
    if sides.response {
        acts.on_answer = Some(Box::new(Serve(reader.folders.len())));
        reader.folders.push(folder(place, settings)?);
    }
    Ok(acts)
}

fn folder(place: &Component, settings: Settings) -> Checked<Folder> {
    let Settings { root_path, explicit_paths } = settings;
    let root = Path::new(&root_path).canonicalize().map_err(|error| {
        let message = format!("{root_path:?} cannot be opened: {error}; it is relative to the working directory");
        refuse(place, "rootPath")(message)
    })?;
    if !root.is_dir() {
        return Err(refuse(place, "rootPath")(format!("{root_path:?} is no folder")));
    }
    let mut explicit = BTreeMap::new();
    for (path, file) in explicit_paths {
        let below = static_files::below(&file).ok_or_else(|| {
            refuse(place, &format!("explicitPaths.{path}"))(format!("{file:?} leads out of the folder"))
        })?;
        explicit.insert(path, below);
    }
    Ok(Folder { root, explicit })
}
