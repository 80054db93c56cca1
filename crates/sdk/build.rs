//! Tells the SDK which compiler builds it: the handshake of every plugin names it.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version =
        Command::new(rustc).arg("--version").output().map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    println!("cargo::rustc-env=SIPHON_RUSTC={}", version.unwrap_or_else(|_| "an unknown rustc".into()));
    println!("cargo::rerun-if-changed=build.rs");
}
