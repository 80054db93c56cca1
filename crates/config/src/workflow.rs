//! The backends and the `extra_config` inside a component `workflow`. What its other keys say is the component's.

use crate::backend::{self, Owner};
use crate::catalogue::Level;
use crate::components::{Components, Found, WORKFLOW};
use crate::model::{Component, Workflow};
use crate::problem::Report;
use crate::root::Inherited;
use crate::section::{Field, Section};
use crate::tree::join;
use crate::weak;

/// Workflows inside each other, at most. Each is a future inside another one; a file that needs more is generated, and
/// wrong.
const MOST_DEEP: usize = 8;

/// What the component `workflow` of `found` has inside; `None` where there is none, or none that can be used.
pub(crate) fn read<'a>(
    found: &Found<'a>,
    owner: Owner,
    components: &Components<'a>,
    inherited: &Inherited,
) -> Option<Workflow> {
    let field = found.own(WORKFLOW)?;
    let depth = owner.depth + 1;
    if depth > MOST_DEEP {
        field.error(format!("workflows stand in each other at most {MOST_DEEP} deep"));
        return None;
    }
    let section = Section::open(field.node, &field.path, field.report)?;
    let backends = backend::read_all(&section, Owner { name: "a workflow", depth }, components, inherited);
    let extra = section.field("extra_config");
    let inside = components.read(Level::Agent, extra.clone());
    if let Some(extra) = extra {
        refuse_what_is_the_agents(&inside, &extra);
    }
    Some(Workflow { path: field.path, backends, components: inside.components })
}

/// Events come to the agent, and it settles them.
fn refuse_what_is_the_agents(found: &Found<'_>, extra: &Field<'_>) {
    let message = "has no effect in a workflow; it belongs in the agent's extra_config";
    let refuse = |path: &str| {
        let below = path.strip_prefix(&extra.path).unwrap_or_default();
        extra.report.error(extra.node.deepest(below).at, path, message);
    };
    found.drivers.iter().for_each(|driver| refuse(&driver.path));
    found.missing_drivers.iter().for_each(|driver| refuse(&driver.path));
    found.own.iter().for_each(|(_, field)| refuse(&field.path));
}

/// What is allowed and hardly meant.
pub(crate) fn remark(component: &Component, report: &Report<'_>) {
    let field = |key: &str| {
        let node = component.settings.get(key)?;
        Some(Field { node, path: join(&component.path, key), report })
    };
    if let Some(field) = field("ignore_errors").filter(|field| weak::boolean(field.node).is_ok_and(|(yes, _)| yes)) {
        field.warning("failures inside do not count: an event whose backend failed is acked");
    }
    if let Some(field) = field("concurrent_calls").filter(|field| weak::integer(field.node).is_ok_and(|(n, _)| n > 1)) {
        field.warning("each event is sent that often to each backend; use it where nothing can be done twice by it");
    }
}
