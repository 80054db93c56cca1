//! `siphon version`.

use siphon_core::abi::ABI_REV;

use super::Outcome;
use crate::Exit;
use crate::out::say;

pub fn execute() -> Outcome {
    say!("siphon {} (plugin ABI {ABI_REV}, {})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    Ok(Exit::Fine)
}
