//! Devices whose proof is in a TPM register with the local service, over real TLS and TCP.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{Assignment, Error, Hsm, Stage, TlsVersion, TlsVersions, Transport};
use dps_core::RegistrationId;
use dps_emulator::{AttestationConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig};
use dps_hsm_tpm::{Tpm, TpmHsm, TpmSigningKey};
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, Fleet, Swtpm};
use std::sync::Arc;
use std::time::Duration;

/// MQTT has no way for a TPM's challenge.
const TRANSPORTS: [Transport; 3] = [Transport::Http, Transport::Amqp, Transport::AmqpWs];

fn tpm(swtpm: &Swtpm) -> Tpm {
    Tpm::new(swtpm.tcti().parse().unwrap())
}

/// A service that knows this TPM.
fn fleet_for(hsm: &mut TpmHsm) -> Fleet {
    let keys = hsm.keys().unwrap();
    Fleet::start_with(|config| {
        config.assignment_delay = Duration::from_millis(100);
        let mut enrollment = IndividualEnrollmentConfig::new(keys.registration_id());
        enrollment.attestation = AttestationConfig::with_endorsement_key(keys.endorsement_key());
        config.enrollments.push(enrollment);
    })
}

fn register(fleet: &Fleet, transport: Transport, hsm: &TpmHsm) -> Result<Assignment, Error> {
    fleet.client(transport, hsm.clone()).build().unwrap().register()
}

/// That the TPM signs as the hub expects of the device.
fn assert_has_hub_key(fleet: &Fleet, hsm: &mut TpmHsm) {
    let id = hsm.registration_id().unwrap().unwrap();
    let records = fleet.emulator.registrations();
    let record = records.iter().find(|record| record.registration_id == id).unwrap();
    let key = record.hub_key.as_ref().expect("a key for the hub");
    assert_eq!(*hsm.sign(b"hub\n1").unwrap().as_bytes(), key.hmac_sha256(b"hub\n1"));
}

#[test]
fn a_tpm_registers_over_every_transport_that_can_and_ends_with_the_hubs_key() {
    let mut swtpm = Swtpm::start();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    let fleet = fleet_for(&mut hsm);
    let keys = hsm.keys().unwrap();
    for transport in TRANSPORTS {
        let assignment = register(&fleet, transport, &hsm).unwrap();
        assert_eq!(assignment.hub, "contoso-hub.localhost", "{transport}");
        assert_eq!(assignment.device_id, keys.registration_id().as_str(), "{transport}");
        assert_has_hub_key(&fleet, &mut hsm);
    }
    // The same TPM after a power cut: same keys, same device, and the hub's key is still there.
    swtpm.restart();
    assert_has_hub_key(&fleet, &mut hsm);
    register(&fleet, Transport::Http, &hsm).unwrap();
    assert_has_hub_key(&fleet, &mut hsm);
    assert_eq!(hsm.keys().unwrap(), keys);
}

#[test]
fn an_application_may_name_the_device_otherwise() {
    let swtpm = Swtpm::start();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    let id = RegistrationId::new("pump-7").unwrap();
    let keys = hsm.keys().unwrap();
    let fleet = Fleet::start_with(|config| {
        let mut enrollment = IndividualEnrollmentConfig::new(id.clone());
        enrollment.attestation = AttestationConfig::with_endorsement_key(keys.endorsement_key());
        config.enrollments.push(enrollment);
    });
    let mut client =
        fleet.client(Transport::Amqp, hsm.clone()).registration_id(id).build().unwrap();
    assert_eq!(client.register().unwrap().device_id, "pump-7");
}

#[test]
fn another_tpm_is_refused() {
    let (swtpm, other) = (Swtpm::start(), Swtpm::start());
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    let fleet = fleet_for(&mut hsm);
    let id = hsm.keys().unwrap().registration_id();
    let impostor = TpmHsm::open(tpm(&other)).unwrap();
    for transport in TRANSPORTS {
        let builder = fleet.client(transport, impostor.clone()).registration_id(id.clone());
        let error = builder.build().unwrap().register().unwrap_err();
        assert!(!error.is_transient(), "{transport}: {error}");
    }
}

#[test]
fn a_tpm_that_goes_away_ends_the_registration_with_its_reason() {
    let mut swtpm = Swtpm::start();
    let mut hsm = TpmHsm::open(tpm(&swtpm)).unwrap();
    let fleet = fleet_for(&mut hsm);
    let mut client = fleet.client(Transport::Http, hsm).build().unwrap();
    swtpm.stop();
    let error = client.register().unwrap_err();
    assert_eq!(error.stage(), Stage::Hsm);
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[test]
fn a_certificate_whose_key_is_in_the_tpm_opens_every_transport() {
    let swtpm = Swtpm::start();
    let root = Authority::root("TPM root");
    let fleet = Fleet::start_with(|config| {
        let mut group = EnrollmentGroupConfig::new("tpm-group");
        group.attestation = AttestationConfig::with_signing_certificate(root.pem());
        config.enrollment_groups.push(group);
    });
    let handle = 0x8100_0200;
    let made = TpmSigningKey::create(tpm(&swtpm), handle).unwrap();
    let certificate = root.certify("tpm-device", made.public_point());
    for transport in Transport::ALL {
        for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
            let key = TpmSigningKey::at(tpm(&swtpm), handle).unwrap();
            let hsm = X509Hsm::from_pem_with_key(certificate.as_bytes(), |_| Arc::new(key));
            let mut client = fleet
                .client(transport, hsm.unwrap())
                .tls_versions(TlsVersions::new(version, version).unwrap())
                .build()
                .unwrap();
            let assignment = client.register().unwrap();
            assert_eq!(assignment.device_id, "tpm-device", "{transport} {version:?}");
        }
    }
    // With another key than the certificate's, the handshake fails.
    let other = TpmSigningKey::create(tpm(&swtpm), handle + 1).unwrap();
    let hsm = X509Hsm::from_pem_with_key(certificate.as_bytes(), |_| Arc::new(other)).unwrap();
    assert!(fleet.client(Transport::Mqtt, hsm).build().unwrap().register().is_err());
}
