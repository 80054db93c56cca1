//! The benchmark works.

use siphon_tests::bench_measures;

use crate::broker::Broker;

#[test]
fn the_bench_measures_siphon_against_the_naive_loop() {
    bench_measures(env!("CARGO_BIN_EXE_bench"), "kafka", ("SIPHON_TEST_KAFKA", Broker::shared().address()));
}
