//! The plugin host: finds libraries, refuses what does not fit, and turns the ABI into the core's own types.
//!
//! The only unsafe code of this crate.

mod doorbell;
mod event;
mod file;
mod host_api;
mod load;
#[forbid(unsafe_code)]
mod misfit;
#[forbid(unsafe_code)]
mod registry;
mod sink;
mod source;

pub use event::{Event, EventParts, Handle, Pairs};
pub use load::LIBRARY_SUFFIX;
pub use misfit::{Misfit, Refusal};
pub use registry::{FolderError, Library, Registered, Registry, kind_name};
pub use sink::{Outgoing, Sink};
pub use source::{Arrival, DriverError, OpenOptions, Settlement, Source, SourceEnd, Verdict};
