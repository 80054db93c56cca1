//! How much a load test does.

/// Events of a load test: so many in the usual run, `SIPHON_SOAK_EVENTS` in `cargo xtask soak`.
///
/// # Panics
///
/// When the variable is no number.
pub fn soak_events(usual: usize) -> usize {
    let asked = std::env::var("SIPHON_SOAK_EVENTS").ok().filter(|text| !text.is_empty());
    asked.map_or(usual, |text| text.parse().expect("SIPHON_SOAK_EVENTS is a number"))
}
