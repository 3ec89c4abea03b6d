//! Registered devices at the hub they were assigned to, over real TLS and TCP against the local
//! service.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::hub::{HubBuilder, HubClient, Incoming, Message};
use dps_client::{
    Assignment, CertificateProblem, Endpoint, ErrorKind, Hsm, Proxy, RegistrationId, Stage,
    SymmetricKey, Transport, TrustAnchors,
};
use dps_emulator::{AttestationConfig, Hub, IndividualEnrollmentConfig, Message as CloudMessage};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, ConnectProxy, Fleet, KeyKind, Proof, SoftwareTpm};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

const HUB: &str = "contoso-hub.localhost";
const TRANSPORTS: [Transport; 2] = [Transport::Mqtt, Transport::MqttWs];
fn address(fleet: &Fleet, transport: Transport) -> SocketAddr {
    match transport {
        Transport::Mqtt => fleet.emulator.mqtt_address(),
        _ => fleet.emulator.https_address(),
    }
}

const SECONDS_10: Duration = Duration::from_secs(10);

/// The hub's client of a device that was assigned, with any security module.
fn client(
    fleet: &Fleet,
    transport: Transport,
    assignment: &Assignment,
    hsm: impl Hsm + 'static,
) -> HubBuilder {
    HubClient::of(assignment)
        .transport(transport)
        // A name below localhost needs no resolver.
        .connect_to(Endpoint::parse(HUB).unwrap().at(fleet.endpoint(transport).port().unwrap()))
        .trust_anchors(TrustAnchors::pem(fleet.emulator.ca_pem()))
        .connect_timeout(SECONDS_10)
        .request_timeout(SECONDS_10)
        .hsm(hsm)
}

fn register(fleet: &Fleet, transport: Transport, proof: Proof, name: &str) -> Assignment {
    fleet.device(transport, proof, name).build().unwrap().register().unwrap()
}

fn derived(fleet: &Fleet, name: &str) -> SymmetricKeyHsm {
    SymmetricKeyHsm::new(RegistrationId::new(name).unwrap(), fleet.derived_key(name))
}

/// Everything that a hub and a device can do with each other here.
fn works(hub: &Hub, device: &str, mut client: HubClient) {
    hub.send(device, CloudMessage::new("early").with("color", "red")).unwrap();
    client.connect().unwrap();
    let message = Message::json(r#"{"temperature":21.5}"#).property("alert", "false");
    client.send(&message).unwrap();
    let kept = hub.telemetry(device).unwrap();
    assert_eq!((kept.len(), kept[0].body.as_slice()), (1, &br#"{"temperature":21.5}"#[..]));
    assert_eq!(kept[0].properties["$.ct"].as_deref(), Some("application/json"));
    assert_eq!(kept[0].properties["alert"].as_deref(), Some("false"));

    let twin = client.twin().unwrap();
    assert_eq!((twin.desired, twin.reported), (json!({"$version": 1}), json!({"$version": 1})));
    assert_eq!(client.report(r#"{"firmware":"1.0","old":null}"#).unwrap(), Some(2));
    assert_eq!(Value::Object(hub.twin(device).unwrap().reported), json!({"firmware": "1.0"}));
    let error = client.report("[]").unwrap_err();
    assert_eq!((error.stage(), error.kind()), (Stage::Hub, &ErrorKind::Service { status: 400 }));
    assert_eq!(client.twin().unwrap().reported, json!({"firmware": "1.0", "$version": 2}));

    let Some(Incoming::Message(early)) = client.receive(SECONDS_10).unwrap() else { panic!() };
    assert_eq!(
        (early.body.as_slice(), &early.properties["color"]),
        (&b"early"[..], &Some("red".into()))
    );
    // The device waits meanwhile: what is pushed must wake the connection on both sides.
    let pusher = thread::spawn({
        let (hub, device) = (hub.clone(), device.to_owned());
        move || {
            thread::sleep(Duration::from_millis(100));
            hub.update_desired(&device, &json!({"interval": 5})).unwrap();
        }
    });
    let Some(Incoming::Desired(update)) = client.receive(SECONDS_10).unwrap() else { panic!() };
    pusher.join().unwrap();
    assert_eq!(update.version, Some(2));
    assert_eq!(
        serde_json::from_str::<Value>(&update.patch).unwrap(),
        json!({"interval": 5, "$version": 2})
    );
    assert_eq!(client.receive(Duration::from_millis(1)).unwrap(), None);
    client.send(&Message::new(vec![7; 256 * 1024])).unwrap();
    assert!(hub.is_connected(device).unwrap());
    client.disconnect();
    // It may connect again, and the queue is empty: what came was acknowledged.
    client.connect().unwrap();
    assert_eq!(
        (client.receive(Duration::from_millis(50)).unwrap(), hub.waiting(device)),
        (None, Ok(0))
    );
}

#[test]
fn a_device_works_at_its_hub_with_every_proof_and_transport() {
    let root = Authority::root("root");
    let line = root.intermediate("line 7");
    let own = dps_tests::self_signed("own-certificate", KeyKind::Rsa);
    let fleet = Fleet::start_with(|config| {
        let mut one =
            IndividualEnrollmentConfig::new(RegistrationId::new("own-certificate").unwrap());
        one.attestation = AttestationConfig::with_client_certificate(own.as_str());
        one.device_id = Some("renamed".into());
        config.enrollments.push(one);
        let mut many = dps_emulator::EnrollmentGroupConfig::new("line");
        many.attestation = AttestationConfig::with_signing_certificate(root.pem());
        config.enrollment_groups.push(many);
    });
    let hub = fleet.emulator.hub(HUB).unwrap();
    let x509 = |chain: &str, kind: KeyKind| {
        X509Hsm::from_pem(chain.as_bytes(), kind.pem().as_bytes()).unwrap()
    };
    for transport in TRANSPORTS {
        let assignment = register(&fleet, transport, Proof::KeyIndividual, "key-device");
        works(
            &hub,
            "key-device",
            client(&fleet, transport, &assignment, fleet.key_device()).build().unwrap(),
        );

        let name = format!("Of:the.group-{transport}");
        let assignment = register(&fleet, transport, Proof::KeyGroup, &name);
        works(
            &hub,
            &name,
            client(&fleet, transport, &assignment, derived(&fleet, &name)).build().unwrap(),
        );

        let hsm = x509(&own, KeyKind::Rsa);
        let assignment = fleet.client(transport, hsm.clone()).build().unwrap().register().unwrap();
        works(&hub, "renamed", client(&fleet, transport, &assignment, hsm).build().unwrap());

        let name = format!("sn-{transport}");
        let hsm = x509(&(line.device(&name, KeyKind::P256) + &line.pem()), KeyKind::P256);
        let assignment = fleet.client(transport, hsm.clone()).build().unwrap().register().unwrap();
        works(&hub, &name, client(&fleet, transport, &assignment, hsm).build().unwrap());
        for device in ["key-device", "renamed"] {
            hub.remove(device);
        }
    }
}

#[test]
fn a_device_id_may_have_every_character_that_hubs_accept() {
    let own = dps_tests::self_signed("certified", KeyKind::P256);
    let ids = [("a%2F..(d)!$'*,=@:", "keyed"), ("?-.+%_#*?!(),:=@$'0aZ", "certified")];
    for swapped in [false, true] {
        let device = |name: &str| ids[usize::from((name == "keyed") == swapped)].0;
        let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
        let fleet = Fleet::start_with(|config| {
            for (name, attestation) in [
                ("keyed", AttestationConfig::with_keys(key.clone(), key.clone())),
                ("certified", AttestationConfig::with_client_certificate(own.as_str())),
            ] {
                let mut one = IndividualEnrollmentConfig::new(RegistrationId::new(name).unwrap());
                one.attestation = attestation;
                one.device_id = Some(device(name).to_owned());
                config.enrollments.push(one);
            }
        });
        let hub = fleet.emulator.hub(HUB).unwrap();
        let keyed = SymmetricKeyHsm::new(RegistrationId::new("keyed").unwrap(), key);
        let certified = X509Hsm::from_pem(own.as_bytes(), KeyKind::P256.pem().as_bytes()).unwrap();
        for transport in TRANSPORTS {
            let registered = fleet.client(transport, keyed.clone()).build().unwrap().register();
            let hub_client = client(&fleet, transport, &registered.unwrap(), keyed.clone());
            works(&hub, device("keyed"), hub_client.build().unwrap());
            let registered = fleet.client(transport, certified.clone()).build().unwrap().register();
            let hub_client = client(&fleet, transport, &registered.unwrap(), certified.clone());
            works(&hub, device("certified"), hub_client.build().unwrap());
            for (id, _) in ids {
                assert!(hub.remove(id));
            }
        }
    }
}

#[test]
fn a_device_with_a_tpm_works_at_its_hub_with_the_key_that_it_was_sent() {
    let tpm = SoftwareTpm::new(3);
    let fleet = Fleet::start_with(|config| {
        let mut own = IndividualEnrollmentConfig::new(tpm.id());
        own.attestation = AttestationConfig::with_endorsement_key(&tpm.keys().endorsement_key);
        own.device_id = Some("tpm-device".to_owned());
        config.enrollments.push(own);
    });
    let hub = fleet.emulator.hub(HUB).unwrap();
    for transport in TRANSPORTS {
        let mut provisioning = fleet.client(Transport::Http, tpm.clone()).build().unwrap();
        let assignment = provisioning.register().unwrap();
        works(
            &hub,
            "tpm-device",
            client(&fleet, transport, &assignment, tpm.clone()).build().unwrap(),
        );
        hub.remove("tpm-device");
    }
}

#[test]
fn a_hub_refuses_strangers_and_says_so_at_once() {
    let fleet = Fleet::start();
    let assignment = register(&fleet, Transport::Mqtt, Proof::KeyGroup, "d1");
    let certificate = Authority::root("root").device("d1", KeyKind::P256);
    let certificate =
        X509Hsm::from_pem(certificate.as_bytes(), KeyKind::P256.pem().as_bytes()).unwrap();
    let wrong_key = SymmetricKeyHsm::new(
        RegistrationId::new("d1").unwrap(),
        SymmetricKey::from_bytes(&[1; 32]).unwrap(),
    );
    let unknown = register(&fleet, Transport::Mqtt, Proof::KeyGroup, "gone");
    assert!(fleet.emulator.hub(HUB).unwrap().remove("gone"));
    for transport in TRANSPORTS {
        for builder in [
            client(&fleet, transport, &assignment, wrong_key.clone()),
            client(&fleet, transport, &assignment, certificate.clone()),
            client(&fleet, transport, &unknown, derived(&fleet, "gone")),
        ] {
            let error = builder.build().unwrap().connect().unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::ConnectRejected { code: 5 }, "{error}");
            assert_eq!(error.stage(), Stage::Hub);
            assert!(error.hint().contains("hub"), "{}", error.hint());
            assert!(!format!("{error:?}").contains("sig="));
        }
    }
}

#[test]
fn a_second_connection_takes_the_place_of_the_first() {
    let fleet = Fleet::start();
    let assignment = register(&fleet, Transport::Mqtt, Proof::KeyGroup, "twice");
    let open = |transport| {
        let mut client =
            client(&fleet, transport, &assignment, derived(&fleet, "twice")).build().unwrap();
        client.connect().unwrap();
        client
    };
    let mut first = open(Transport::Mqtt);
    let mut second = open(Transport::MqttWs);
    let error = first.receive(SECONDS_10).unwrap_err();
    assert_eq!((error.stage(), error.kind()), (Stage::Hub, &ErrorKind::ConnectionLost));
    assert!(error.hint().contains("taken its place"));
    let error = first.send(&Message::new("x")).unwrap_err();
    assert!(error.to_string().contains("not connected"), "{error}");
    second.send(&Message::new("y")).unwrap();
    assert_eq!(fleet.emulator.hub(HUB).unwrap().telemetry_count("twice"), Ok(1));
}

#[test]
fn a_hub_is_reached_through_a_proxy() {
    let fleet = Fleet::start();
    for transport in TRANSPORTS {
        let door = fleet.endpoint(transport);
        for (connect_to, target) in [
            (None, format!("{HUB}:{}", transport.default_port())),
            (Some(door.clone()), door.to_string()),
        ] {
            let proxy = ConnectProxy::start(address(&fleet, transport), Some("Basic dTpw"));
            let name = format!("behind-{transport}-{}", connect_to.is_some());
            let assignment = register(&fleet, Transport::Mqtt, Proof::KeyGroup, &name);
            let mut hub = client(&fleet, transport, &assignment, derived(&fleet, &name))
                .connect_to(connect_to)
                .proxy(Proxy::parse(&format!("http://u:p@{}", proxy.address())).unwrap())
                .build()
                .unwrap();
            hub.connect().unwrap();
            hub.send(&Message::new("x")).unwrap();
            assert_eq!(fleet.emulator.hub(HUB).unwrap().telemetry_count(&name), Ok(1));
            assert_eq!(proxy.requests(), [format!("CONNECT {target} HTTP/1.1")]);
        }
    }
}

#[test]
fn the_server_must_prove_to_be_the_hub() {
    let fleet = Fleet::start();
    let mut assignment = register(&fleet, Transport::Mqtt, Proof::KeyGroup, "careful");
    let hsm = derived(&fleet, "careful");
    let stranger = Authority::root("stranger").pem();
    let mut hub = client(&fleet, Transport::Mqtt, &assignment, hsm.clone())
        .trust_anchors(TrustAnchors::pem(stranger))
        .build()
        .unwrap();
    let kind = hub.connect().unwrap_err().kind().clone();
    assert_eq!(kind, ErrorKind::ServerCertificate(CertificateProblem::UnknownIssuer));
    assignment.hub = "other-hub.localhost".into();
    let mut hub = client(&fleet, Transport::Mqtt, &assignment, hsm).build().unwrap();
    let kind = hub.connect().unwrap_err().kind().clone();
    assert_eq!(kind, ErrorKind::ServerCertificate(CertificateProblem::WrongName));
}

#[test]
fn a_silent_server_ends_at_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let fleet = Fleet::start();
    let assignment = register(&fleet, Transport::Mqtt, Proof::KeyGroup, "patient");
    let mut hub = client(&fleet, Transport::Mqtt, &assignment, derived(&fleet, "patient"))
        .connect_to(Endpoint::parse(&silent.local_addr().unwrap().to_string()).unwrap())
        .connect_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let error = hub.connect().unwrap_err();
    let limit = Duration::from_millis(300);
    assert_eq!(*error.kind(), ErrorKind::DeadlineExceeded { during: Stage::Tls, limit });
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_sent() {
    let hsm = || {
        let key = SymmetricKey::from_bytes(&[1; 32]).unwrap();
        SymmetricKeyHsm::new(RegistrationId::new("d").unwrap(), key)
    };
    for builder in [
        HubClient::builder(HUB, "d"),
        HubClient::builder("", "d").hsm(hsm()),
        HubClient::builder("hub.example:8883", "d").hsm(hsm()),
        HubClient::builder(HUB, "").hsm(hsm()),
        HubClient::builder(HUB, "d/modules/m").hsm(hsm()),
        HubClient::builder(HUB, "d&e").hsm(hsm()),
        HubClient::builder(HUB, "d").hsm(hsm()).transport(Transport::Http),
    ] {
        let shown = format!("{builder:?}");
        let error = builder.build().expect_err(&shown);
        assert_eq!((error.stage(), error.kind()), (Stage::Config, &ErrorKind::InvalidConfig));
    }
}
