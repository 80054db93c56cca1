//! On which side of a call a modifier acts.

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use crate::components::Checked;

/// One side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Side {
    Request,
    Response,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// Calls, answers, both or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sides {
    pub request: bool,
    pub response: bool,
}

pub(super) const BOTH: Sides = Sides { request: true, response: true };
const NONE: Sides = Sides { request: false, response: false };
pub(super) const REQUEST: Sides = Sides { request: true, response: false };
pub(super) const RESPONSE: Sides = Sides { request: false, response: true };

impl Sides {
    fn has(self, side: Side) -> bool {
        match side {
            Side::Request => self.request,
            Side::Response => self.response,
        }
    }

    /// Those that are among `around` as well, which what holds the modifier at `place` acts on.
    ///
    /// # Errors
    ///
    /// There are none, and so it would never run, though nobody has switched it off.
    pub fn within(self, around: Self, place: &Component) -> Checked<Self> {
        let both = Self { request: self.request && around.request, response: self.response && around.response };
        if both != NONE || self == NONE || around == NONE {
            return Ok(both);
        }
        let name = if self.request { Side::Request } else { Side::Response }.name();
        let message = format!("never runs: it acts on the {name}, and the group or filter around it does not");
        Err(vec![place.problem("scope", &message)])
    }
}

/// What every modifier has besides its own keys.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Scope {
    /// On which side it acts: `request` (the call), `response` (its answer), both, or none (`[]`). Inside a group or a
    /// filter it acts on the sides that both name. Default: every side on which it can.
    #[serde(default)]
    scope: Option<Vec<Side>>,
}

/// The sides on which the modifier `name` at `place` is to act, of those that it `supports`.
///
/// # Errors
///
/// A side that it does not support, in the reference's words.
pub(super) fn of(place: &Component, name: &str, supports: Sides) -> Checked<Sides> {
    let Scope { scope } = place.read().map_err(|problem| vec![problem])?;
    let Some(wanted) = scope else { return Ok(supports) };
    if let Some(side) = wanted.iter().find(|&&side| !supports.has(side)) {
        let message = format!("parse: invalid scope {:?} for modifier; {name} does not act there", side.name());
        return Err(vec![place.problem("scope", &message)]);
    }
    Ok(Sides { request: wanted.contains(&Side::Request), response: wanted.contains(&Side::Response) })
}
