//! `status.Modifier`: another status for an answer, before it is judged.

use ::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::message::{Acts, Modify, Received};
use super::read::{Reader, refuse, settings};
use super::scope::Sides;
use crate::components::Checked;

/// `status.Modifier`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Settings {
    /// The status, from 200 to 599.
    #[serde(rename = "statusCode")]
    status_code: i64,
}

struct Set(StatusCode);

impl Modify<Received> for Set {
    fn modify(&self, answer: &mut Received) -> Result<(), String> {
        answer.status = self.0;
        Ok(())
    }
}

pub(super) fn modifier(_: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Settings { status_code } = settings(place)?;
    let status = u16::try_from(status_code).ok().filter(|code| (200..600).contains(code));
    let status = status.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| {
        refuse(place, "statusCode")(format!("{status_code} is no status of an answer; write one from 200 to 599"))
    })?;
    Ok(Acts::on_answer(Set(status)))
}
