//! The plugin host: finds libraries, refuses what does not fit, and turns the ABI into the core's own types.
//!
//! The only unsafe code of this crate.

mod doorbell;
mod event;
mod file;
mod host_api;
mod lend;
mod load;
#[forbid(unsafe_code)]
mod misfit;
mod pipe;
#[forbid(unsafe_code)]
mod registry;
mod returned;
mod sink;
mod source;

pub use event::{Event, EventParts, Handle, Pairs};
pub use lend::{Each, LendReply, LendRequest};
pub use load::LIBRARY_SUFFIX;
pub use misfit::{Misfit, Refusal};
pub use pipe::{HttpClient, Modifier};
pub use registry::{FolderError, Library, Registered, Registry, kind_name};
pub use returned::{Changes, Ended, Refused};
pub use sink::{Outgoing, Sink};
pub use source::{Arrival, DriverError, OpenOptions, Settlement, Source, SourceEnd, Verdict};
