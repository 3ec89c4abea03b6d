//! The C scenarios with a libdps that the address and thread sanitizers look into; for the C side the
//! one for undefined behaviour too. `tests/sanitizers` runs these alone.

use super::{Proof, Rig, SLOW_WORK, TRANSPORTS, cells, expect_success, in_parallel};
use dps_tests::{Sanitized, Sanitizer, run};
use std::time::Duration;

/// A sanitizer whose silence means nothing would be no test.
fn notices(sanitizer: Sanitizer, what: &str, words: &str) {
    let mut check = Sanitized::build(sanitizer).self_check();
    let finished = run(check.arg(what), Duration::from_secs(60));
    assert!(Sanitized::has_found(finished.code), "{finished:?}");
    assert!(finished.stderr.contains(words), "{finished:?}");
    // It happens in the library's code, not in the program's.
    assert!(finished.stderr.contains("pointers.rs"), "{finished:?}");
}

#[test]
fn the_address_sanitizer_notices_an_overflow_across_the_boundary() {
    notices(Sanitizer::Address, "overflow", "heap-buffer-overflow");
}

#[test]
fn the_thread_sanitizer_notices_a_race_across_the_boundary() {
    notices(Sanitizer::Thread, "race", "data race");
}

/// Every scenario, and the successful one over every transport.
fn every_scenario(sanitizer: Sanitizer) {
    let sanitized = Sanitized::build(sanitizer);
    let rig = Rig::new(&format!("{sanitizer:?}"));
    let of_mqtt = cells(2).into_iter().map(|(kind, name, proof)| (kind, name, "mqtt", proof));
    let of_others = TRANSPORTS[1..].iter().flat_map(|transport| {
        [("ll", Proof::Key), ("threaded", Proof::Key), ("threaded", Proof::Certificate)]
            .map(|(kind, proof)| (kind, "success".to_owned(), *transport, Some(proof)))
    });
    let cells: Vec<_> = of_mqtt.chain(of_others).collect();
    in_parallel(&cells, 6, |(kind, name, transport, proof)| {
        let mut command = sanitized.scenarios();
        command.env("DPS_TEST_LIMIT_MS", SLOW_WORK);
        let finished = rig.scenario_with(command, kind, name, transport, *proof);
        expect_success(finished)
            .map_err(|told| format!("{kind} {name} {transport} {proof:?}: {told}"))
    });
}

#[test]
fn the_address_sanitizer_has_nothing_to_say_about_any_scenario() {
    every_scenario(Sanitizer::Address);
}

#[test]
fn the_thread_sanitizer_has_nothing_to_say_about_any_scenario() {
    every_scenario(Sanitizer::Thread);
}
