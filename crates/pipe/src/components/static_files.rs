//! `backend/static-filesystem`: a backend that answers with files of a folder (components-traffic.md §13).
//!
//! The `url_pattern`, its placeholders filled, is the path below the folder. Parts of it come from strangers, so that no
//! path leads out of the folder, links included.

use std::io::{self, Read};
use std::path::{Component as Part, Path, PathBuf};

use ::http::{Method, StatusCode};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::backend::Reading;
use crate::error::{Call, PipeError};
use crate::http::REPLY_LIMIT;
use crate::message::{Request, Response};
use crate::percent;
use crate::stage::{Context, Stage, StageFuture};

const NAMESPACE: &str = "backend/static-filesystem";

/// What stands for a folder.
const INDEX: &str = "index.html";

pub(super) const ENTRY: Entry = Entry {
    namespaces: &[NAMESPACE],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "answers with files of a folder, calls nobody",
    schema,
    build: Build::Transport(build),
};

/// `backend/static-filesystem`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// The folder; relative to the working directory.
    path: String,
    /// Only false (the default): a list of files as HTML is no data.
    #[serde(default)]
    directory_listing: bool,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

struct Files {
    /// Without links.
    folder: PathBuf,
    reading: Reading,
}

fn build(component: &Component, site: &Site<'_>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let refuse = |key: &str, message: String| vec![component.problem(key, &message)];
    if settings.directory_listing {
        return Err(refuse("directory_listing", "lists of files are not in this build of siphon; remove it".into()));
    }
    let path = &settings.path;
    let folder = Path::new(path).canonicalize().map_err(|error| {
        refuse("path", format!("{path} cannot be opened: {error}; it is relative to the working directory"))
    })?;
    if !folder.is_dir() {
        return Err(refuse("path", format!("{path} is no folder")));
    }
    let backend = site.backend.expect("stands at the level of backends");
    let method = Method::from_bytes(backend.method.as_bytes()).unwrap_or_default();
    Ok(Box::new(Files { folder, reading: Reading::new(backend, method)? }))
}

impl Stage for Files {
    /// Dropped, it leaves the reading of one file to end by itself.
    fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
        Box::pin(async move { self.answer(request).await.into() })
    }
}

impl Files {
    async fn answer(&self, request: Request) -> Result<Response, PipeError> {
        let call = Call { method: request.method.clone(), url: request.url.path().to_owned() };
        let Some(below) = below(request.url.path()) else {
            return self.reading.local(StatusCode::NOT_FOUND, Bytes::new(), NAMESPACE);
        };
        let folder = self.folder.clone();
        // A disk may take its time, and the thread serves other events.
        let found = tokio::task::spawn_blocking(move || read(&folder, &below)).await;
        let failed = |reason: String| PipeError::Transport { call: call.clone(), reason };
        match found.map_err(|error| failed(error.to_string()))? {
            Ok(Some(body)) if body.len() > REPLY_LIMIT => Err(PipeError::Oversized { call, limit: REPLY_LIMIT }),
            Ok(Some(body)) => self.reading.local(StatusCode::OK, body, NAMESPACE),
            Ok(None) => self.reading.local(StatusCode::NOT_FOUND, Bytes::new(), NAMESPACE),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// The path of a URL as one below a folder; `None` for one that would leave it, or that no file can have.
pub(super) fn below(path: &str) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name = percent::decoded(segment)?;
        let mut parts = Path::new(&name).components();
        let is_one_name = matches!((parts.next(), parts.next()), (Some(Part::Normal(part)), None) if *part == *name);
        if !is_one_name || name.contains('\0') {
            return None;
        }
        out.push(name);
    }
    Some(out)
}

/// The file, at most one byte more than a reply may have; `None` where there is none inside the folder.
pub(super) fn read(folder: &Path, below: &Path) -> io::Result<Option<Bytes>> {
    let mut path = folder.join(below);
    if path.is_dir() {
        path.push(INDEX);
    }
    let path = match path.canonicalize() {
        Ok(path) if path.starts_with(folder) && path.is_file() => path,
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut body = Vec::new();
    std::fs::File::open(path)?.take(REPLY_LIMIT as u64 + 1).read_to_end(&mut body)?;
    Ok(Some(body.into()))
}

#[cfg(test)]
mod tests {
    use siphon_config::model::Encoding;
    use tempfile::TempDir;

    use super::*;
    use crate::components::testing;
    use crate::fixture;

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("secret.txt", "secret"), ("public/a b.txt", "one"), ("public/sub/index.html", "index")] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        folder
    }

    fn built(path: &Path, more: &str) -> Checked<Box<dyn Stage>> {
        let settings = format!(r#"{{"path": {:?}{more}}}"#, path.display().to_string());
        let mut backend = fixture::backend("", "/{Name}");
        backend.encoding = Encoding::String;
        let component = testing::component(NAMESPACE, &settings);
        testing::with_backend(&backend, |site| build(&component, site))
    }

    async fn answer(stage: &dyn Stage, path: &str) -> String {
        let request = Request { url: path.parse().expect(path), method: Method::POST, ..Request::new("event") };
        let reply = testing::run(stage, request).await;
        match reply.error {
            Some(error) => error.to_string(),
            None => reply.response.expect("a response").data.to_string(),
        }
    }

    #[tokio::test]
    async fn the_path_names_a_file_below_the_folder() {
        let folder = folder();
        let stage = built(&folder.path().join("public"), "").expect("a stage");
        for (path, expected) in [("/a%20b.txt", "one"), ("/sub/", "index"), ("/sub?x=1", "index")] {
            assert_eq!(answer(stage.as_ref(), path).await, format!(r#"{{"content":"{expected}"}}"#), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_or_not_below_is_not_found() {
        let folder = folder();
        let public = folder.path().join("public");
        std::os::unix::fs::symlink(folder.path().join("secret.txt"), public.join("link")).expect("linked");
        let stage = built(&public, "").expect("a stage");
        let paths = [
            "/nope",
            "/",
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/link",
            "/a%00b",
            "/a%20b.txt/x",
            "/%ff",
        ];
        for path in paths {
            let expected = "invalid status code 404 [POST /{Name}]: backend/static-filesystem";
            assert_eq!(answer(stage.as_ref(), path).await, expected, "{path}");
        }
    }

    #[track_caller]
    fn refused(path: &Path, more: &str, at: &str, message: &str) {
        let problems = built(path, more).err().expect(message);
        let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
        assert!(said.len() == 1 && said[0].0 == at && said[0].1.contains(message), "{said:?}");
    }

    #[test]
    fn what_cannot_work_is_refused_at_load() {
        let folder = folder();
        refused(&folder.path().join("nope"), "", "b.path", "cannot be opened: ");
        refused(&folder.path().join("secret.txt"), "", "b.path", "is no folder");
        refused(folder.path(), r#", "directory_listing": true"#, "b.directory_listing", "not in this build");
    }
}
