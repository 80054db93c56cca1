//! Which driver an agent uses: the one that its `extra_config` names.

use crate::catalogue::Catalogue;
use crate::components::{Found, Missing};
use crate::model::Driver;
use crate::problem::Report;
use crate::tree::Position;

/// The agent, for messages.
pub(crate) struct Agent<'a> {
    pub name: &'a str,
    /// Of its `extra_config`, or of the agent where it has none.
    pub at: Position,
    pub path: &'a str,
}

/// The one driver in `found`; `None` after an error.
pub(crate) fn choose(
    found: &mut Found<'_>,
    agent: &Agent<'_>,
    catalogue: &Catalogue,
    report: &Report<'_>,
) -> Option<Driver> {
    let names = names(found);
    if names.len() > 1 {
        let message = format!("agent {:?} has {} drivers, {}; keep one", agent.name, names.len(), names.join(" and "));
        report.error(agent.at, agent.path, message);
        return None;
    }
    if let Some(missing) = found.missing_drivers.first() {
        report.error(missing.at, &missing.path, not_loaded(missing, agent.name, catalogue));
        return None;
    }
    let driver = found.drivers.pop();
    if driver.is_none() {
        let message = format!("agent {:?} has no driver; {}", agent.name, registered(catalogue));
        report.error(agent.at, agent.path, message);
    }
    driver
}

fn names(found: &Found<'_>) -> Vec<String> {
    let registered = found.drivers.iter().map(|driver| driver.namespace.clone());
    registered.chain(found.missing_drivers.iter().map(|missing| missing.namespace.to_owned())).collect()
}

fn not_loaded(missing: &Missing, agent: &str, catalogue: &Catalogue) -> String {
    let Missing { namespace, plugin, .. } = missing;
    format!(
        "agent {agent:?} needs the driver {namespace:?}, whose plugin {plugin:?} is not loaded; put its library into {}; {}",
        folder(catalogue),
        registered(catalogue)
    )
}

fn registered(catalogue: &Catalogue) -> String {
    let drivers: Vec<&str> = catalogue.drivers().collect();
    if drivers.is_empty() {
        return format!("no driver plugin was found in {}", folder(catalogue));
    }
    format!("drivers loaded from {}: {}", folder(catalogue), drivers.join(", "))
}

fn folder(catalogue: &Catalogue) -> String {
    match &catalogue.plugin_folder {
        Some(folder) => format!("the plugin folder {folder:?}"),
        None => "the plugin folder".to_owned(),
    }
}
