//! Devices with certificates, over real TLS and TCP against the local service.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Assignment, Attestation, ClientIdentity, Endpoint, Error, ErrorKind, Hsm, HsmError, IdScope,
    Now, Policy, ProvisioningClient, RegistrationId, Stage, TlsVersion, TlsVersions, TrustAnchors,
};
use dps_emulator::{
    AttestationConfig, Emulator, EmulatorConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig,
};
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, KeyKind, self_signed};
use std::thread;
use std::time::Duration;

const KINDS: [KeyKind; 3] = [KeyKind::Rsa, KeyKind::P256, KeyKind::P384];
const VERSIONS: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];

fn individual(id: &str, pem: &str) -> IndividualEnrollmentConfig {
    let mut config = IndividualEnrollmentConfig::new(RegistrationId::new(id).unwrap());
    config.attestation = AttestationConfig::with_client_certificate(pem);
    config
}

fn group(id: &str, pem: &str) -> EnrollmentGroupConfig {
    let mut config = EnrollmentGroupConfig::new(id);
    config.attestation = AttestationConfig::with_signing_certificate(pem);
    config
}

fn emulator(
    enrollments: Vec<IndividualEnrollmentConfig>,
    groups: Vec<EnrollmentGroupConfig>,
) -> Emulator {
    let mut config = EmulatorConfig::default();
    config.mqtt_port = 0;
    config.retry_after_seconds = 1;
    config.assignment_delay = Duration::ZERO;
    config.enrollments = enrollments;
    config.enrollment_groups = groups;
    Emulator::start(config).unwrap()
}

fn client(
    emulator: &Emulator,
    hsm: impl Hsm + 'static,
    id: Option<&str>,
    versions: TlsVersions,
) -> ProvisioningClient {
    let mut builder = ProvisioningClient::builder()
        .endpoint(Endpoint::parse(&emulator.mqtt_address().to_string()).unwrap())
        .id_scope(IdScope::new(emulator.id_scope()).unwrap())
        .hsm(hsm)
        .trust_anchors(TrustAnchors::pem(emulator.ca_pem()))
        .tls_versions(versions)
        .policy(Policy { deadline: Some(Duration::from_secs(20)), ..Policy::default() });
    if let Some(id) = id {
        builder = builder.registration_id(RegistrationId::new(id).unwrap());
    }
    builder.build().unwrap()
}

fn hsm(chain: &str, key: KeyKind) -> X509Hsm {
    X509Hsm::from_pem(chain.as_bytes(), key.pem().as_bytes()).unwrap()
}

fn register(emulator: &Emulator, chain: &str, key: KeyKind) -> Result<Assignment, Error> {
    client(emulator, hsm(chain, key), None, TlsVersions::default()).register()
}

/// Registers with the chain in each version of TLS, at the same time.
fn registers(emulator: &Emulator, chain: &str, key: KeyKind) -> Assignment {
    let register = |version| {
        client(emulator, hsm(chain, key), None, TlsVersions::only(version))
            .register()
            .unwrap_or_else(|error| panic!("{key:?}, {version:?}: {error}"))
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| register(TlsVersion::V1_2));
        let assignment = register(TlsVersion::V1_3);
        assert_eq!(other.join().unwrap().device_id, assignment.device_id);
        assignment
    })
}

/// Checks that the service answers the register request with "Invalid certificate.".
#[track_caller]
fn assert_invalid_certificate(error: &Error) {
    assert_eq!(
        (error.stage(), error.kind()),
        (Stage::Register, &ErrorKind::Service { status: 401 })
    );
    let service = error.service().unwrap();
    assert_eq!(service.error_code, Some(401_002), "{error}");
    assert_eq!(service.message.as_deref(), Some("Invalid certificate."));
    assert!(!error.is_transient());
    assert!(error.hint().contains("chain"), "{}", error.hint());
}

#[test]
fn an_enrolled_certificate_registers_its_device() {
    for key in KINDS {
        let certificate = self_signed("Device-1", key);
        let emulator = emulator(vec![individual("device-1", &certificate)], Vec::new());
        let assignment = registers(&emulator, &certificate, key);
        assert_eq!(assignment.device_id, "device-1", "as enrolled: case does not matter");
        assert_eq!(assignment.enrollment_group_id, None);
        let records = emulator.registrations();
        let info = records[0].x509.as_ref().unwrap().certificate_info.as_ref().unwrap();
        assert_eq!(info.subject_name, "CN=Device-1");
        assert_eq!((info.sha1_thumbprint.len(), info.sha256_thumbprint.len()), (40, 64));
        assert_eq!(info.not_before_utc, "2020-01-01T00:00:00Z");
        assert_eq!(info.version, 3);
    }
}

#[test]
fn a_group_takes_devices_that_its_root_or_intermediate_leads_to() {
    let root = Authority::root("root");
    let factory = root.intermediate("factory");
    let line = factory.intermediate("line");
    for (enrolled, issuer, others) in [
        // The root itself; through two intermediates; an intermediate above another.
        (&root, &root, String::new()),
        (&root, &line, line.pem() + &factory.pem()),
        (&factory, &line, line.pem()),
        // Sending more than is needed does no harm.
        (&factory, &line, line.pem() + &factory.pem() + &root.pem()),
    ] {
        let emulator = emulator(Vec::new(), vec![group("fleet", &enrolled.pem())]);
        thread::scope(|scope| {
            for key in KINDS {
                let chain = issuer.device("sn-7", key) + &others;
                let emulator = &emulator;
                scope.spawn(move || {
                    let assignment = registers(emulator, &chain, key);
                    assert_eq!(assignment.device_id, "sn-7");
                    assert_eq!(assignment.enrollment_group_id.as_deref(), Some("fleet"));
                });
            }
        });
    }
}

#[test]
fn the_group_with_the_nearest_signing_certificate_is_taken() {
    let root = Authority::root("root");
    let factory = root.intermediate("factory");
    let groups = vec![group("all", &root.pem()), group("factory-7", &factory.pem())];
    let emulator = emulator(Vec::new(), groups);
    let chain = factory.device("sn-7", KeyKind::P256) + &factory.pem();
    let assignment = register(&emulator, &chain, KeyKind::P256).unwrap();
    assert_eq!(assignment.enrollment_group_id.as_deref(), Some("factory-7"));
}

#[test]
fn certificates_that_are_not_good_are_refused_as_the_service_does() {
    let (root, stranger) = (Authority::root("root"), Authority::root("root"));
    let factory = root.intermediate("factory");
    let key = KeyKind::P256;
    let enrolled = self_signed("single", key);
    let emulator =
        emulator(vec![individual("single", &enrolled)], vec![group("fleet", &root.pem())]);
    for (what, chain) in [
        ("another authority of the same name", stranger.device("sn-7", key)),
        ("nobody's", self_signed("sn-7", key)),
        ("the intermediate is missing", factory.device("sn-7", key)),
        ("a good one, but another is enrolled", root.device("single", key)),
    ] {
        let error = register(&emulator, &chain, key).expect_err(what);
        assert_invalid_certificate(&error);
        // What the service may miss has its name; a certificate that issued itself needs none.
        let detail = error.detail().unwrap_or_default();
        assert_eq!(detail.contains("\"CN=factory\""), what.contains("missing"), "{detail}");
        assert_eq!(detail.is_empty(), what == "nobody's", "{detail}");
    }
    // The common name must be the registration id.
    let good = hsm(&root.device("sn-7", key), key);
    let error = client(&emulator, good, Some("sn-8"), TlsVersions::default()).register();
    assert_invalid_certificate(&error.unwrap_err());
    assert!(emulator.registrations().is_empty());
}

#[test]
fn an_expired_certificate_stays_at_home() {
    let root = Authority::root("root");
    let emulator = emulator(Vec::new(), vec![group("fleet", &root.pem())]);
    let chain = root.expired_device("sn-7", KeyKind::P256);
    let error = register(&emulator, &chain, KeyKind::P256).unwrap_err();
    assert_eq!((error.stage(), error.kind()), (Stage::Hsm, &ErrorKind::Hsm));
    assert!(error.to_string().contains("expired on Jan  1 00:00:00 2021"), "{error}");
}

/// A device whose clock stands still before the expiry of its certificate.
struct Unaware(X509Hsm);

impl Hsm for Unaware {
    fn attestation(&self) -> Attestation {
        Attestation::X509
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        self.0.registration_id()
    }

    fn client_identity(&mut self, now: Now) -> Result<ClientIdentity, HsmError> {
        self.0.client_identity(Now::new(now.at, 1_590_000_000))
    }
}

#[test]
fn the_service_refuses_an_expired_certificate_itself() {
    let root = Authority::root("root");
    let emulator = emulator(Vec::new(), vec![group("fleet", &root.pem())]);
    let chain = root.expired_device("sn-7", KeyKind::P256);
    let device = Unaware(hsm(&chain, KeyKind::P256));
    let error = client(&emulator, device, None, TlsVersions::default()).register().unwrap_err();
    assert_invalid_certificate(&error);
}

/// Presents one device's certificate and signs with another's key.
struct Thief {
    certificate: X509Hsm,
    key: X509Hsm,
}

impl Hsm for Thief {
    fn attestation(&self) -> Attestation {
        Attestation::X509
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        self.certificate.registration_id()
    }

    fn client_identity(&mut self, now: Now) -> Result<ClientIdentity, HsmError> {
        let chain = self.certificate.client_identity(now)?.chain().to_vec();
        Ok(ClientIdentity::new(chain, self.key.client_identity(now)?.key().clone()))
    }
}

#[test]
fn a_certificate_without_its_key_does_not_pass_the_handshake() {
    let other_key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::default().self_signed(&other_key).unwrap().pem();
    let certificate = self_signed("single", KeyKind::P256);
    let emulator = emulator(vec![individual("single", &certificate)], Vec::new());
    for version in VERSIONS {
        let thief = Thief {
            certificate: hsm(&certificate, KeyKind::P256),
            key: X509Hsm::from_pem(other.as_bytes(), other_key.serialize_pem().as_bytes()).unwrap(),
        };
        let mut client = client(&emulator, thief, None, TlsVersions::only(version));
        let error = client.register().unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::ClientCertificate, "{version:?}: {error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn the_async_driver_presents_the_certificate_too() {
    let root = Authority::root("root");
    let emulator = emulator(Vec::new(), vec![group("fleet", &root.pem())]);
    let device = hsm(&root.device("sn-7", KeyKind::Rsa), KeyKind::Rsa);
    let mut client = client(&emulator, device, None, TlsVersions::default());
    assert_eq!(client.register_async().await.unwrap().device_id, "sn-7");
}

#[test]
fn a_disabled_group_says_so_and_a_key_device_is_not_an_x509_device() {
    let root = Authority::root("root");
    let mut shut = group("fleet", &root.pem());
    shut.provisioning_status = dps_emulator::ProvisioningStatus::Disabled;
    let keyed = IndividualEnrollmentConfig::new(RegistrationId::new("keyed").unwrap());
    let emulator = emulator(vec![keyed], vec![shut]);
    let key = KeyKind::P256;
    let error = register(&emulator, &root.device("sn-7", key), key).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Disabled);
    let error = register(&emulator, &root.device("keyed", key), key).unwrap_err();
    assert_invalid_certificate(&error);
}
