//! Modifiers of headers.

use ::http::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::message::{Acts, Field, Message, Modify, Sent, length};
use super::read::{Reader, refuse, settings};
use super::scope::Sides;
use crate::components::Checked;
use crate::http::is_ours;

/// `header.Modifier` and `header.Append`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Pair {
    /// Name of the header.
    name: String,
    /// Its value. Default: empty.
    value: String,
}

/// `header.Blacklist`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Names {
    /// Names of the headers that are taken away.
    names: Vec<String>,
}

/// `header.Copy`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct FromTo {
    /// The header whose first value is taken; without one it is the empty text.
    from: String,
    /// The header that gets it.
    to: String,
}

/// `header.Id`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Id {
    /// The header that gets a random UUID when it has no value. Default: `X-Krakend-Id`.
    header: String,
}

impl Default for Id {
    fn default() -> Self {
        Self { header: "X-Krakend-Id".to_owned() }
    }
}

/// `header.Verifier`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Verifier {
    /// Has no effect.
    name: String,
    /// Has no effect.
    value: String,
}

/// A header that somebody reads.
///
/// # Errors
///
/// A name that no header has.
pub(super) fn readable(place: &Component, key: &str, name: &str) -> Checked<Field> {
    if name.is_empty() {
        return Err(refuse(place, key)("is missing; name a header".to_owned()));
    }
    let wrong = |_| refuse(place, key)(format!("{name:?} is no name of a header"));
    HeaderName::try_from(name).map(Field::from).map_err(wrong)
}

/// A header that is given a value.
///
/// # Errors
///
/// As [`readable`]; a header of calls that siphon writes itself.
pub(super) fn writable(place: &Component, key: &str, name: &str, sides: Sides) -> Checked<Field> {
    let field = readable(place, key, name)?;
    match &field {
        Field::Plain(plain) if sides.request && is_ours(plain) => {
            let message = format!("{name} of a call belongs to the connection and is written by siphon; remove it");
            Err(refuse(place, key)(message))
        }
        _ => Ok(field),
    }
}

/// # Errors
///
/// A text that cannot stand in a header.
pub(super) fn value(place: &Component, key: &str, text: &str) -> Checked<HeaderValue> {
    let wrong = |_| refuse(place, key)("has a line break or another character that no header can have".to_owned());
    HeaderValue::from_bytes(text.as_bytes()).map_err(wrong)
}

#[derive(Clone)]
struct Set(Field, HeaderValue);

impl<M: Message> Modify<M> for Set {
    fn modify(&self, message: &mut M) -> Result<(), String> {
        message.set(&self.0, self.1.clone())
    }
}

pub(super) fn modifier(_: &mut Reader, place: &Component, sides: Sides) -> Checked<Acts> {
    let pair: Pair = settings(place)?;
    let set = Set(writable(place, "name", &pair.name, sides)?, value(place, "value", &pair.value)?);
    if set.0 == Field::ContentLength {
        length(&set.1).map_err(refuse(place, "value"))?;
    }
    Ok(Acts::on_both(set))
}

#[derive(Clone)]
struct Append(Field, HeaderValue);

impl<M: Message> Modify<M> for Append {
    fn modify(&self, message: &mut M) -> Result<(), String> {
        message.append(&self.0, self.1.clone())
    }
}

pub(super) fn append(_: &mut Reader, place: &Component, sides: Sides) -> Checked<Acts> {
    let pair: Pair = settings(place)?;
    let field = writable(place, "name", &pair.name, sides)?;
    if sides.request && matches!(field, Field::Host | Field::ContentLength) {
        let message =
            format!("proxyutil: illegal header multiple: {}; a call has one, set it with header.Modifier", pair.name);
        return Err(refuse(place, "name")(message));
    }
    Ok(Acts::on_both(Append(field, value(place, "value", &pair.value)?)))
}

#[derive(Clone)]
struct Blacklist(Vec<Field>);

impl<M: Message> Modify<M> for Blacklist {
    fn modify(&self, message: &mut M) -> Result<(), String> {
        self.0.iter().for_each(|field| message.remove(field));
        Ok(())
    }
}

pub(super) fn blacklist(_: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Names { names } = settings(place)?;
    let at = |index: usize| format!("names[{index}]");
    let fields = names.iter().enumerate().map(|(index, name)| readable(place, &at(index), name));
    Ok(Acts::on_both(Blacklist(fields.collect::<Checked<_>>()?)))
}

#[derive(Clone)]
struct Copy {
    from: Field,
    to: Field,
}

impl<M: Message> Modify<M> for Copy {
    fn modify(&self, message: &mut M) -> Result<(), String> {
        let value = message.first(&self.from).unwrap_or_else(|| HeaderValue::from_static(""));
        message.set(&self.to, value)
    }
}

pub(super) fn copy(_: &mut Reader, place: &Component, sides: Sides) -> Checked<Acts> {
    let FromTo { from, to } = settings(place)?;
    let (from, to) = (readable(place, "from", &from)?, writable(place, "to", &to, sides)?);
    Ok(Acts::on_both(Copy { from, to }))
}

struct SetId(Field);

impl Modify<Sent> for SetId {
    fn modify(&self, call: &mut Sent) -> Result<(), String> {
        if call.first(&self.0).is_some_and(|value| !value.is_empty()) {
            return Ok(());
        }
        let value = HeaderValue::try_from(uuid(fastrand::u128(..)));
        call.set(&self.0, value.map_err(|error| error.to_string())?)
    }
}

pub(super) fn id(_: &mut Reader, place: &Component, sides: Sides) -> Checked<Acts> {
    let Id { header } = settings(place)?;
    Ok(Acts::on_call(SetId(writable(place, "header", &header, sides)?)))
}

/// A UUID of version 4 (RFC 9562 §5.4) from 128 random bits.
fn uuid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let text = format!("{bits:032x}");
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}

/// Known, and without effect.
pub(super) fn verifier(_: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let _: Verifier = settings(place)?;
    Ok(Acts::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_random_uuid() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
