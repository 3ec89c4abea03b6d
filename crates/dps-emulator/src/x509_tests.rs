use super::*;
use crate::{
    AttestationConfig, Connection as _, Credentials, DeviceIdentity, EmulatorConfig,
    EnrollmentGroupConfig, EnrollmentRef, MqttConnection, Random, Service,
};
use dps_core::RegistrationId;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Login, Packet};
use serde_json::Value;
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
