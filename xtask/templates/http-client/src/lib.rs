//! A folder in the place of an HTTP server: GET reads a file, every other method writes one.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use siphon_sdk::{Answer, Context, Error, HttpClient, Refusal, Request};

/// Where the files are.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder, such as `replies`. The last part of a URL's path is a file in it.
    folder: PathBuf,
}

/// One value serves all calls of its backend at once.
struct Folder(PathBuf);

impl HttpClient for Folder {
    const NAMES: &'static [&'static str] = &["{name}"];
    const LABEL: &'static str = "{label}";
    type Config = Config;

    fn open(config: Config, _: Context) -> Result<Self, Error> {
        Ok(Self(config.folder))
    }

    async fn call(&self, request: Request) -> Result<Answer, Refusal> {
        let file = self.0.join(name(request.path())?);
        // All calls of this library share one thread: what blocks goes elsewhere.
        let work = move || if request.method() == "GET" { read(&file) } else { write(&file, request.body()) };
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::new("the file's work broke off"))?;
        done.map_err(|error| Refusal::connection(format!("cannot use the folder: {error}")))
    }
}

/// The last part of the path, which cannot lead out of the folder.
fn name(path: &str) -> Result<&str, Refusal> {
    match path.rsplit('/').next() {
        None | Some("" | "." | "..") => Err(Refusal::new(format!("{path:?} names no file")).status(400)),
        Some(name) => Ok(name),
    }
}

/// A file that is not there is an answer: siphon judges its status.
fn read(file: &Path) -> std::io::Result<Answer> {
    match std::fs::read(file) {
        Ok(body) => Ok(Answer::new(200, body).header("content-type", "application/json")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Answer::new(404, "")),
        Err(error) => Err(error),
    }
}

fn write(file: &Path, body: &[u8]) -> std::io::Result<Answer> {
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(file, body)?;
    Ok(Answer::new(201, "{}"))
}

siphon_sdk::export_plugin!(siphon_sdk::http_client::<Folder>());
