use super::*;
use crate::{
    AttestationConfig, Connection as _, Credentials, DeviceIdentity, EmulatorConfig,
    EnrollmentGroupConfig, EnrollmentRef, IndividualEnrollmentConfig, MqttConnection, Random,
    Service,
};
use dps_core::RegistrationId;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Login, Packet};
use serde_json::Value;
use std::slice;
use std::sync::Arc;

const YEAR: Duration = Duration::from_secs(31_536_000);
/// 2030-06-01.
const MIDDAY: Duration = Duration::from_secs(1_906_545_600);

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2030, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    params
}

fn root() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params("root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn device(root: &CertifiedIssuer<'static, KeyPair>, mut params: CertificateParams) -> Vec<Vec<u8>> {
    params.serial_number = Some(vec![0x0a, 0x0b].into());
    vec![params.signed_by(&KeyPair::generate().unwrap(), root).unwrap().der().to_vec()]
}

fn service(root: &CertifiedIssuer<'static, KeyPair>) -> Service {
    let mut group = EnrollmentGroupConfig::new("fleet");
    group.attestation = AttestationConfig::with_signing_certificate(root.pem());
    let config = EmulatorConfig {
        assignment_delay: Duration::ZERO,
        enrollment_groups: vec![group],
        ..EmulatorConfig::default()
    };
    Service::new(&config, Random::from_seed([1; 32])).unwrap()
}

/// The poll reply's body, or the register reply's when that is an error.
fn register(service: &Service, chain: Vec<Vec<u8>>, now: Duration) -> (u16, Value) {
    let identity = DeviceIdentity::new(service.id_scope(), RegistrationId::new("Dev1").unwrap());
    let credentials = Credentials::Certificates(chain);
    assert!(service.admits(&identity, &credentials, now), "refused at register, not before");
    let reply = service.register(&identity, &credentials, b"", now);
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    match body["operationId"].as_str() {
        Some(id) => {
            let reply = service.poll(&identity, &credentials, id, now);
            (reply.status, serde_json::from_str(&reply.body).unwrap())
        }
        None => (reply.status, body),
    }
}

#[test]
fn the_result_tells_of_the_certificates_and_the_group() {
    let root = root();
    let service = service(&root);
    let (status, body) = register(&service, device(&root, params("dev1")), MIDDAY);
    assert_eq!(status, 200);
    let state = &body["registrationState"];
    assert_eq!(state["status"], "assigned");
    assert!(state.get("symmetricKey").is_none(), "{state}");
    assert_eq!(state["x509"]["enrollmentGroupId"], "fleet");
    let info = &state["x509"]["certificateInfo"];
    // The Java client demands all eight (`wire-protocol.md` section 6.2).
    assert_eq!(info.as_object().unwrap().len(), 8, "{info}");
    assert_eq!(info["subjectName"], "CN=dev1");
    assert_eq!(info["issuerName"], "CN=root");
    assert_eq!(info["notBeforeUtc"], "2030-01-01T00:00:00Z");
    assert_eq!(info["notAfterUtc"], "2031-01-01T00:00:00Z");
    assert_eq!(info["serialNumber"], "0A0B");
    assert_eq!(info["version"], 3);
    assert_eq!(state["x509"]["signingCertificateInfo"]["subjectName"], "CN=root");
    let record = &service.registrations(MIDDAY)[0];
    assert_eq!(record.enrollment, EnrollmentRef::Group("fleet".into()));
}

#[test]
fn each_fault_is_401002_and_has_words_for_the_log() {
    let root = root();
    let good = device(&root, params("dev1"));
    let service = service(&root);
    for (chain, now) in [
        (good.clone(), MIDDAY + YEAR),
        (good.clone(), MIDDAY - YEAR),
        (device(&root, params("dev2")), MIDDAY),
        (device(&self::root(), params("dev1")), MIDDAY),
        (vec![vec![1, 2, 3]], MIDDAY),
    ] {
        let (status, body) = register(&service, chain, now);
        assert_eq!((status, body["errorCode"].as_u64()), (401, Some(401_002)));
        assert_eq!(body["message"], "Invalid certificate.");
    }
    let words = |chain: &[Vec<u8>], id: &str, now| {
        PresentedChain::parse(chain)
            .and_then(|chain| chain.verify_leaf(id, now))
            .unwrap_err()
            .to_string()
    };
    assert!(words(&good, "dev1", MIDDAY + YEAR).contains("to 2031-01-01T00:00:00Z"));
    assert!(words(&good, "dev2", MIDDAY).contains("common name \"dev1\""));
    assert!(words(&[vec![1]], "d", MIDDAY).contains("cannot be read"));
}

#[test]
fn an_expired_signing_certificate_lets_nobody_in() {
    let root = root();
    let mut young = params("dev1");
    young.not_after = date_time_ymd(2040, 1, 1);
    let chain = device(&root, young);
    let (status, _) = register(&service(&root), chain.clone(), MIDDAY);
    assert_eq!(status, 200);
    let (status, body) = register(&service(&root), chain, MIDDAY + YEAR);
    assert_eq!((status, body["errorCode"].as_u64()), (401, Some(401_002)));
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    params
}

fn below(issuer: &Authority, params: CertificateParams) -> Authority {
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

/// The device's certificate, issued by the last, and all of them behind it.
fn chain(authorities: &[&Authority]) -> Vec<Vec<u8>> {
    let mut chain = device(authorities.last().unwrap(), params("dev1"));
    chain.extend(authorities.iter().rev().map(|authority| authority.der().to_vec()));
    chain
}

/// Why the chain does not lead to the signer; "" when it does.
fn objection(chain: &[Vec<u8>], signer: &Authority) -> String {
    let signer = Certificate::from_der(signer.der()).unwrap();
    let parsed = PresentedChain::parse(chain).unwrap();
    parsed.distance_to(&signer, MIDDAY).err().map_or_else(String::new, |error| error.to_string())
}

#[test]
fn what_stands_between_must_be_authorities_that_may_sign() {
    let root = root();
    let line = below(&root, authority("line", |_| ()));
    let cell = below(&line, authority("cell", |_| ()));
    assert_eq!(objection(&chain(&[&line, &cell]), &root), "");
    let signing = below(
        &root,
        authority("line", |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }),
    );
    assert_eq!(objection(&chain(&[&signing]), &root), "");

    // The certificate of another device, which has signed this one's.
    let peer = below(&root, params("dev2"));
    let marked = below(&root, authority("dev2", |params| params.is_ca = IsCa::ExplicitNoCa));
    let limited = below(
        &root,
        authority("line", |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
    );
    for (unfit, words) in
        [(&peer, "EndEntityUsedAsCa"), (&marked, "EndEntityUsedAsCa"), (&limited, "keyCertSign")]
    {
        let chain = chain(&[unfit]);
        let words_given = objection(&chain, &root);
        assert!(words_given.contains(words), "{words}: {words_given}");
        let (status, body) = register(&service(&root), chain, MIDDAY);
        assert_eq!((status, body["errorCode"].as_u64()), (401, Some(401_002)));
    }
}

#[test]
fn path_lengths_hold_for_the_signing_certificate_and_those_below() {
    let constrained = |length| {
        move |params: &mut CertificateParams| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        }
    };
    let key = || KeyPair::generate().unwrap();
    for (length, fits) in [(0, false), (1, true)] {
        let root = CertifiedIssuer::self_signed(authority("root", constrained(length)), key());
        let root = root.unwrap();
        assert_eq!(objection(&chain(&[&root]), &root), "");
        let line = below(&root, authority("line", |_| ()));
        let words = objection(&chain(&[&line]), &root);
        assert_eq!(words.is_empty(), fits, "{words}");
        assert_eq!(words.contains("allows 0 authorities below it, not 1"), !fits, "{words}");
        let (status, _) = register(&service(&root), chain(&[&line]), MIDDAY);
        assert_eq!(status == 200, fits);
    }
    let root = root();
    let line = below(&root, authority("line", constrained(0)));
    assert_eq!(objection(&chain(&[&line]), &root), "");
    let cell = below(&line, authority("cell", |_| ()));
    let words = objection(&chain(&[&line, &cell]), &root);
    assert!(words.contains("PathLenConstraintViolated"), "{words}");
    // The nearer signing certificate is all that counts when that one is enrolled.
    assert_eq!(objection(&chain(&[&line, &cell]), &cell), "");
}

#[test]
fn a_device_certificate_with_purposes_must_have_that_of_a_client() {
    let root = root();
    let with = |purposes: &[ExtendedKeyUsagePurpose]| {
        let mut params = params("dev1");
        params.extended_key_usages = purposes.to_vec();
        device(&root, params)
    };
    let (client, server) =
        (ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth);
    let service = service(&root);
    for chain in [with(&[]), with(slice::from_ref(&client)), with(&[server.clone(), client])] {
        assert_eq!(register(&service, chain, MIDDAY).0, 200);
    }
    let wrong = with(&[server]);
    assert_eq!(register(&service, wrong.clone(), MIDDAY).0, 401);
    let words = PresentedChain::parse(&wrong).unwrap().verify_leaf("dev1", MIDDAY).unwrap_err();
    assert!(words.to_string().contains("lacks clientAuth"), "{words}");
}

#[test]
fn a_signing_certificate_must_be_an_authority_s_and_a_device_s_need_not() {
    let root = root();
    let no_authority = below(&root, params("dev1"));
    let no_signer = below(
        &root,
        authority("line", |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
    );
    for (certificate, words) in [
        (&no_authority, "fleet: signingCertificates: it is not a certificate authority's"),
        (&no_signer, "fleet: signingCertificates: it may not sign certificates"),
    ] {
        let mut group = EnrollmentGroupConfig::new("fleet");
        group.attestation = AttestationConfig::with_signing_certificate(certificate.pem());
        let config = EmulatorConfig { enrollment_groups: vec![group], ..EmulatorConfig::default() };
        let error = Service::new(&config, Random::from_seed([1; 32])).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    let id = RegistrationId::new("dev1").unwrap();
    let mut enrollment = IndividualEnrollmentConfig::new(id);
    enrollment.attestation = AttestationConfig::with_client_certificate(no_authority.pem());
    let config = EmulatorConfig {
        assignment_delay: Duration::ZERO,
        enrollments: vec![enrollment],
        ..EmulatorConfig::default()
    };
    let service = Service::new(&config, Random::from_seed([1; 32])).unwrap();
    assert_eq!(register(&service, vec![no_authority.der().to_vec()], MIDDAY).0, 200);
}

#[test]
fn a_certificate_is_read_as_pem_and_as_base64_of_pem_or_der() {
    let root = root();
    let pem = Certificate::from_text(&root.pem()).unwrap();
    for text in [STANDARD.encode(root.pem()), STANDARD.encode(root.der())] {
        assert_eq!(Certificate::from_text(&text).unwrap(), pem);
    }
    for text in ["", "AAAA", "no", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        assert!(Certificate::from_text(text).is_err(), "{text}");
    }
}

#[test]
fn the_mqtt_door_takes_the_certificate_for_the_password() {
    let root = root();
    let service = Arc::new(service(&root));
    let answer = |chain: Vec<Vec<u8>>, password: &str| {
        let mut connection =
            MqttConnection::new(service.clone(), MIDDAY).with_peer_certificates(chain);
        let mut connect = Connect::new("dev1");
        let username = "0ne00111111/registrations/dev1/api-version=2019-03-31";
        connect.login = Some(Login::new(username, password));
        let mut bytes = bytes::BytesMut::new();
        Packet::Connect(connect).write(&mut bytes, usize::MAX).unwrap();
        connection.receive(MIDDAY, &bytes);
        let mut answer = bytes::BytesMut::from(connection.transmit().as_slice());
        match Packet::read(&mut answer, usize::MAX).unwrap() {
            Packet::ConnAck(acknowledgement) => acknowledgement.code,
            other => panic!("{other:?}"),
        }
    };
    let chain = device(&root, params("dev1"));
    assert_eq!(answer(chain.clone(), ""), ConnectReturnCode::Success);
    assert_eq!(answer(Vec::new(), ""), ConnectReturnCode::NotAuthorized);
    // A token goes first; whether it is good shows at the register request.
    assert_eq!(answer(chain, "SharedAccessSignature sr=x"), ConnectReturnCode::Success);
}
