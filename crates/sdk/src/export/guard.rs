//! Stops panics at the border: one that left an `extern "C"` function would end the whole process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Error;

/// Runs `body`; a panic becomes what `otherwise` makes of it.
pub(crate) fn guard<T>(body: impl FnOnce() -> T, otherwise: impl FnOnce(Error) -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => otherwise(panic_error(payload)),
    }
}

/// The error that a panic becomes. The payload itself is forgotten: its destructor could panic again.
pub(crate) fn panic_error(payload: Box<dyn Any + Send>) -> Error {
    let said = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
    std::mem::forget(payload);
    Error::panic(format!("the plugin panicked: {}", said.as_deref().unwrap_or("without a message")))
}
