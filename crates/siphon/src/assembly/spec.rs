//! An agent of the configuration as the core wants it.

use std::sync::Arc;

use siphon_config::model::{Agent, BackoffStrategy};
use siphon_core::AgentSpec;
use siphon_core::delivery::{Backoff, Policy, Strategy};
use siphon_core::plugin::Registered;
use siphon_telemetry::Label;

/// The agent's bounds and policies, around its driver.
pub(super) fn of(agent: &Agent, driver: &Arc<Registered>) -> AgentSpec {
    let retry = &agent.delivery.retry;
    AgentSpec {
        label: Label::new(agent.name.as_str(), driver.label.as_str()),
        driver: Arc::clone(driver),
        topics: agent.topics.clone(),
        config: agent.driver.settings.to_json_text(),
        workers: agent.workers,
        timeout: agent.timeout,
        max_rate: agent.max_rate,
        max_retries: agent.max_retries,
        backoff: Backoff::connection(strategy(agent.backoff)),
        health_interval: agent.health_interval,
        policy: Policy { retry: Backoff { strategy: strategy(retry.strategy), base: retry.base, max: retry.max } },
        drain: agent.delivery.drain,
    }
}

/// The core's word for a strategy.
pub(super) fn strategy(strategy: BackoffStrategy) -> Strategy {
    match strategy {
        BackoffStrategy::Constant => Strategy::Constant,
        BackoffStrategy::Linear => Strategy::Linear,
        BackoffStrategy::LinearJitter => Strategy::LinearJitter,
        BackoffStrategy::Exponential => Strategy::Exponential,
        BackoffStrategy::ExponentialJitter => Strategy::ExponentialJitter,
    }
}
