//! The runtime inside a plugin library: one thread, shared by all agents that use the library.
//!
//! Two threads cost 1.6 to 3.7 times the CPU per message (measured); a broker client needs one.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle};

static RUNTIME: OnceLock<Option<Handle>> = OnceLock::new();

/// The library's runtime, started on first use. `None` when the system gives no thread.
pub(crate) fn handle() -> Option<&'static Handle> {
    RUNTIME.get_or_init(start).as_ref()
}

fn start() -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("siphon-driver".into()).spawn(run).ok()?;
    Some(handle)
}
