//! Files to a checked model: one spanned tree for JSON, YAML and TOML, one list of problems with file, line and column.

#![forbid(unsafe_code)]

pub mod model;
pub mod problem;
pub mod tree;
