//! What is registered: by level, kind, namespace key and URL scheme.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siphon_abi::{ABI_REV, Capabilities, Component, Kind, Level, SinkTable, SourceTable};

use super::load::{LIBRARY_SUFFIX, load};
use super::pipe::PipeTable;
use super::{Misfit, Refusal};

/// A loaded library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    pub file: PathBuf,
    pub name: String,
    pub version: String,
    /// Version of siphon-sdk.
    pub sdk: String,
    pub rustc: String,
    pub abi_rev: u32,
}

/// One component of a library.
#[derive(Debug)]
pub struct Registered {
    pub library: Arc<Library>,
    pub kind: Kind,
    pub level: Level,
    /// Namespace keys, or the names of what stands in a pipe: the main one first, then aliases.
    pub keys: Vec<String>,
    pub schemes: Vec<String>,
    pub label: String,
    /// JSON schema of its configuration.
    pub schema: String,
    pub capabilities: Capabilities,
    pub(super) source: Option<&'static SourceTable>,
    pub(super) sink: Option<&'static SinkTable>,
    pub(super) pipe: Option<PipeTable>,
}

/// All components there are, and the libraries that were refused.
#[derive(Debug, Default)]
pub struct Registry {
    components: Vec<Arc<Registered>>,
    libraries: Vec<Arc<Library>>,
    refusals: Vec<Refusal>,
    names: BTreeMap<Name, PathBuf>,
}

/// What must be unique.
type Name = (Level, Kind, String, Option<String>);

/// The plugin folder cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FolderError {
    #[error("the plugin folder {} does not exist: name another with --plugins or plugin.folder", folder.display())]
    Missing { folder: PathBuf },
    #[error("the plugin folder {} cannot be read ({why}): check its permissions, or name another with --plugins or plugin.folder", folder.display())]
    Unreadable { folder: PathBuf, why: String },
    #[error("the plugin folder {} holds no library{}: build the plugins (cargo xtask build), or name another folder with --plugins or plugin.folder", folder.display(), with_pattern(pattern))]
    Empty { folder: PathBuf, pattern: String },
}

fn with_pattern(pattern: &str) -> String {
    if pattern.is_empty() { String::new() } else { format!(" whose name contains {pattern:?}") }
}

impl Registry {
    /// Loads every library of `folder` whose file name contains `pattern`, in the order of their names.
    ///
    /// # Errors
    ///
    /// When the folder itself cannot be used. Libraries that do not fit are [`refusals`](Self::refusals).
    pub fn load_folder(&mut self, folder: &Path, pattern: &str) -> Result<(), FolderError> {
        let files = libraries_in(folder, pattern)?;
        if files.is_empty() {
            return Err(FolderError::Empty { folder: folder.to_owned(), pattern: pattern.to_owned() });
        }
        files.iter().for_each(|file| self.load_file(file));
        Ok(())
    }

    /// Loads one library; a misfit is noted.
    pub fn load_file(&mut self, file: &Path) {
        let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let result = load(&path).and_then(|(library, components)| self.add(library, components));
        if let Err(why) = result {
            self.refusals.push(Refusal { file: file.to_owned(), why });
        }
    }

    /// Registers components of this very program, as a library called `name`: for tests and test doubles.
    ///
    /// # Errors
    ///
    /// As for a library's components.
    pub fn add_in_process(&mut self, name: &str, components: Vec<Component>) -> Result<(), Misfit> {
        let (file, version) = (PathBuf::from(name), env!("CARGO_PKG_VERSION").to_owned());
        let (sdk, rustc) = (version.clone(), String::new());
        let library = Library { file, name: name.to_owned(), version, sdk, rustc, abi_rev: ABI_REV };
        self.add(library, components)
    }

    /// The source that answers to `key` on an agent.
    pub fn source(&self, key: &str) -> Option<&Arc<Registered>> {
        self.find(Kind::SOURCE, key)
    }

    /// The sink that answers to `key` on an agent.
    pub fn sink(&self, key: &str) -> Option<&Arc<Registered>> {
        self.find(Kind::SINK, key)
    }

    /// The source or sink that answers to `key` on a backend for URLs of `scheme`, or for all.
    pub fn backend(&self, key: &str, scheme: &str) -> Option<&Arc<Registered>> {
        let serves = |component: &&Arc<Registered>| {
            component.schemes.is_empty() || component.schemes.iter().any(|own| own == scheme)
        };
        self.backends(key).find(serves)
    }

    /// All sources and sinks that answer to `key` on a backend: those of one key are of one kind.
    pub fn backends(&self, key: &str) -> impl Iterator<Item = &Arc<Registered>> {
        let answers = move |component: &&Arc<Registered>| component.keys.iter().any(|own| own == key);
        self.components.iter().filter(|component| component.is_backend()).filter(answers)
    }

    /// What stands in pipes under `name`.
    pub fn in_pipe(&self, kind: Kind, name: &str) -> Option<&Arc<Registered>> {
        self.all_in_pipe(kind).find(|component| component.keys.iter().any(|own| own == name))
    }

    /// All modifiers, or all HTTP clients.
    pub fn all_in_pipe(&self, kind: Kind) -> impl Iterator<Item = &Arc<Registered>> {
        self.components.iter().filter(move |component| component.kind == kind && component.pipe.is_some())
    }

    pub fn components(&self) -> &[Arc<Registered>] {
        &self.components
    }

    pub fn libraries(&self) -> &[Arc<Library>] {
        &self.libraries
    }

    /// Libraries that were not loaded, and why.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    fn find(&self, kind: Kind, key: &str) -> Option<&Arc<Registered>> {
        let is_it = |component: &&Arc<Registered>| {
            component.kind == kind && component.level == Level::AGENT && component.keys.iter().any(|own| own == key)
        };
        self.components.iter().find(is_it)
    }

    /// All components of a library, or none: half a library would be a riddle.
    fn add(&mut self, library: Library, components: Vec<Component>) -> Result<(), Misfit> {
        let library = Arc::new(library);
        let registered: Vec<_> =
            components.into_iter().map(|component| Registered::new(&library, component)).collect::<Result<_, _>>()?;
        let mut names = BTreeMap::new();
        for name in registered.iter().flat_map(Registered::names) {
            let taken = self.names.get(&name).or_else(|| names.get(&name)).cloned();
            if let Some(other) = taken {
                return Err(Misfit::Duplicate { key: describe(&name), other });
            }
            names.insert(name, library.file.clone());
        }
        self.names.extend(names);
        self.components.extend(registered.into_iter().map(Arc::new));
        self.libraries.push(library);
        Ok(())
    }
}

impl Registered {
    fn new(library: &Arc<Library>, component: Component) -> Result<Self, Misfit> {
        let (source, sink) = super::source::tables(&component);
        let pipe = super::pipe::table(&component)?;
        let keys: Vec<String> = component.keys.iter().map(|key| key.as_str().to_owned()).collect();
        let is_complete = match component.kind {
            Kind::SOURCE => source.is_some(),
            Kind::SINK => sink.is_some(),
            Kind::MODIFIER | Kind::HTTP_CLIENT => pipe.is_some(),
            _ => true, // a kind of a later siphon: shown by `plugins`, used by nobody
        };
        if !is_complete || keys.is_empty() {
            return Err(Misfit::NoTable {
                key: keys.first().cloned().unwrap_or_else(|| "a component without a key".into()),
            });
        }
        let is_no_name = |name: &&String| pipe.is_some() && (name.is_empty() || *name == "name");
        if let Some(name) = keys.iter().find(is_no_name) {
            return Err(Misfit::NoName { name: name.clone() });
        }
        Ok(Self {
            library: Arc::clone(library),
            kind: component.kind,
            level: component.level,
            keys,
            schemes: component.schemes.iter().map(|scheme| scheme.as_str().to_owned()).collect(),
            label: component.label.into(),
            schema: component.schema.into(),
            capabilities: component.capabilities,
            source,
            sink,
            pipe,
        })
    }

    /// Whether it stands in the place of HTTP: it publishes an event, or takes a message for it. HTTP clients are found by
    /// name, not by a key of their own.
    pub fn is_backend(&self) -> bool {
        self.level == Level::BACKEND && matches!(self.kind, Kind::SOURCE | Kind::SINK)
    }

    /// The main key.
    pub fn main_key(&self) -> &str {
        self.keys.first().map_or("", String::as_str)
    }

    fn names(&self) -> Vec<Name> {
        let schemes: Vec<_> = match self.schemes.as_slice() {
            [] => vec![None],
            schemes => schemes.iter().cloned().map(Some).collect(),
        };
        let pairs = self.keys.iter().flat_map(|key| schemes.iter().map(move |scheme| (key.clone(), scheme.clone())));
        // What stands in a pipe is found by its name alone.
        let level = if self.pipe.is_some() { Level::EVERYWHERE } else { self.level };
        pairs.map(|(key, scheme)| (level, self.kind, key, scheme)).collect()
    }
}

/// What a kind is called.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::SOURCE => "source",
        Kind::SINK => "sink",
        Kind::MODIFIER => "modifier",
        Kind::HTTP_CLIENT => "HTTP client",
        _ => "component of a later siphon",
    }
}

fn describe((level, kind, key, scheme): &Name) -> String {
    let level = match *level {
        Level::AGENT => "agent ",
        Level::BACKEND => "backend ",
        _ => "",
    };
    let scheme = scheme.as_ref().map(|scheme| format!(" for {scheme}://")).unwrap_or_default();
    format!("the {level}{} {key}{scheme}", kind_name(*kind))
}

fn libraries_in(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, FolderError> {
    if !folder.exists() {
        return Err(FolderError::Missing { folder: folder.to_owned() });
    }
    let unreadable =
        |error: std::io::Error| FolderError::Unreadable { folder: folder.to_owned(), why: error.to_string() };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(LIBRARY_SUFFIX) && name.contains(pattern) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
