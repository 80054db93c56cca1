//! A driver that misbehaves on purpose: it panics, stalls, floods and lies as its configuration says. Beside it a modifier and
//! an HTTP client that do likewise in a pipe. For tests only.
//!
//! With `SIPHON_CHAOS=panic-at-registration` in the environment it panics while it registers.

#![deny(unsafe_code)] // only `export_plugin!` and `codes` have some, and allow it themselves

mod codes;
mod config;
mod consume;
mod misbehave;
mod pipe;
mod publish;
mod queue;

use siphon_sdk::Component;

/// Namespace key of the driver.
const KEYS: &[&str] = &["async/chaos"];

/// How logs call it.
const LABEL: &str = "Chaos";

/// The variable that makes registration itself go wrong.
const VARIABLE: &str = "SIPHON_CHAOS";

siphon_sdk::export_plugin!(
    source(),
    codes::source(),
    siphon_sdk::sink::<publish::Publisher>(),
    siphon_sdk::modifier::<pipe::Meddler>(),
    siphon_sdk::http_client::<pipe::Parrot>(),
);

fn source() -> Component {
    let wish = std::env::var(VARIABLE).unwrap_or_default();
    assert!(wish != "panic-at-registration", "told to panic while registering");
    siphon_sdk::source::<consume::Chaos>()
}
