//! Every transport with every proof, directly and through a proxy, in each version of TLS: each
//! cell is one registration over real sockets against the local service.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{Error, Proxy, TlsVersion, TlsVersions, Transport};
use dps_tests::{Fleet, Proof, RunningProxy};
use std::sync::Mutex;
use std::thread;

/// Registrations at a time: most of a cell is waiting for the service's retry-after.
const WORKERS: usize = 10;

#[derive(Clone, Copy, Debug)]
struct Cell {
    transport: Transport,
    proof: Proof,
    proxy: bool,
    version: TlsVersion,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for transport in Transport::ALL {
        for proof in Proof::ALL {
            for proxy in [false, true] {
                for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
                    cells.push(Cell { transport, proof, proxy, version });
                }
            }
        }
    }
    cells
}

fn register(fleet: &Fleet, proxy: &Proxy, number: usize, cell: Cell) -> Result<(), Error> {
    let name = match cell.proof {
        Proof::KeyIndividual => "key-device".to_owned(),
        Proof::X509Individual => "x509-device".to_owned(),
        Proof::KeyGroup | Proof::X509Group => format!("device-{number}"),
    };
    let assignment = fleet
        .device(cell.transport, cell.proof, &name)
        .proxy(cell.proxy.then(|| proxy.clone()))
        .tls_versions(TlsVersions::only(cell.version))
        .build()?
        .register()?;
    assert_eq!(assignment.device_id, name, "{cell:?}");
    assert_eq!(assignment.hub, "contoso-hub.localhost", "{cell:?}");
    assert_eq!(assignment.enrollment_group_id.as_deref(), cell.proof.group(), "{cell:?}");
    Ok(())
}

#[test]
fn every_cell_registers() {
    let fleet = Fleet::start();
    let running = RunningProxy::start(Some(("operator", "s3cret")));
    let address = running.address();
    let proxy = Proxy::http(address.ip().to_string(), address.port()).unwrap();
    let proxy = proxy.basic_auth("operator", "s3cret").unwrap();
    let all = cells();
    let left = Mutex::new(all.iter().copied().enumerate());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some((number, cell)) = left.lock().unwrap().next() else { return };
                    if let Err(error) = register(&fleet, &proxy, number, cell) {
                        failed.lock().unwrap().push(format!("{cell:?}: {error}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), all.len(), failed.join("\n"));
    assert_eq!(all.len(), 80);
    // The proxy has seen its half, and the service has a record of each group's device.
    assert_eq!(running.tunnels(), 40);
    let records = fleet.emulator.registrations();
    assert_eq!(records.len(), 2 + 40);
}
