//! Why a library is not loaded, in one sentence each: which file, why, and what to do.

use std::fmt;
use std::path::PathBuf;

use siphon_abi::ABI_REV;

/// A library that was refused. The others load all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub file: PathBuf,
    pub why: Misfit,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq)]
pub enum Misfit {
    Unreadable(String),
    NotALibrary,
    ForeignArchitecture { theirs: String },
    Truncated { has: u64, needs: u64 },
    NotAPlugin,
    NotLoadable(String),
    BrokenHandshake,
    OtherRevision { theirs: u32, sdk: String },
    CannotUnwind,
    OtherLayout(String),
    Panicked(String),
    NotRegistered(String),
    NoTable { key: String },
    OtherTable { name: String, theirs: u32, ours: u32 },
    NoName { name: String },
    Duplicate { key: String, other: PathBuf },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.file.display())?;
        let host = std::env::consts::ARCH;
        match &self.why {
            Misfit::Unreadable(why) => write!(f, "cannot be read ({why}): check its permissions"),
            Misfit::NotALibrary => f.write_str("is no shared library: remove it from the plugin folder, or build the plugin again"),
            Misfit::ForeignArchitecture { theirs } => {
                write!(f, "is built for {theirs}, this siphon runs on {host}: build the plugin for {host}")
            }
            Misfit::Truncated { has, needs } => {
                write!(f, "is cut off ({has} bytes of at least {needs}): copy or build it again")
            }
            Misfit::NotAPlugin => f.write_str(
                "is no siphon plugin (it lacks the symbol siphon_plugin_v1): remove it from the plugin folder, or add export_plugin! to it",
            ),
            Misfit::NotLoadable(why) => write!(f, "cannot be loaded ({why}): install what it needs, or build it on this system"),
            Misfit::BrokenHandshake => {
                f.write_str("has a siphon_plugin_v1 that is no handshake: build it with siphon-sdk's export_plugin!")
            }
            Misfit::OtherRevision { theirs, sdk } => write!(
                f,
                "speaks plugin ABI {theirs} (siphon-sdk {sdk}), this siphon speaks {ABI_REV}: build it with the siphon-sdk of this siphon"
            ),
            Misfit::CannotUnwind => {
                f.write_str("was built with panic = \"abort\", so a panic in it would end siphon: build it with panic = \"unwind\"")
            }
            Misfit::OtherLayout(what) => {
                write!(f, "has another layout of the plugin ABI ({what}): build it with the siphon-sdk of this siphon")
            }
            Misfit::Panicked(said) => write!(f, "failed to register: {said}; ask its author, or remove it"),
            Misfit::NotRegistered(why) => write!(f, "did not register ({why}): ask its author, or remove it"),
            Misfit::NoTable { key } => {
                write!(f, "registers {key} without its functions: build it with siphon-sdk's export_plugin!")
            }
            Misfit::OtherTable { name, theirs, ours } => write!(
                f,
                "registers {name} with revision {theirs} of its functions, this siphon speaks {ours}: build it with the siphon-sdk of this siphon"
            ),
            Misfit::NoName { name } => {
                write!(f, "registers {name:?}, which cannot be a name beside the key \"name\" of a configuration: ask its author for another")
            }
            Misfit::Duplicate { key, other } => {
                write!(f, "registers {key}, which {} has registered already: remove one of the two", other.display())
            }
        }
    }
}
