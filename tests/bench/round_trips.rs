//! Round trips from the first packet to the first reply of the service, over a relay that makes
//! it seem far away: `cargo bench -p dps-tests --bench round_trips`. Fails when one is over its
//! limit.
// A measurement may stop where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dps_client::{Progress, Status, TlsVersion, TlsVersions, Transport};
use dps_tests::{DelayingRelay, Fleet, Proof};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Long against everything that is not waiting for the network.
const ROUND_TRIP: Duration = Duration::from_millis(200);

/// The most that a transport may take (docs/architecture.md), one after the other: TCP, TLS 1.3,
/// the upgrade to a WebSocket, and the protocol.
fn limit(transport: Transport) -> usize {
    match transport {
        Transport::Mqtt | Transport::Http => 3,
        Transport::Amqp | Transport::MqttWs => 4,
        Transport::AmqpWs => 5,
        other => panic!("{other} has no limit"),
    }
}

fn measure(fleet: &Fleet, transport: Transport, proof: Proof, conservative: bool) -> f64 {
    let target = fleet.endpoint(transport).to_string().parse().unwrap();
    let relay = DelayingRelay::start(target, ROUND_TRIP);
    let mut client = fleet
        .device(transport, proof, "measured")
        .endpoint(relay.address().to_string().parse().unwrap())
        .tls_versions(TlsVersions::only(TlsVersion::V1_3))
        .conservative(conservative)
        .build()
        .unwrap();
    let started = Instant::now();
    client.start().unwrap();
    loop {
        match client.poll() {
            Progress::Status(Status::Assigning) => break,
            Progress::Finished(result) => panic!("{transport}: {result:?}"),
            Progress::Pending => client.wait(Duration::from_secs(10)),
            _ => {}
        }
    }
    started.elapsed().as_secs_f64() / ROUND_TRIP.as_secs_f64()
}

fn main() -> ExitCode {
    let fleet = Fleet::start();
    let mut exceeded = 0;
    println!("Round trips, connect to first reply, TLS 1.3 (a round trip is {ROUND_TRIP:?})");
    println!(
        "{:<9} {:>6} {:>10} {:>7} {:>13}",
        "transport", "limit", "key", "X.509", "step by step"
    );
    for transport in Transport::ALL {
        let limit = limit(transport);
        let key = measure(&fleet, transport, Proof::KeyGroup, false);
        let x509 = measure(&fleet, transport, Proof::X509Group, false);
        let careful = measure(&fleet, transport, Proof::KeyGroup, true);
        let over = [key, x509].iter().any(|measured| measured.round() > limit as f64);
        exceeded += usize::from(over);
        println!(
            "{:<9} {limit:>6} {key:>10.2} {x509:>7.2} {careful:>13.2}{}",
            transport.as_str(),
            if over { "  OVER THE LIMIT" } else { "" }
        );
    }
    if exceeded == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
