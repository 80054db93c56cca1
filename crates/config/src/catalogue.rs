//! What this process can do: drivers and components by their namespaces. The assembly fills it from the pipe's
//! component table and from the loaded plugins; `check` and the manual read the same list.

/// Where in the file a namespace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// `extra_config` of the root.
    Service,
    Agent,
    Backend,
}

impl Level {
    /// As part of a sentence: `on an agent`.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Self::Service => "at the root",
            Self::Agent => "on an agent",
            Self::Backend => "in a backend",
        }
    }

    /// As part of a sentence: `an agent's extra_config`.
    pub(crate) fn owner(self) -> &'static str {
        match self {
            Self::Service => "the root's extra_config",
            Self::Agent => "an agent's extra_config",
            Self::Backend => "a backend's extra_config",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of these an agent has exactly one.
    Driver,
    Component,
    /// A component that answers for a backend in the place of HTTP: the backend needs no host and no method.
    Transport,
}

/// What happens to keys that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// KrakenD's own objects: a warning, and the key is left out.
    Warn,
    /// siphon's own objects: an error.
    Refuse,
}

/// One namespace at one level.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The main key first, then its aliases. At least one.
    pub keys: Vec<String>,
    pub level: Level,
    pub kind: Kind,
    /// JSON schema of the settings; `None`: nothing is checked here.
    pub schema: Option<serde_json::Value>,
    pub unknown_keys: UnknownKeys,
    /// What it does, on one line, for `check`. May be empty.
    pub effect: String,
    /// `built in`, or the file name of the library.
    pub origin: String,
}

impl Entry {
    /// The key that stands for all of them.
    pub fn main_key(&self) -> &str {
        self.keys.first().map_or("", String::as_str)
    }
}

/// Everything that is registered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    pub entries: Vec<Entry>,
    /// The plugin folder that was read, for messages.
    pub plugin_folder: Option<String>,
}

impl Catalogue {
    /// The entry that answers to `key` at `level`.
    pub fn find(&self, level: Level, key: &str) -> Option<&Entry> {
        self.index_of(level, key).and_then(|index| self.entries.get(index))
    }

    pub(crate) fn index_of(&self, level: Level, key: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.level == level && entry.keys.iter().any(|known| known == key))
    }

    /// The main keys of the drivers that an agent can have.
    pub fn drivers(&self) -> impl Iterator<Item = &str> {
        let is_driver = |entry: &&Entry| entry.level == Level::Agent && entry.kind == Kind::Driver;
        self.entries.iter().filter(is_driver).map(Entry::main_key)
    }
}
