//! The bench itself, as small as it gets: that it works, not what it measures.

use std::process::Command;

use siphon_testkit::{plugins_dir, siphon_bin};

/// Runs the benchmark `kind` of `program` on the broker at `address`, which the environment names `variable`.
///
/// # Panics
///
/// When it fails, or its table is not whole.
#[track_caller]
pub fn bench_measures(program: &str, kind: &str, (variable, address): (&str, &str)) {
    let mut bench = Command::new(program);
    bench.args([kind, "--rounds", "1", "--events", "64", "--payload", "256", "--workers", "1", "--workers", "64"]);
    bench.args(["--starts", "1", "--agents", "3", "--idle", "0"]).env(variable, address);
    let output = bench.env("SIPHON_TEST_BIN", siphon_bin()).env("SIPHON_TEST_PLUGINS", plugins_dir()).output();
    let output = output.expect("the bench starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("256 ")).collect();
    for name in ["naive", "siphon", "ratio"] {
        assert_eq!(rows.iter().filter(|row| row.contains(name)).count(), 2, "for 1 worker and for 64: {text}");
    }
    assert!(text.contains("start to first event") && text.contains("3 agent(s): all consume"), "{text}");
}
