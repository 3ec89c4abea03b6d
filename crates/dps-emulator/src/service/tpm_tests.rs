//! Challenges and proofs. The test holds no TPM, so it looks up the nonce that a TPM would recover;
//! whole exchanges are in the end-to-end tests.

use super::*;
use crate::config::EmulatorConfig;
use serde_json::Value;

const SCOPE: &str = "0ne00111111";
const NOW: Duration = Duration::from_secs(1_790_000_000);
const SECOND: Duration = Duration::from_secs(1);

/// A key with this first byte of the modulus, of which there need be no private key.
fn public(attributes: u32, first: u8) -> Vec<u8> {
    let mut area = vec![0x00, 0x01, 0x00, 0x0b];
    area.extend_from_slice(&attributes.to_be_bytes());
    area.extend_from_slice(&[0, 0, 0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10]);
    area.extend_from_slice(&[0x08, 0x00, 0, 0, 0, 0, 0x01, 0x00]);
    area.push(first);
    area.extend([0x77; 255]);
    let mut bytes = u16::try_from(area.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(area);
    bytes
}

fn endorsement(first: u8) -> Vec<u8> {
    public(0x0003_00b2, first)
}

fn storage(first: u8) -> Vec<u8> {
    public(0x0003_0472, first)
}

fn service() -> Service {
    let key = STANDARD.encode(endorsement(0x81));
    let yaml = format!(
        "{{assignmentDelaySeconds: 0, enrollments: [{{registrationId: dev1, attestation: {{type: tpm, tpm: {{endorsementKey: {key}}}}}}}, {{registrationId: keyed}}], enrollmentGroups: [{{enrollmentGroupId: g}}]}}"
    );
    let config = EmulatorConfig::from_yaml(&yaml).unwrap();
    Service::new(&config, Random::from_seed([9; 32])).unwrap()
}

fn device(id: &str) -> DeviceIdentity {
    DeviceIdentity::new(SCOPE, RegistrationId::new(id).unwrap())
}

fn body(endorsement: &[u8], storage: &[u8]) -> Vec<u8> {
    let (endorsement, storage) = (STANDARD.encode(endorsement), STANDARD.encode(storage));
    format!(r#"{{"registrationId":"dev1","tpm":{{"endorsementKey":"{endorsement}","storageRootKey":"{storage}"}}}}"#)
        .into_bytes()
}

fn good_body() -> Vec<u8> {
    body(&endorsement(0x81), &storage(0x91))
}

fn token(key: &SymmetricKey, expiry: Duration) -> Credentials {
    let (sr, se) = (format!("{SCOPE}/registrations/dev1"), expiry.as_secs());
    let sig = STANDARD.encode(key.hmac_sha256(format!("{sr}\n{se}").as_bytes()));
    let sig = sig.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    Credentials::sas_token(format!("SharedAccessSignature sr={sr}&sig={sig}&se={se}"))
}

fn json(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

/// Asks without a proof, and gives the one that a TPM would make of the challenge.
fn challenged(service: &Service, body: &[u8], now: Duration) -> Credentials {
    let reply = service.register(&device("dev1"), &Credentials::None, body, now);
    let document = json(&reply);
    assert_eq!((reply.status, &document["keyName"]), (401, &Value::from("registration")));
    assert_eq!(document["unencryptedAuthenticationKey"], Value::Null);
    assert!(document["message"].as_str().unwrap().starts_with("Authorization required"));
    assert!(document.get("status").is_none() && document.get("errorCode").is_none());
    let blob = STANDARD.decode(document["authenticationKey"].as_str().unwrap()).unwrap();
    assert!((766 + 16..=950).contains(&blob.len()), "{}", blob.len());
    let mut state = service.state();
    let nonce = state.tpms.get(&device("dev1").registration_id).unwrap().nonces.last().unwrap();
    token(&nonce.key, now + 3600 * SECOND)
}

fn register(service: &Service, with: &Credentials, body: &[u8], now: Duration) -> (u16, Value) {
    let reply = service.register(&device("dev1"), with, body, now);
    (reply.status, json(&reply))
}

#[test]
fn a_proof_registers_with_or_without_the_keys_and_gives_the_hubs_key() {
    let service = service();
    let mut keys = Vec::new();
    for body in [good_body(), Vec::new(), b"{}".to_vec()] {
        let proof = challenged(&service, &good_body(), NOW);
        let (status, accepted) = register(&service, &proof, &body, NOW);
        assert_eq!(status, 202, "{accepted}");
        let id = accepted["operationId"].as_str().unwrap();
        let reply = service.poll(&device("dev1"), &proof, id, NOW + 10 * SECOND);
        let state = &json(&reply)["registrationState"];
        assert_eq!((reply.status, &state["deviceId"]), (200, &Value::from("dev1")));
        let blob = STANDARD.decode(state["tpm"]["authenticationKey"].as_str().unwrap()).unwrap();
        assert!(blob.starts_with(&[0x00, 0x34, 0x00, 0x20]));
        keys.push(service.registrations(NOW + SECOND)[0].hub_key.clone().unwrap().to_base64());
    }
    assert_eq!(keys[0].len(), 44, "32 bytes");
    assert!(keys.iter().all(|key| *key == keys[0]), "the device keeps its key");
}

#[test]
fn a_proof_is_good_once_and_then_challenged_again() {
    let service = service();
    let proof = challenged(&service, &good_body(), NOW);
    assert_eq!(register(&service, &proof, b"", NOW).0, 202);
    for body in [Vec::new(), good_body()] {
        let (status, again) = register(&service, &proof, &body, NOW);
        assert_eq!(status, 401);
        assert!(again["authenticationKey"].is_string(), "{again}");
    }
}

#[test]
fn a_nonce_lasts_five_minutes() {
    let service = service();
    for (age, expected) in [(299, 202), (300, 401)] {
        let proof = challenged(&service, &good_body(), NOW);
        assert_eq!(register(&service, &proof, b"", NOW + age * SECOND).0, expected, "{age} s");
    }
}

#[test]
fn a_wrong_key_is_no_proof() {
    let service = service();
    let early = token(&SymmetricKey::from_bytes(&[1; 32]).unwrap(), NOW + SECOND);
    assert_eq!(register(&service, &early, b"", NOW).1["errorCode"], 401_002);
    let _ = challenged(&service, &good_body(), NOW);
    let (status, document) = register(&service, &early, b"", NOW);
    assert_eq!((status, document["errorCode"].as_u64()), (401, Some(401_000)), "{document}");
    let poll = service.poll(&device("dev1"), &early, "4.a.b", NOW);
    assert_eq!(json(&poll)["errorCode"], 401_000);
}

#[test]
fn only_the_enrolled_tpm_is_challenged() {
    let service = service();
    let ask = |id, body: &[u8]| {
        let reply = service.register(&device(id), &Credentials::None, body, NOW);
        (reply.status, json(&reply)["errorCode"].as_u64().unwrap_or_default())
    };
    assert_eq!(ask("dev1", &body(&endorsement(0x82), &storage(0x91))), (401, 401_002));
    assert_eq!(ask("dev1", b""), (401, 401_002));
    let elsewhere =
        |id: &str| String::from_utf8(good_body()).unwrap().replace("dev1", id).into_bytes();
    assert_eq!(ask("unknown", &elsewhere("unknown")), (404, 404_201));
    assert_eq!(ask("keyed", &elsewhere("keyed")), (401, 401_002));
}

#[test]
fn keys_that_are_none_are_refused_with_400() {
    let service = service();
    let refused = |body: &[u8], word: &str| {
        let (status, document) = register(&service, &Credentials::None, body, NOW);
        assert_eq!((status, document["errorCode"].as_u64()), (400, Some(400_004)), "{document}");
        assert!(document["message"].as_str().unwrap().contains(word), "{document}");
    };
    let (good, other) = (endorsement(0x81), storage(0x91));
    for length in 0..good.len() {
        refused(&body(&good[..length], &other), "endorsementKey");
    }
    for length in 0..other.len() {
        refused(&body(&good, &other[..length]), "storageRootKey");
    }
    refused(br#"{"tpm":{"endorsementKey":"*"}}"#, "endorsementKey");
    refused(br#"{"tpm":{}}"#, "endorsementKey");
    refused(b"[]", "DeviceRegistration");
}

#[test]
fn over_sasl_the_same_rules_hold() {
    let service = service();
    let ask = |endorsement: &[u8], storage: &[u8]| {
        service.challenge_tpm(&device("dev1"), endorsement, storage, NOW)
    };
    assert_eq!(ask(&endorsement(0x82), &storage(0x91)), Err(Refusal::OtherEndorsementKey));
    assert!(matches!(ask(b"", &storage(0x91)), Err(Refusal::BadTpmKey("endorsementKey", _))));
    assert!(ask(&endorsement(0x81), &storage(0x91)).is_ok());
    let Credentials::SasToken(proof) = challenged(&service, &good_body(), NOW) else { panic!() };
    let proven = service.prove_tpm(&device("dev1"), &proof, NOW).unwrap();
    let again = service.prove_tpm(&device("dev1"), &proof, NOW);
    assert_eq!(again.unwrap_err(), SasError::Signature.into(), "once");
    assert_eq!(register(&service, &proven, b"", NOW).0, 202);
    let keyed = service.register(&device("keyed"), &proven, b"", NOW);
    assert_eq!(keyed.status, 401);
}

#[test]
fn a_challenge_that_somebody_else_asks_for_does_not_harm_the_device() {
    let service = service();
    let proof = challenged(&service, &good_body(), NOW);
    // Seven others know the endorsement key, which is public, but not the storage root key.
    for other in 0xa0..0xa7 {
        let _ = challenged(&service, &body(&endorsement(0x81), &storage(other)), NOW);
    }
    let (status, accepted) = register(&service, &proof, &good_body(), NOW);
    assert_eq!(status, 202, "{accepted}");
    let _ = challenged(&service, &body(&endorsement(0x81), &storage(0xb0)), NOW);
    let mut state = service.state();
    let tpm = state.tpms.get(&device("dev1").registration_id).unwrap();
    let proven = &tpm.accepted.as_ref().unwrap().keys.storage_root;
    assert_eq!(*proven, PublicKey::parse(&storage(0x91)).unwrap());
    drop(state);
    let id = accepted["operationId"].as_str().unwrap();
    let reply = service.poll(&device("dev1"), &proof, id, NOW + 10 * SECOND);
    assert_eq!(reply.status, 200);
}

#[test]
fn a_proof_of_a_forgotten_challenge_is_challenged_again_if_the_keys_are_shown() {
    let service = service();
    let proof = challenged(&service, &good_body(), NOW);
    for other in 0xa0..0xa8 {
        let _ = challenged(&service, &body(&endorsement(0x81), &storage(other)), NOW);
    }
    let (status, again) = register(&service, &proof, &good_body(), NOW);
    assert_eq!(status, 401);
    assert!(again["authenticationKey"].is_string(), "{again}");
    let (_, refused) = register(&service, &proof, b"", NOW);
    assert_eq!(refused["errorCode"], 401_000, "without keys there is nobody to challenge");
}

#[test]
fn the_proof_of_another_tpm_is_none() {
    let service = service();
    let other = Credentials::ProvenTpm(PublicKey::parse(&endorsement(0x82)).unwrap());
    assert_eq!(register(&service, &other, b"", NOW).1["errorCode"], 401_002);
}

#[test]
fn a_replaced_tpm_keeps_neither_its_proof_nor_its_hub_key() {
    let service = service();
    let Credentials::SasToken(proof) = challenged(&service, &good_body(), NOW) else { panic!() };
    let proven = service.prove_tpm(&device("dev1"), &proof, NOW).unwrap();
    assert_eq!(register(&service, &proven, b"", NOW).0, 202);
    assert!(service.registrations(NOW)[0].hub_key.is_some());
    let put = |first| {
        let body = serde_json::json!({
            "registrationId": "dev1",
            "attestation": {
                "type": "tpm",
                "tpm": {"endorsementKey": STANDARD.encode(endorsement(first))},
            },
        });
        let connection = service.connection_string("x.test");
        let (path, body) = ("/enrollments/dev1", body.to_string());
        let put = super::super::api::tests::call_as;
        let answer = put(&service, &connection, "PUT", path, Some("*"), &body);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    put(0x81);
    assert!(service.registrations(NOW)[0].hub_key.is_some(), "the same TPM");
    put(0x82);
    assert!(service.registrations(NOW)[0].hub_key.is_none());
    assert_eq!(register(&service, &proven, b"", NOW).1["errorCode"], 401_002);
}

#[test]
fn mqtt_has_no_way_for_a_tpm() {
    use crate::doors::Connection as _;
    use rumqttc::mqttbytes::v4::{Connect, Login, Packet};
    let service = std::sync::Arc::new(service());
    let Credentials::SasToken(proof) = challenged(&service, &good_body(), NOW) else { panic!() };
    let mut connect = Connect::new("dev1");
    let name = format!("{SCOPE}/registrations/dev1/api-version=2021-06-01&ClientVersion=1");
    connect.login = Some(Login::new(name, proof.as_str()));
    let mut bytes = bytes::BytesMut::new();
    Packet::Connect(connect).write(&mut bytes, usize::MAX).unwrap();
    let mut connection = crate::doors::mqtt::MqttConnection::new(service, NOW);
    connection.receive(NOW, &bytes);
    assert_eq!(connection.transmit(), [0x20, 2, 0, 5]);
    assert!(connection.is_closed());
}
