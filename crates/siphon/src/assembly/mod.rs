//! Joins configuration, pipe, plugins and core. Nothing else in the workspace knows all four.

mod backends;
mod catalogue;
mod chosen;
mod handler;
mod in_pipe;
mod lent;
mod publish;
mod spec;
mod subscribe;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use siphon_config::model::{Agent, LogFormat, LogLevel, PluginSettings};
use siphon_config::{Config, Document, Problem, Severity};
use siphon_core::AgentSpec;
use siphon_core::abi::{Capabilities, Weight};
use siphon_core::plugin::{Registered, Registry};
use siphon_pipe::{Pipe, dead_letters};
use siphon_telemetry::{AgentMetrics, Format, Level, Metrics};

use crate::cli::Sources;

use backends::PluginBackends;
pub use handler::PipeHandler;

/// The folder that is looked for beside the program.
const DEFAULT_FOLDER: &str = "plugins";

/// Everything that a configuration says, built and checked, not started.
pub struct Assembly {
    pub config: Config,
    pub registry: Registry,
    pub agents: Vec<AssembledAgent>,
    pub metrics: Metrics,
    /// Warnings and notices.
    pub problems: Vec<Problem>,
}

/// One agent: how the core runs it, and what it does with events.
pub struct AssembledAgent {
    pub spec: AgentSpec,
    pub handler: Arc<PipeHandler>,
    pub metrics: AgentMetrics,
}

/// What the configuration says about the log.
#[derive(Debug, Clone, Copy)]
pub struct Logging<'a> {
    pub level: Level,
    pub format: Format,
    pub prefix: &'a str,
    pub is_stdout: bool,
}

impl Assembly {
    /// Reads the configuration, loads the plugins, checks one against the other and builds every pipe.
    ///
    /// # Errors
    ///
    /// All that is wrong, at once, warnings and notices included.
    pub fn load(sources: &Sources) -> Result<Self, Vec<Problem>> {
        let document = Document::read(&sources.config)?.with_environment(environment());
        let mut registry = Registry::default();
        let (folder, mut problems) = load_plugins(&document, sources, &mut registry);
        let checked = document.check(&catalogue::of(&registry, &folder));
        problems.extend(checked.problems);
        let Some(config) = checked.draft else { return Err(problems) };
        problems.extend(PluginBackends::new(&registry).findings(&config, &document, &problems));
        problems.extend(in_pipe::findings(&registry, &config, &document, &problems));
        let metrics = Metrics::default();
        let (agents, pipe_problems) = build_agents(&document, &config, &registry, &problems, &metrics);
        problems.extend(driver_findings(&document, &config, &registry, &problems));
        problems.extend(pipe_problems);
        problems.sort_by(|left, right| (left.at, &left.path).cmp(&(right.at, &right.path)));
        // What all agents use (the catalog of gRPC) is wrong for each that uses it, and said once.
        problems.dedup();
        if problems.iter().any(Problem::is_error) {
            return Err(problems);
        }
        Ok(Self { config, registry, agents, metrics, problems })
    }

    /// `telemetry/logging`, when the file has it.
    pub fn logging(&self) -> Option<Logging<'_>> {
        self.config.service.logging.as_ref().map(|logging| Logging {
            level: level(logging.level),
            format: if logging.format == LogFormat::Json { Format::Json } else { Format::Human },
            prefix: &logging.prefix,
            is_stdout: logging.stdout,
        })
    }
}

/// The plugin folder: that of the command line, else of the configuration, else the one beside the program.
pub fn plugin_folder(named: Option<&Path>, settings: &PluginSettings) -> PathBuf {
    let configured = settings.folder.as_ref().map(PathBuf::from);
    named.map(Path::to_owned).or(configured).unwrap_or_else(|| {
        let program = std::env::current_exe().unwrap_or_default();
        program.parent().unwrap_or(Path::new(".")).join(DEFAULT_FOLDER)
    })
}

/// Names and values that are text; others cannot be meant for a configuration.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Loads the folder. What does not fit is a warning: an agent that needs it gets an error of its own.
fn load_plugins(document: &Document, sources: &Sources, registry: &mut Registry) -> (PathBuf, Vec<Problem>) {
    let settings = document.plugin_settings();
    let folder = plugin_folder(sources.plugins.as_deref(), &settings);
    let pattern = settings.pattern.as_deref().unwrap_or_default();
    let file = sources.config.display().to_string();
    let mut problems = Vec::new();
    if let Err(error) = registry.load_folder(&folder, pattern) {
        problems.push(problem(Severity::Error, &file, error.to_string()));
    }
    let refusals = registry.refusals().iter();
    problems.extend(refusals.map(|refusal| problem(Severity::Warning, "", format!("plugin {refusal}"))));
    (folder, problems)
}

fn problem(severity: Severity, file: &str, message: String) -> Problem {
    Problem { severity, file: file.to_owned(), at: None, path: String::new(), message }
}

/// What each driver has to say about its settings, with its place in the file. Settings that their schema has refused are
/// not shown to it: it would only repeat that.
fn driver_findings(document: &Document, config: &Config, registry: &Registry, known: &[Problem]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for agent in config.agents.iter().filter(|agent| !is_refused(known, &agent.driver.path)) {
        let Some(driver) = registry.source(&agent.driver.namespace) else { continue };
        let options = spec::of(agent, driver).open_options();
        for finding in driver.check(&options) {
            let path = siphon_config::tree::join(&agent.driver.path, &finding.path);
            problems
                .push(Problem { severity: severity(finding.weight), ..document.problem_at(&path, &finding.message) });
        }
    }
    problems
}

/// Whether an error stands at `path` or below it.
fn is_refused(known: &[Problem], path: &str) -> bool {
    known.iter().any(|one| one.is_error() && one.path.starts_with(path))
}

fn severity(weight: Weight) -> Severity {
    match weight {
        Weight::NOTICE => Severity::Notice,
        Weight::WARNING => Severity::Warning,
        _ => Severity::Error,
    }
}

/// The agents with their pipes, and what keeps a pipe from being built. An agent that the configuration has refused is
/// left out: its pipe would only repeat what is known.
fn build_agents(
    document: &Document,
    config: &Config,
    registry: &Registry,
    known: &[Problem],
    metrics: &Metrics,
) -> (Vec<AssembledAgent>, Vec<Problem>) {
    let (mut agents, mut problems) = (Vec::new(), Vec::new());
    for agent in config.agents.iter().filter(|agent| !is_refused(known, &agent.path)) {
        let Some(driver) = registry.source(&agent.driver.namespace) else { continue };
        match build_agent(agent, driver, config, registry, metrics) {
            Ok(agent) => agents.push(agent),
            Err(more) => problems.extend(more.into_iter().map(|problem| placed(problem, document))),
        }
    }
    (agents, problems)
}

fn build_agent(
    agent: &Agent,
    driver: &Arc<Registered>,
    config: &Config,
    registry: &Registry,
    metrics: &Metrics,
) -> Result<AssembledAgent, Vec<Problem>> {
    check_dead_letters(agent, driver)?;
    let spec = spec::of(agent, driver);
    let metrics = metrics.agent(&spec.label);
    let backends = PluginBackends::new(registry);
    let pipe = Pipe::build_with_plugins(agent, &config.service.http, &backends, metrics.pipe())?;
    let subscriptions = backends.into_subscriptions();
    let handler = Arc::new(PipeHandler::new(pipe, subscriptions, agent, spec.label.clone()));
    Ok(AssembledAgent { spec, handler, metrics })
}

/// A check may only send events to where failed ones are kept if there is such a place: they would be lost.
fn check_dead_letters(agent: &Agent, driver: &Registered) -> Result<(), Vec<Problem>> {
    if driver.capabilities.has(Capabilities::REJECT) {
        return Ok(());
    }
    let name = driver.main_key();
    let message = format!("{name} keeps no events that failed for good; choose \"retry\" or \"discard\"");
    let lost = |path| Problem { path, ..problem(Severity::Error, "", message.clone()) };
    let problems: Vec<_> = dead_letters(agent).into_iter().map(lost).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The pipe knows paths; the document knows where they are.
fn placed(problem: Problem, document: &Document) -> Problem {
    Problem { severity: problem.severity, ..document.problem_at(&problem.path, &problem.message) }
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warning => Level::Warning,
        LogLevel::Error => Level::Error,
        LogLevel::Critical => Level::Critical,
    }
}
