//! Files to a checked model: one spanned tree for JSON, YAML and TOML, one list of problems with file, line and column.
//!
//! [`Document::read`] parses, [`Document::plugin_settings`] tells where the drivers are, and [`Document::check`] holds
//! the file against the [`Catalogue`] of what this process can do.

#![forbid(unsafe_code)]

mod agent;
mod backend;
pub mod catalogue;
mod client_tls;
mod component;
mod components;
mod delivery;
mod discovery;
mod document;
mod driver;
mod environment;
mod format;
mod host;
mod known;
mod logging;
pub mod model;
pub mod nearest;
mod pattern;
pub mod problem;
mod redact;
mod remarks;
mod root;
mod schema;
mod section;
mod sweep;
mod timing;
pub mod tree;
mod weak;
mod workflow;

pub use catalogue::Catalogue;
pub use document::{Checked, Document};
pub use model::Config;
pub use pattern::canonical_header;
pub use problem::{Problem, Severity};
pub use siphon_duration::{self as duration, HumanDuration};
