//! `siphon run`: runs the agents and the admin service until a signal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use siphon_admin::{Admin, AdminSettings, AgentHealth, HealthReport, HealthSource, LastError};
use siphon_config::{Problem, Severity};
use siphon_core::{AgentEnd, AgentState, AgentStatus, Phase, Shards, ShutdownHandle, supervise};
use siphon_telemetry::Label;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use super::{Outcome, assemble, cannot_start, runtime};
use crate::Exit;
use crate::assembly::Assembly;
use crate::cli::Run;
use crate::exit::Failure;

/// How long agents may take to let go after they were told to stop now: a turn of their thread.
const LETTING_GO: Duration = Duration::from_secs(3);

/// What a grace period takes beside its own time: drivers say goodbye for up to 5 s.
const GOODBYES: Duration = Duration::from_secs(10);

pub fn execute(arguments: &Run) -> Outcome {
    let assembly = assemble(&arguments.sources, None)?;
    assembly.problems.iter().for_each(log);
    let admin = Admin::bind(admin_settings(&assembly)).map_err(|error| Failure::configuration(error.to_string()))?;
    let admin = admin.with_metrics(assembly.metrics.clone());
    let runtime = runtime()?;
    // The agents' threads end, and are waited for, when this is dropped.
    let shards = Shards::start(assembly.agents.len()).map_err(cannot_start)?;
    runtime.block_on(serve(assembly, admin, &shards)).map_err(cannot_start)
}

fn log(problem: &Problem) {
    let text = problem.placed();
    match problem.severity {
        Severity::Notice => tracing::info!(service = "Configuration", "{text}"),
        Severity::Warning | Severity::Error => tracing::warn!(service = "Configuration", "{text}"),
    }
}

fn admin_settings(assembly: &Assembly) -> AdminSettings {
    let service = &assembly.config.service;
    AdminSettings {
        ip: service.listen_ip,
        port: service.port,
        health_path: service.health_path.clone(),
        debug: service.debug_endpoint,
        echo: service.echo_endpoint,
    }
}

async fn serve(assembly: Assembly, admin: Admin, shards: &Shards) -> std::io::Result<Exit> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tracing::info!(service = "Admin", address = %admin.local_addr(), version = env!("CARGO_PKG_VERSION"), "siphon started");
    let handle = ShutdownHandle::default();
    let grace = assembly.agents.iter().map(|agent| agent.spec.drain).max().unwrap_or_default();
    let (health, mut agents) = start_agents(assembly, shards, &handle);
    let mut stopped = handle.listen();
    let admin = tokio::spawn(admin.serve(Arc::new(health), async move { stopped.reached(Phase::Ending).await }));
    let exit = tokio::select! {
        exit = all_ended(&mut agents) => exit,
        name = either(&mut interrupt, &mut terminate) => {
            tracing::info!(service = "Signal", signal = name, "draining; a second signal ends at once");
            handle.advance(Phase::Draining);
            tokio::select! {
                exit = all_ended(&mut agents) => exit,
                () = tokio::time::sleep(grace + GOODBYES) => end_now(&mut agents, &handle).await,
                name = either(&mut interrupt, &mut terminate) => {
                    tracing::warn!(service = "Signal", signal = name, "ending at once");
                    end_now(&mut agents, &handle).await
                }
            }
        }
    };
    handle.advance(Phase::Ending);
    let _ = admin.await;
    Ok(exit)
}

/// Tells the agents to stop now. One that does not even hear it, because something in its pipe keeps its thread busy, ends
/// with the process: its broker delivers again what it had.
async fn end_now(agents: &mut JoinSet<AgentEnd>, handle: &ShutdownHandle) -> Exit {
    handle.advance(Phase::Ending);
    let ended = tokio::time::timeout(LETTING_GO, all_ended(agents)).await;
    ended.unwrap_or_else(|_| {
        let agents = agents.len();
        tracing::error!(service = "Signal", agents, "ends with agents that are busy: their events come again");
        std::process::exit(Exit::Failed.status().into())
    })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

/// Every agent's state, for health.
struct Health(Vec<(Label, Arc<AgentStatus>)>);

fn start_agents(assembly: Assembly, shards: &Shards, handle: &ShutdownHandle) -> (Health, JoinSet<AgentEnd>) {
    let mut health = Vec::new();
    let mut agents = JoinSet::new();
    for agent in assembly.agents {
        let (label, status) = (agent.spec.label.clone(), Arc::new(AgentStatus::new(agent.metrics)));
        health.push((label, Arc::clone(&status)));
        let running = shards.spawn(supervise(agent.spec, agent.handler, Arc::clone(&status), handle.listen()));
        agents.spawn(async move { running.await.unwrap_or_else(|error| crashed(&status, &error.to_string())) });
    }
    (Health(health), agents)
}

/// A bug in the supervisor ends its own agent only.
fn crashed(status: &AgentStatus, error: &str) -> AgentEnd {
    status.crashed(error);
    AgentEnd::Failed(error.to_owned())
}

/// Waits for every agent. With none there is nothing to wait for but a signal.
async fn all_ended(agents: &mut JoinSet<AgentEnd>) -> Exit {
    if agents.is_empty() {
        return std::future::pending().await;
    }
    let mut drained = 0;
    while let Some(end) = agents.join_next().await {
        drained += usize::from(matches!(end, Ok(AgentEnd::Drained)));
    }
    if drained > 0 { Exit::Fine } else { Exit::Failed }
}

impl HealthSource for Health {
    fn report(&self) -> HealthReport {
        HealthReport { agents: self.0.iter().map(|(label, status)| agent_health(label, status)).collect() }
    }
}

fn agent_health(label: &Label, status: &AgentStatus) -> AgentHealth {
    let snapshot = status.snapshot();
    let last_error = |(at, text): (SystemTime, String)| LastError { text, at };
    AgentHealth {
        name: label.agent.to_string(),
        agent_type: label.agent_type.to_string(),
        state: match snapshot.state {
            AgentState::Connecting => siphon_admin::AgentState::Connecting,
            AgentState::Running => siphon_admin::AgentState::Running,
            AgentState::Paused => siphon_admin::AgentState::Paused,
            AgentState::Stalled => siphon_admin::AgentState::Stalled,
            AgentState::Failed => siphon_admin::AgentState::Failed,
            AgentState::Stopped => siphon_admin::AgentState::Stopped,
        },
        last_ping: snapshot.last_ping,
        in_flight: (snapshot.in_flight + snapshot.waiting) as u64,
        received: snapshot.received,
        acked: snapshot.acked,
        failed: snapshot.failed,
        given_back: snapshot.given_back,
        lag: snapshot.lag,
        attempts: u64::from(snapshot.attempts),
        last_error: snapshot.last_error.map(last_error),
    }
}
