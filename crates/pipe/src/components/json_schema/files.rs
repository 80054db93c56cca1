//! Where the `$ref`s of a schema lead: to files, read at load. Nothing is fetched from elsewhere.

use std::error::Error;
use std::path::{Path, PathBuf};

use jsonschema::{Retrieve, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

/// Of a path everything else is encoded.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// What a relative `$ref` is relative to: a file of no name in `folder`.
pub(super) fn base_uri(folder: &Path) -> String {
    format!("file://{}/", utf8_percent_encode(&folder.to_string_lossy(), KEPT))
}

/// Reads `file:` references.
pub(super) struct Files;

impl Retrieve for Files {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(read(uri.as_str())?)
    }
}

/// The file that a `file:` URI means.
pub(super) fn path_of(uri: &str) -> Option<PathBuf> {
    let path = uri.strip_prefix("file://")?;
    Some(PathBuf::from(percent_decode_str(path).decode_utf8().ok()?.into_owned()))
}

/// # Errors
///
/// Why there is no schema at `uri`: it is elsewhere, cannot be read, or is no JSON.
pub(super) fn read(uri: &str) -> Result<Value, String> {
    let Some(path) = path_of(uri) else {
        return Err(format!("{uri} is not fetched: put the schema into a file and refer to that"));
    };
    let text = std::fs::read(&path).map_err(|error| {
        format!("{} cannot be read: {error}; it is relative to the working directory", path.display())
    })?;
    serde_json::from_slice(&text).map_err(|error| format!("{} is no JSON: {error}", path.display()))
}
