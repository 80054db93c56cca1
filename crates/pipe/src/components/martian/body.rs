//! `body.Modifier`: another body for calls and answers.

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::message::{Acts, Modify, Received, Sent};
use super::read::{Reader, refuse, settings};
use super::scope::Sides;
use super::{header, ranges};
use crate::components::Checked;

/// `body.Modifier`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Settings {
    /// The body, in base64 with padding. Example: `eyJhIjoxfQ==`. Default: empty.
    body: String,
    /// What becomes `Content-Type`. Default: empty, also where the message had one.
    #[serde(rename = "contentType")]
    content_type: String,
}

#[derive(Clone)]
struct Replace {
    body: Bytes,
    content_type: HeaderValue,
}

impl Modify<Sent> for Replace {
    fn modify(&self, call: &mut Sent) -> Result<(), String> {
        call.replace_body(self.body.clone());
        let headers = call.headers();
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        headers.remove(CONTENT_ENCODING);
        Ok(())
    }
}

impl Modify<Received> for Replace {
    fn modify(&self, answer: &mut Received) -> Result<(), String> {
        ranges::answer_with(answer, &self.body, self.content_type.clone());
        Ok(())
    }
}

pub(super) fn modifier(_: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Settings { body, content_type } = settings(place)?;
    let lines: String = body.split(['\r', '\n']).collect();
    let body = STANDARD.decode(lines).map_err(|error| refuse(place, "body")(illegal(&error)))?;
    let content_type = header::value(place, "contentType", &content_type)?;
    Ok(Acts::on_both(Replace { body: body.into(), content_type }))
}

fn illegal(error: &base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => {
            format!("illegal base64 data at input byte {at}")
        }
        other => format!("illegal base64 data: {other}"),
    }
}
