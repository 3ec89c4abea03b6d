//! The C scenarios with a libdps that the address and thread sanitizers look into; for the C side the
//! one for undefined behaviour too. `tests/sanitizers` runs these alone.

use super::{Proof, Rig, TRANSPORTS, scenarios};
use dps_tests::{Sanitized, Sanitizer, run};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    let mut cells = Vec::new();
    for kind in ["threaded", "ll"] {
        for (name, proofs) in scenarios() {
            for proof in proofs {
                cells.push((kind, name.clone(), "mqtt", proof));
            }
        }
        for transport in &TRANSPORTS[1..] {
            for proof in [Proof::Key, Proof::Certificate] {
                cells.push((kind, "success".to_owned(), *transport, Some(proof)));
            }
        }
    }
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((kind, name, transport, proof)) =
                    cells.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    let command = sanitized.scenarios();
                    let finished = rig.scenario_with(command, kind, name, transport, *proof);
                    if finished.code != Some(0) {
                        let what = format!("{kind} {name} {transport} {proof:?}: {finished:?}");
                        wrong.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let shown: Vec<String> = wrong.iter().map(|text| text.replace("\\n", "\n")).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cells.len(), shown.join("\n\n"));
}

#[test]
fn the_address_sanitizer_has_nothing_to_say_about_any_scenario() {
    every_scenario(Sanitizer::Address);
}

#[test]
fn the_thread_sanitizer_has_nothing_to_say_about_any_scenario() {
    every_scenario(Sanitizer::Thread);
}
