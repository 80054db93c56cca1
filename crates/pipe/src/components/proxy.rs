//! `proxy`: how an agent's backends become one, and what a backend is among them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use siphon_config::HumanDuration;
use siphon_config::model::{Backend, Component};
use siphon_config::problem::Problem;
use siphon_config::tree::join;

use super::{Build, Checked, Entry, Joining, Level, Part, Propagated, Site, UnknownKeys};
use crate::fixed::{Fixed, When};
use crate::flatmap::{Flatmap, OperationSettings};
use crate::json::Json;
use crate::reference::Reference;

const NAMESPACES: &[&str] = &["proxy", "github.com/devopsfaith/krakend/proxy"];

pub(super) const AGENT: Entry = Entry {
    namespaces: NAMESPACES,
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "says how the backends are called and what becomes of their data",
    schema: agent_schema,
    build: Build::Join(build_agent),
};

pub(super) const BACKEND: Entry = Entry {
    namespaces: NAMESPACES,
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "rearranges the data, or makes the backend a shadow",
    schema: backend_schema,
    build: Build::Part(build_backend),
};

/// `proxy` of an agent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct AgentSettings {
    /// Call the backends one after another. Default: false, all at once.
    sequential: bool,
    /// Values of earlier replies that later backends' components may use besides those in `url_pattern`, such as
    /// `resp0_id`; `resp0` for the whole text of a `no-op` reply. Default: none.
    sequential_propagated_params: Vec<String>,
    /// `sequential` or `parallel`: newer spelling of `sequential`.
    strategy: Option<Strategy>,
    /// How data is laid together. There is one way: `default`.
    combiner: Option<Combiner>,
    /// Operations on the merged data. Default: none.
    flatmap_filter: Vec<OperationSettings>,
    /// Data that is added to the merged data. Default: none.
    #[serde(rename = "static")]
    fixed: Option<FixedSettings>,
    /// Give each backend a request of its own. That is always so here; `false` changes nothing.
    force_sandboxed_request: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    Sequential,
    Parallel,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Combiner {
    Default,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct FixedSettings {
    /// `always` (default), `success`, `errored`, `complete` or `incomplete`.
    #[serde(default)]
    strategy: When,
    /// An object; its keys replace equal ones of the reply.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    #[expect(dead_code, reason = "read from the tree, where numbers have their text")]
    data: IgnoredAny,
}

/// `proxy` of a backend.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct BackendSettings {
    /// Operations on this backend's data, instead of `allow`, `deny` and `mapping`. Default: none.
    flatmap_filter: Vec<OperationSettings>,
    /// Send the event here too, and ignore what comes of it. Default: false.
    shadow: Option<bool>,
    /// Time limit of a shadow's call. Default: the agent's `consumer.timeout`.
    shadow_timeout: Option<HumanDuration>,
}

fn agent_schema() -> serde_json::Value {
    schemars::schema_for!(AgentSettings).to_value()
}

fn backend_schema() -> serde_json::Value {
    schemars::schema_for!(BackendSettings).to_value()
}

fn build_agent(component: &Component, joining: &mut Joining) -> Checked<()> {
    let settings: AgentSettings = component.read().map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let mut keep = |found: Vec<Problem>| problems.extend(found);
    joining.is_sequential = is_sequential(component, &settings).map_err(|problem| keep(vec![problem])).unwrap_or(false);
    joining.propagated = propagated(component, &settings).map_err(&mut keep).unwrap_or_default();
    joining.flatmap = flatmap(component, &settings.flatmap_filter).map_err(&mut keep).unwrap_or_default();
    joining.fixed = settings.fixed.and_then(|fixed| static_data(component, fixed.strategy).map_err(&mut keep).ok());
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The releases of the reference do not agree which of the two keys counts.
fn is_sequential(component: &Component, settings: &AgentSettings) -> Result<bool, Problem> {
    match settings.strategy {
        Some(Strategy::Parallel) if settings.sequential => {
            Err(component.problem("strategy", "says parallel, and sequential is true; keep one of them"))
        }
        Some(strategy) => Ok(strategy == Strategy::Sequential),
        None => Ok(settings.sequential),
    }
}

fn propagated(component: &Component, settings: &AgentSettings) -> Checked<Vec<Propagated>> {
    let mut problems = Vec::new();
    let mut all = Vec::new();
    for (index, text) in settings.sequential_propagated_params.iter().enumerate() {
        let relative = format!("sequential_propagated_params[{index}]");
        match Reference::parse(text) {
            Some(reference) => all.push(Propagated { reference, path: join(&component.path, &relative) }),
            None => {
                let message = format!("{text:?} names no reply; write such as resp0_id, or resp0 for a no-op backend");
                problems.push(component.problem(&relative, &message));
            }
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

fn flatmap(component: &Component, operations: &[OperationSettings]) -> Checked<Option<Flatmap>> {
    let problem = |(at, message): (String, String)| component.problem(&format!("flatmap_filter{at}"), &message);
    Flatmap::new(operations).map_err(|wrong| wrong.into_iter().map(problem).collect())
}

/// From the tree: there the numbers still have their text.
fn static_data(component: &Component, when: When) -> Checked<Fixed> {
    let node = component.settings.get("static").and_then(|fixed| fixed.get("data"));
    let text = node.map(siphon_config::tree::Node::to_json_text).unwrap_or_default();
    let data = Json::parse(text.as_bytes()).ok().and_then(Json::into_object);
    let data = data
        .ok_or_else(|| vec![component.problem("static.data", "data must be an object, it is laid over the reply")])?;
    Ok(Fixed { when, data })
}

fn build_backend(component: &Component, site: &Site<'_>, part: &mut Part) -> Checked<()> {
    let settings: BackendSettings = component.read().map_err(|problem| vec![problem])?;
    part.has_flatmap = flatmap(component, &settings.flatmap_filter)?.is_some();
    let refuse = |message| Err(vec![component.problem("shadow_timeout", message)]);
    match (settings.shadow, settings.shadow_timeout) {
        (None, Some(_)) => return refuse("has no effect here; write \"shadow\": true as well"),
        (_, Some(HumanDuration(Duration::ZERO))) => return refuse("must be more than 0; write such as 5s"),
        (Some(true), timeout) => part.shadow = Some(timeout.map_or(site.agent.timeout, Duration::from)),
        (Some(false) | None, _) => {}
    }
    Ok(())
}

/// Whether these components of an agent's level make a sequence. What is wrong with them is said elsewhere.
pub(crate) fn is_sequence(components: &[Component]) -> bool {
    let own = components.iter().find(|component| NAMESPACES.contains(&component.namespace.as_str()));
    own.is_some_and(|component| {
        component.read().is_ok_and(|settings| is_sequential(component, &settings).unwrap_or(false))
    })
}

/// The operations that a backend's `proxy` has. `None`: its other filters count.
///
/// # Errors
///
/// Everything that is wrong with them.
pub(crate) fn flatmap_of(backend: &Backend) -> Checked<Option<Flatmap>> {
    let own = backend.components.iter().find(|component| NAMESPACES.contains(&component.namespace.as_str()));
    let Some(component) = own else { return Ok(None) };
    let settings: BackendSettings = component.read().map_err(|problem| vec![problem])?;
    flatmap(component, &settings.flatmap_filter)
}

#[cfg(test)]
mod tests;
