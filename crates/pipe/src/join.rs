//! From an agent's backends to one stage: merge or sequence, `flatmap_filter`, `static`, shadows (pipeline.md §4, §6).

use std::sync::Arc;
use std::time::Duration;

use siphon_config::model::{Agent, Backend, Encoding};
use siphon_config::problem::Problem;

use crate::choice::{Choice, Condition};
use crate::components::{Checked, Joining, Part, Propagated, problem_at};
use crate::components::{conditional, graphql, proxy};
use crate::fixed::WithFixed;
use crate::flatmap::Flatmap;
use crate::merge::Merge;
use crate::message::Request;
use crate::pattern::placeholders;
use crate::reference::Reference;
use crate::sequence::{Sequence, Step};
use crate::shadow::{Shadowed, Shadows};
use crate::stage::{Context, Stage, StageFuture};

/// One backend, built.
pub(crate) struct Member {
    pub stage: Box<dyn Stage>,
    pub part: Part,
}

/// All backends as one stage.
pub(crate) struct Joined {
    pub stage: Box<dyn Stage>,
    pub shadows: Option<Arc<Shadows>>,
}

/// Puts around a stage what the agent's plugins do.
pub(crate) type Modified<'m> = &'m dyn Fn(Box<dyn Stage>) -> Checked<Box<dyn Stage>>;

/// Puts the backends together. `members` are those of `agent`, in their order; [`check`] has found nothing.
///
/// # Errors
///
/// Those of `modified`.
pub(crate) fn joined(agent: &Agent, members: Vec<Member>, joining: Joining, modified: Modified<'_>) -> Checked<Joined> {
    let references = references(agent, &joining);
    let (mut live, mut shadow) = (Vec::new(), Vec::new());
    for (index, Member { stage, part }) in members.into_iter().enumerate() {
        let provides = references.iter().filter(|reference| reference.backend == index).cloned().collect();
        let step = Step { stage, condition: part.condition, provides };
        match part.shadow {
            None => live.push(step),
            Some(timeout) => shadow.push((step, timeout)),
        }
    }
    let mut stage = group(live, joining.is_sequential, joining.goes_on);
    if let Some(flatmap) = joining.flatmap {
        stage = Box::new(Rearranged { flatmap, inner: stage });
    }
    stage = modified(stage)?;
    if let Some(fixed) = joining.fixed {
        stage = Box::new(WithFixed { fixed, inner: stage });
    }
    if shadow.is_empty() {
        return Ok(Joined { stage, shadows: None });
    }
    let shadows = Arc::new(shadows(shadow, joining.is_sequential, agent.workers, modified)?);
    Ok(Joined { stage: Box::new(Shadowed { shadows: Arc::clone(&shadows), inner: stage }), shadows: Some(shadows) })
}

/// One backend that takes every event needs nothing around it.
fn group(steps: Vec<Step>, is_sequential: bool, goes_on: bool) -> Box<dyn Stage> {
    match <[_; 1]>::try_from(steps) {
        Ok([Step { stage, condition: None, .. }]) => stage,
        Ok(one) => Box::new(Sequence { steps: one.into(), goes_on }),
        Err(steps) if is_sequential => Box::new(Sequence { steps, goes_on }),
        Err(steps) => {
            let choice = Choice::new(steps.iter().map(|step| step.condition.clone()).collect());
            Box::new(Merge { parts: steps.into_iter().map(|step| step.stage).collect(), choice })
        }
    }
}

/// Shadows that are called at once are calls of their own; a chain of them is one, with the longest time limit.
fn shadows(
    shadow: Vec<(Step, Duration)>,
    is_sequential: bool,
    workers: usize,
    modified: Modified<'_>,
) -> Checked<Shadows> {
    if is_sequential {
        let longest = shadow.iter().map(|(_, timeout)| *timeout).max().unwrap_or_default();
        let chain = group(shadow.into_iter().map(|(step, _)| step).collect(), true, false);
        return Ok(Shadows::new(vec![(modified(chain)?, longest)], None, workers));
    }
    let choice = Choice::new(shadow.iter().map(|(step, _)| step.condition.clone()).collect());
    let targets = shadow.into_iter().map(|(step, timeout)| Ok((modified(step.stage)?, timeout)));
    Ok(Shadows::new(targets.collect::<Checked<_>>()?, choice, workers))
}

/// `flatmap_filter` of an agent. It does nothing to a reply that lost a part.
struct Rearranged {
    flatmap: Flatmap,
    inner: Box<dyn Stage>,
}

impl Stage for Rearranged {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let mut reply = self.inner.call(request, context).await;
            if let (Some(response), None) = (&mut reply.response, &reply.error) {
                response.data = self.flatmap.apply(std::mem::take(&mut response.data));
            }
            reply
        })
    }
}

/// The backend, and those inside its workflow that know the same answers: a workflow that is no sequence has none of
/// its own.
fn readers(backend: &Backend) -> Vec<&Backend> {
    let workflow = backend.workflow.as_ref().filter(|workflow| !proxy::is_sequence(&workflow.components));
    let inside = workflow.into_iter().flat_map(|workflow| &workflow.backends);
    std::iter::once(backend).chain(inside.flat_map(readers)).collect()
}

/// Every reference that the backends and the agent's components make, each once.
fn references(agent: &Agent, joining: &Joining) -> Vec<Reference> {
    let backends: Vec<_> = agent.backends.iter().flat_map(readers).collect();
    let in_patterns = backends.iter().flat_map(|backend| placeholders(&backend.url_pattern));
    let in_variables = backends.iter().flat_map(|backend| graphql::placeholders(backend));
    let propagated = joining.propagated.iter().map(|one| one.reference.clone());
    let mut all: Vec<Reference> = in_patterns.filter_map(Reference::parse).chain(propagated).collect();
    all.extend(in_variables.filter_map(|name| Reference::parse(&name)));
    all.sort_by(|one, other| one.param.cmp(&other.param));
    all.dedup();
    all
}

/// What keeps the backends from working together. `parts` are those of the agent's backends; `joining` is missing where
/// it is wrong itself. With `is_nested` the agent stands for a workflow.
pub(crate) fn check(agent: &Agent, parts: &[Part], joining: Option<&Joining>, is_nested: bool) -> Checked<()> {
    let mut problems = Vec::new();
    if parts.is_empty() {
        problems.push(problem_at(&agent.path, "all endpoints must have at least one backend; add one to backend"));
    } else if parts.iter().all(|part| part.shadow.is_some()) {
        let message =
            "all endpoints must have at least one backend, and here all are shadows; add one whose answer counts";
        problems.push(problem_at(&format!("{}.backend", agent.path), message));
    }
    if let Some(joining) = joining {
        problems.extend(misplaced_rules(agent, parts, joining.is_sequential));
        let sources = Sources { agent, parts, is_sequential: joining.is_sequential };
        problems.extend(sources.check_propagated(joining));
        if joining.is_sequential || !is_nested {
            problems.extend(sources.check_patterns());
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Fallbacks that stand beside another one, or, in a sequence, before a rule that they are to wait for; rules about answers
/// that nobody has yet. Shadows and the others have theirs apart.
fn misplaced_rules(agent: &Agent, parts: &[Part], is_sequential: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for is_shadow in [false, true] {
        let mut has_fallback = false;
        for (backend, part) in agent.backends.iter().zip(parts).filter(|(_, part)| part.shadow.is_some() == is_shadow) {
            let message = match &part.condition {
                None => continue,
                Some(Condition::Fallback) if !std::mem::replace(&mut has_fallback, true) => continue,
                Some(Condition::Fallback) => "stands beside another fallback; keep one",
                Some(rule) if rule.needs_answers() && !is_sequential => {
                    "asks for earlier answers (resp_…), and the backends are called at once; write \"sequential\": true in proxy"
                }
                Some(_) if has_fallback && is_sequential => {
                    "stands behind the fallback, which has its turn before this rule; put the fallback behind it"
                }
                Some(_) => continue,
            };
            problems.push(problem_at(&conditional::path(backend), message));
        }
    }
    problems
}

/// What references can be about.
struct Sources<'a> {
    agent: &'a Agent,
    parts: &'a [Part],
    is_sequential: bool,
}

impl Sources<'_> {
    /// A workflow that is no sequence is left to the pipe around it: the answers are known there.
    fn check_patterns(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, backend) in self.agent.backends.iter().enumerate() {
            for reader in readers(backend) {
                let names = placeholders(&reader.url_pattern);
                let wrong = names.filter_map(|name| self.check_placeholder(name, index).err());
                problems.extend(wrong.map(|message| problem_at(&format!("{}.url_pattern", reader.path), message)));
            }
        }
        problems
    }

    fn check_propagated(&self, joining: &Joining) -> Vec<Problem> {
        let mut problems = Vec::new();
        for Propagated { reference, path } in &joining.propagated {
            let wrong = self.check_source(reference).and_then(|()| self.check_somebody_follows(reference.backend));
            problems.extend(wrong.err().map(|message| problem_at(path, message)));
        }
        problems
    }

    /// `name` in the `url_pattern` of backend `user`.
    fn check_placeholder(&self, name: &str, user: usize) -> Result<(), String> {
        if name.starts_with("JWT.") {
            return Err(format!("{{{name}}} is a claim of an HTTP request's token, and an event has none; remove it"));
        }
        let Some(reference) = Reference::parse(name) else { return Ok(()) };
        let (source, shown) = (reference.backend, shown(name));
        self.check_source(&reference)?;
        if source >= user {
            return Err(format!("{shown} is of backend {source}, which is not called before backend {user}"));
        }
        if self.is_shadow(source) != self.is_shadow(user) {
            return Err(format!(
                "{shown} crosses between shadows and the others, which do not see each other's replies"
            ));
        }
        Ok(())
    }

    /// Whether there can ever be such a value.
    fn check_source(&self, reference: &Reference) -> Result<(), String> {
        let (source, shown) = (reference.backend, shown(&reference.param));
        if !self.is_sequential {
            return Err(format!(
                "{shown} takes a value of another reply, which only a sequential agent has; write \"sequential\": true in its proxy"
            ));
        }
        let Some(backend) = self.agent.backends.get(source) else {
            let last = self.agent.backends.len().saturating_sub(1);
            return Err(format!("{shown} is of backend {source}, and the last one is {last}; they are counted from 0"));
        };
        let is_raw = backend.encoding == Encoding::NoOp;
        if reference.path.is_empty() && !is_raw {
            return Err(format!(
                "{shown} is a whole reply, which is kept only with \"encoding\": \"no-op\"; name a field, such as resp{source}_id"
            ));
        }
        if !reference.path.is_empty() && is_raw && backend.components.is_empty() {
            return Err(format!(
                "{shown} is a field, and backend {source} is no-op: its reply is text; write resp{source}"
            ));
        }
        Ok(())
    }

    fn check_somebody_follows(&self, source: usize) -> Result<(), String> {
        let mut later = (source + 1)..self.parts.len();
        if later.any(|index| self.is_shadow(index) == self.is_shadow(source)) {
            return Ok(());
        }
        Err(format!("backend {source} is the last one, nobody could use its reply; remove it"))
    }

    fn is_shadow(&self, index: usize) -> bool {
        self.parts.get(index).is_some_and(|part| part.shadow.is_some())
    }
}

/// A param as somebody writes it: `{resp0_id}`.
fn shown(param: &str) -> String {
    format!("{{{}}}", param.replacen('R', "r", 1))
}

#[cfg(test)]
mod tests;
