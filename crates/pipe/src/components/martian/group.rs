//! Modifiers one after another.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::message::{Act, Acts, Modify};
use super::read::{Reader, elements, refuse, settings};
use super::scope::Sides;
use crate::components::Checked;

/// `fifo.Group`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Fifo {
    /// Whether all run though one has failed; the call then fails with all their errors. Default: false, the first error
    /// ends the group.
    #[serde(rename = "aggregateErrors")]
    aggregate_errors: bool,
}

/// `priority.Group`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct Priority {}

/// One of a `priority.Group`.
#[derive(Deserialize)]
struct Rank {
    /// The higher, the earlier.
    #[serde(default)]
    priority: i64,
}

struct Group<M> {
    members: Vec<Act<M>>,
    aggregates: bool,
}

impl<M> Modify<M> for Group<M> {
    fn modify(&self, message: &mut M) -> Result<(), String> {
        let mut errors = Vec::new();
        for member in &self.members {
            match member.modify(message) {
                Ok(()) => {}
                Err(error) if self.aggregates => errors.push(error),
                Err(error) => return Err(error),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
    }
}

impl<M: 'static> Group<M> {
    /// `None` where nothing is to be done.
    fn act(members: Vec<Act<M>>, aggregates: bool) -> Option<Act<M>> {
        if members.is_empty() { None } else { Some(Box::new(Self { members, aggregates })) }
    }
}

fn grouped(members: Vec<Acts>, aggregates: bool) -> Acts {
    let (mut on_call, mut on_answer) = (Vec::new(), Vec::new());
    for member in members {
        on_call.extend(member.on_call);
        on_answer.extend(member.on_answer);
    }
    Acts { on_call: Group::act(on_call, aggregates), on_answer: Group::act(on_answer, aggregates) }
}

/// # Errors
///
/// There are none: the group would do nothing.
fn members(place: &Component) -> Checked<Vec<Component>> {
    let members = elements(place, "modifiers")?;
    if members.is_empty() {
        return Err(refuse(place, "modifiers")("has no modifier; name one, or remove the group".to_owned()));
    }
    Ok(members)
}

pub(super) fn fifo(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Fifo { aggregate_errors } = settings(place)?;
    let members = members(place)?;
    let members = all(members.iter().map(|member| reader.modifier(member)))?;
    Ok(grouped(members, aggregate_errors))
}

/// Of equal priorities the one that is declared last comes first, as in the reference.
pub(super) fn priority(reader: &mut Reader, place: &Component, _: Sides) -> Checked<Acts> {
    let Priority {} = settings(place)?;
    let mut members = all(members(place)?.iter().rev().map(|member| ranked(reader, member)))?;
    members.sort_by_key(|(priority, _)| Reverse(*priority));
    Ok(grouped(members.into_iter().map(|(_, acts)| acts).collect(), false))
}

fn ranked(reader: &mut Reader, place: &Component) -> Checked<(i64, Acts)> {
    let Rank { priority } = settings(place)?;
    let missing = || vec![place.problem("", "has no modifier; write {\"priority\": 1, \"modifier\": {…}}")];
    Ok((priority, reader.at(place, "modifier")?.ok_or_else(missing)?))
}

/// All of them, or everything that is wrong with any.
fn all<T>(results: impl Iterator<Item = Checked<T>>) -> Checked<Vec<T>> {
    let (mut fine, mut problems) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => fine.push(one),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(fine) } else { Err(problems) }
}
