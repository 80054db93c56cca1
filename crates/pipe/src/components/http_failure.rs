//! `backend/http`: what becomes of a reply whose status is no success.

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::{Build, CallOptions, Checked, Entry, Level, UnknownKeys};
use crate::backend::OnRefusal;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["backend/http", "github.com/devopsfaith/krakend/http"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "keeps what the backend says when it refuses",
    schema,
    build: Build::Judge(build),
};

/// `backend/http`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Settings {
    /// Makes data of a refusal, under `error_NAME`: status, body and type of the reply. The event is not failed by it.
    /// Default: empty, a refusal fails the event.
    return_error_details: String,
    /// Puts the beginning of the reply's body into the error. Default: false. Without effect beside `return_error_details`.
    return_error_code: bool,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, options: &mut CallOptions) -> Checked<()> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    options.on_refusal = match (settings.return_error_details.as_str(), settings.return_error_code) {
        ("", false) => OnRefusal::Fail,
        ("", true) => OnRefusal::FailWithBody,
        (name, _) => OnRefusal::Data(format!("error_{name}").into()),
    };
    Ok(())
}
