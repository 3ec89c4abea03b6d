//! Many devices that register at once: `load READY_FILE COUNT CONCURRENT SECONDS`, against the
//! local service that wrote the ready file, by MQTT and real TLS. Each device connects once, so
//! that nothing that goes wrong is hidden by a second try. The first error ends it, and so do the
//! seconds. `tests/bench/service` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use dps_client::{
    Endpoint, IdScope, Policy, ProvisioningClient, RegistrationId, SymmetricKey, Transport,
    TrustAnchors,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use serde_json::Value;
use std::env;
use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Devices have small stacks, so that many fit.
const STACK_BYTES: usize = 512 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [ready, numbers @ ..] = arguments.as_slice() else {
        eprintln!("usage: load READY_FILE COUNT CONCURRENT SECONDS");
        return ExitCode::from(2);
    };
    let numbers: Vec<usize> = numbers.iter().map(|text| text.parse().unwrap()).collect();
    let [count, concurrent, seconds] = numbers.try_into().expect("three numbers");
    let ready: Value = serde_json::from_str(&fs::read_to_string(ready).unwrap()).unwrap();
    let text = |pointer: &str| ready.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let port = ready.pointer("/mqtt/port").unwrap();
    let endpoint = Endpoint::parse(&format!("{}:{port}", text("/mqtt/host"))).unwrap();
    let scope = text("/idScope");
    let group = SymmetricKey::from_base64(&text("/enrollmentGroups/0/primaryKey")).unwrap();
    let anchors = TrustAnchors::pem(text("/caPem"));
    let limit = Duration::from_secs(seconds as u64);

    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (failed, together) = (OnceLock::new(), Barrier::new(concurrent + 1));
    let mut started = Instant::now();
    thread::scope(|scope_of_threads| {
        for _ in 0..concurrent {
            let device = || {
                together.wait();
                let begun = Instant::now();
                while failed.get().is_none() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(left) = limit.checked_sub(begun.elapsed()) else {
                        let _ =
                            failed.set(format!("{count} registrations took more than {seconds} s"));
                        return;
                    };
                    if number >= count {
                        return;
                    }
                    let id = RegistrationId::new(format!("load-{number}")).unwrap();
                    let policy = Policy {
                        deadline: Some(left),
                        max_connections: Some(1),
                        ..Policy::default()
                    };
                    let mut client = ProvisioningClient::builder()
                        .transport(Transport::Mqtt)
                        .endpoint(endpoint.clone())
                        .id_scope(IdScope::new(scope.as_str()).unwrap())
                        .trust_anchors(anchors.clone())
                        .policy(policy)
                        .hsm(SymmetricKeyHsm::derived(id.clone(), &group))
                        .build()
                        .unwrap();
                    match client.register() {
                        Ok(assigned) if assigned.device_id == id.as_str() => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(assigned) => {
                            let _ = failed.set(format!("{id} was told {}", assigned.device_id));
                        }
                        Err(error) => {
                            let _ = failed.set(format!("{id}: {error}"));
                        }
                    }
                }
            };
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn_scoped(scope_of_threads, device).unwrap();
        }
        together.wait();
        started = Instant::now();
    });
    let took = started.elapsed().as_secs_f64();
    let done = done.into_inner();
    match failed.into_inner() {
        None if done == count => {
            println!(
                "{count} registrations by {concurrent} devices at a time: {took:.1} s, no error"
            );
            ExitCode::SUCCESS
        }
        problem => {
            eprintln!("{done} of {count} registrations, then: {problem:?}");
            ExitCode::FAILURE
        }
    }
}
