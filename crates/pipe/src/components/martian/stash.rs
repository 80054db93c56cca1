//! `stash.Modifier`: the URL as a header.

use ::http::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::header::writable;
use super::message::{Acts, Field, Message, Modify, Received, Sent};
use super::read::{Reader, refuse, settings};
use super::scope::Sides;
use crate::components::Checked;
use crate::http::without_userinfo;

/// `stash.Modifier`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Settings {
    /// The header of a call that gets its URL, without user and password; an answer gets the same header with the call's
    /// value.
    #[serde(rename = "headerName")]
    header_name: String,
}

#[derive(Clone)]
struct Stash(Field);

impl Modify<Sent> for Stash {
    fn modify(&self, call: &mut Sent) -> Result<(), String> {
        let url = HeaderValue::try_from(without_userinfo(call.url()));
        call.set(&self.0, url.map_err(|error| error.to_string())?)
    }
}

impl Modify<Received> for Stash {
    fn modify(&self, answer: &mut Received) -> Result<(), String> {
        let value = answer.asked(&self.0).unwrap_or_else(|| HeaderValue::from_static(""));
        answer.set(&self.0, value)
    }
}

pub(super) fn modifier(_: &mut Reader, place: &Component, sides: Sides) -> Checked<Acts> {
    let Settings { header_name } = settings(place)?;
    if sides.response && !sides.request {
        let message = "answers get what the call has stashed; write [\"request\", \"response\"]";
        return Err(refuse(place, "scope")(message.to_owned()));
    }
    let field = writable(place, "headerName", &header_name, sides)?;
    if field == Field::ContentLength {
        return Err(refuse(place, "headerName")("a URL is no length; name another header".to_owned()));
    }
    Ok(Acts::on_both(Stash(field)))
}
