//! The crate from outside: texts in, models and problems out.

mod common;
mod fixtures;
mod formats;
mod manual;
mod problems;
mod robust;
mod values;
