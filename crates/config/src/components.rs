//! `extra_config`: which namespaces of a file are drivers, components, or nothing that this build knows.

use std::cell::RefCell;

use crate::catalogue::{Catalogue, Kind, Level};
use crate::known::{self, KNOWN, Sort};
use crate::model::{Component, Driver};
use crate::nearest;
use crate::problem::Report;
use crate::schema::Schemas;
use crate::section::Field;
use crate::tree::{Entry, Node, Position, Value, join};

/// Namespaces that are read by this crate itself.
const OWN: [(Level, &str); 4] = [
    (Level::Service, "telemetry/logging"),
    (Level::Service, "router"),
    (Level::Service, "grpc"),
    (Level::Agent, "async/delivery"),
];

/// The component whose backends are read by this crate; the rest of it is its own.
pub(crate) const WORKFLOW: &str = "workflow";

/// Namespaces of which a user wants metrics above all.
const METRICS: [&str; 4] = ["telemetry/opentelemetry", "telemetry/metrics", "telemetry/opencensus", "telemetry/influx"];

/// What `extra_config` objects are read against, and what was noticed while reading them.
pub(crate) struct Components<'a> {
    pub catalogue: &'a Catalogue,
    schemas: Schemas,
    report: &'a Report<'a>,
    endpoint_only: RefCell<Vec<(Position, String)>>,
}

/// What an `extra_config` has.
#[derive(Default)]
pub(crate) struct Found<'a> {
    pub drivers: Vec<Driver>,
    /// Keys of drivers that siphon has, but whose plugin is not loaded.
    pub missing_drivers: Vec<Missing>,
    pub components: Vec<Component>,
    /// The namespaces that this crate reads itself, by their main key.
    pub own: Vec<(&'static str, Field<'a>)>,
}

/// A driver without its plugin.
pub(crate) struct Missing {
    pub at: Position,
    pub path: String,
    pub namespace: &'static str,
    pub plugin: &'static str,
}

impl<'a> Found<'a> {
    pub fn own(&self, name: &str) -> Option<Field<'a>> {
        self.own.iter().find(|(known, _)| *known == name).map(|(_, field)| field.clone())
    }
}

/// One namespace, whatever names it goes by in the file.
struct Namespace<'a> {
    main: String,
    entry: &'a Entry,
}

impl<'a> Components<'a> {
    pub fn new(catalogue: &'a Catalogue, report: &'a Report<'a>) -> Self {
        let schemas = Schemas::compile(catalogue, report);
        Self { catalogue, schemas, report, endpoint_only: RefCell::default() }
    }

    /// Reads an `extra_config`, reports what cannot be used.
    pub fn read(&self, level: Level, extra_config: Option<Field<'a>>) -> Found<'a> {
        let mut found = Found::default();
        let Some(field) = extra_config else { return found };
        let Value::Map(entries) = &field.node.value else {
            field.error(format!("expected an object, found {}", field.shown()));
            return found;
        };
        for namespace in self.namespaces(level, entries, &field.path) {
            self.sort_out(level, &namespace, &field.path, &mut found);
        }
        found
    }

    /// Short and long names are one; where both are given, the short one's value counts.
    fn namespaces(&self, level: Level, entries: &'a [Entry], path: &str) -> Vec<Namespace<'a>> {
        let mut all: Vec<Namespace<'a>> = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_comment()) {
            let main = self.main_key(level, &entry.key);
            if known::is_misplaced_driver(level, &entry.key) {
                let message = format!("is the name of the backend consumer; on an agent it is read as {main:?}");
                self.report.warning(entry.at, &join(path, &entry.key), message);
            }
            let Some(other) = all.iter_mut().find(|other| other.main == main) else {
                all.push(Namespace { main, entry });
                continue;
            };
            let ignored = if entry.key == main { std::mem::replace(&mut other.entry, entry) } else { entry };
            let message =
                format!("is another name of {:?}, which is given as well; this one is ignored", other.entry.key);
            self.report.warning(ignored.at, &join(path, &ignored.key), message);
        }
        all
    }

    /// The name under which `key` is registered, else its short name in KrakenD, else the key itself.
    fn main_key(&self, level: Level, key: &str) -> String {
        let registered = |name: &str| self.catalogue.find(level, name).map(|entry| entry.main_key().to_owned());
        registered(key).unwrap_or_else(|| match known::find(level, key) {
            Some(known) => registered(known.name).unwrap_or_else(|| known.name.to_owned()),
            None => key.to_owned(),
        })
    }

    fn sort_out(&self, level: Level, namespace: &Namespace<'a>, path: &str, found: &mut Found<'a>) {
        let path = join(path, &namespace.entry.key);
        if level == Level::Backend && namespace.main == WORKFLOW {
            found.own.push((WORKFLOW, Field { node: &namespace.entry.value, path: path.clone(), report: self.report }));
        }
        let own = OWN.iter().find(|(where_, name)| *where_ == level && *name == namespace.main);
        if let Some((_, name)) = own {
            found.own.push((name, Field { node: &namespace.entry.value, path, report: self.report }));
        } else if let Some(index) = self.catalogue.index_of(level, &namespace.main) {
            self.registered(index, path, &namespace.entry.value, found);
        } else {
            self.not_registered(level, namespace, path, found);
        }
    }

    fn registered(&self, index: usize, path: String, settings: &Node, found: &mut Found<'a>) {
        let entry = &self.catalogue.entries[index];
        let settings = self.schemas.check(index, entry, &path, settings, self.report);
        let namespace = entry.main_key().to_owned();
        let is_driver = entry.kind == Kind::Driver && entry.level == Level::Agent;
        if is_driver {
            found.drivers.push(Driver { namespace, path, settings });
        } else {
            found.components.push(Component { namespace, path, settings });
        }
    }

    fn not_registered(&self, level: Level, namespace: &Namespace<'a>, path: String, found: &mut Found<'a>) {
        let at = namespace.entry.at;
        let Some(known) = known::find(level, &namespace.main) else {
            return self.report.error(at, &path, self.unknown_or_misplaced(level, &namespace.main));
        };
        match known.sort {
            _ if !known.levels.contains(&level) => {
                self.report.error(at, &path, misplaced(level, known.levels, known.sort));
            }
            Sort::Driver(plugin) => {
                found.missing_drivers.push(Missing { at, path, namespace: known.name, plugin });
            }
            Sort::EndpointOnly => self.endpoint_only.borrow_mut().push((at, path)),
            Sort::Component => {
                let remedy = match known.name {
                    name if METRICS.contains(&name) => {
                        "remove it: siphon shows its metrics under /metrics, in Prometheus' format"
                    }
                    "security/policies" => "write its policies as the expressions of validation/cel",
                    _ => "remove it or use a build that has it",
                };
                self.report.error(at, &path, format!("{:?} is not in this build of siphon; {remedy}", known.name));
            }
        }
    }

    fn unknown_or_misplaced(&self, level: Level, key: &str) -> String {
        let levels: Vec<Level> = self
            .catalogue
            .entries
            .iter()
            .filter(|entry| entry.keys.iter().any(|known| known == key))
            .map(|entry| entry.level)
            .collect();
        if !levels.is_empty() {
            return misplaced(level, &levels, Sort::Component);
        }
        let registered = self.catalogue.entries.iter().filter(|entry| entry.level == level);
        let fitting = KNOWN.iter().filter(|known| known.levels.contains(&level));
        let names = registered
            .flat_map(|entry| entry.keys.iter().map(String::as_str))
            .chain(fitting.flat_map(|known| known.aliases.iter().copied().chain([known.name])));
        format!("unknown namespace {key:?}{}", nearest::hint(key, names))
    }

    /// One notice for everything that concerns HTTP endpoints.
    pub fn finish(self) {
        let ignored = self.endpoint_only.into_inner();
        let Some((at, _)) = ignored.iter().min() else { return };
        let paths: Vec<&str> = ignored.iter().map(|(_, path)| path.as_str()).collect();
        let message = format!("without effect, because they concern HTTP endpoints only: {}", paths.join(", "));
        self.report.notice(*at, "", message);
    }
}

fn misplaced(level: Level, levels: &[Level], sort: Sort) -> String {
    let place = level.place();
    if sort == Sort::EndpointOnly {
        return format!("concerns HTTP endpoints and has no effect {place}; remove it");
    }
    let owners: Vec<&str> = levels.iter().map(|level| level.owner()).collect();
    format!("has no effect {place}; it belongs in {}", owners.join(" or "))
}
