//! The running emulator from outside: real sockets, real TLS, MQTT packets made by hand.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_core::{RegistrationId, SymmetricKey};
use dps_emulator::{Emulator, EmulatorConfig, EmulatorError, EnrollmentRef};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn config() -> EmulatorConfig {
    let mut config = EmulatorConfig::default();
    config.mqtt_port = 0;
    config.assignment_delay = Duration::ZERO;
    config
}

fn dial(emulator: &Emulator, name: &'static str) -> Stream {
    dial_trusting(emulator, emulator.ca_pem(), name)
}

fn dial_trusting(emulator: &Emulator, trusted: &str, name: &'static str) -> Stream {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    let socket = TcpStream::connect(emulator.mqtt_address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(tls), name).unwrap(), socket)
}

/// A packet with a remaining length of one or two bytes.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    match body.len() {
        length @ 0..128 => packet.push(length as u8),
        length => packet.extend([(length % 128) as u8 | 0x80, (length / 128) as u8]),
    }
    packet.extend_from_slice(body);
    packet
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn connect(emulator: &Emulator, id: &str, key: &SymmetricKey) -> Vec<u8> {
    let sr = format!("{}%2fregistrations%2f{id}", emulator.id_scope());
    let se = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
    let sig = STANDARD.encode(key.hmac_sha256(format!("{sr}\n{se}").as_bytes()));
    let sig = sig.replace('+', "%2b").replace('/', "%2f").replace('=', "%3d");
    let token = format!("SharedAccessSignature sr={sr}&sig={sig}&se={se}&skn=registration");
    let username = format!(
        "{}/registrations/{id}/api-version=2021-06-01&ClientVersion=1.15.0",
        emulator.id_scope()
    );
    let head = b"\0\x04MQTT\x04\xc2\0\0".to_vec();
    packet(0x10, &[head, text(id), text(&username), text(&token)].concat())
}

fn subscribe() -> Vec<u8> {
    packet(0x82, &[b"\0\x01".to_vec(), text("$dps/registrations/res/#"), vec![1]].concat())
}

fn publish(topic: &str) -> Vec<u8> {
    packet(0x30, &text(topic))
}

/// The next packet: its first byte and what follows the length.
fn next(stream: &mut Stream) -> (u8, Vec<u8>) {
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    let (mut length, mut shift) = (0, 0);
    loop {
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).unwrap();
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (first[0], body)
}

/// The next packet, which must be a PUBLISH of QoS 1: topic and document.
fn next_response(stream: &mut Stream) -> (String, serde_json::Value) {
    let (first, body) = next(stream);
    assert_eq!(first, 0x32);
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
    (topic, serde_json::from_slice(&body[4 + length..]).unwrap())
}

fn provision(emulator: &Emulator, name: &'static str, id: &str, key: &SymmetricKey) -> String {
    let mut stream = dial(emulator, name);
    let register = publish("$dps/registrations/PUT/iotdps-register/?$rid=1");
    stream.write_all(&[connect(emulator, id, key), subscribe(), register].concat()).unwrap();
    assert_eq!(next(&mut stream), (0x20, vec![0, 0]));
    assert_eq!(next(&mut stream), (0x90, vec![0, 1, 1]));
    let (topic, body) = next_response(&mut stream);
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=1&retry-after=2");
    let operation = body["operationId"].as_str().unwrap();
    let poll = format!(
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={operation}"
    );
    stream.write_all(&publish(&poll)).unwrap();
    let (topic, body) = next_response(&mut stream);
    assert_eq!(topic, "$dps/registrations/res/200/?$rid=2");
    assert_eq!(body["status"], "assigned");
    stream.write_all(&[0xe0, 0]).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "closed cleanly after DISCONNECT");
    body["registrationState"]["assignedHub"].as_str().unwrap().to_owned()
}

fn group_key(emulator: &Emulator, id: &str) -> SymmetricKey {
    let group = &emulator.groups()[0];
    group.symmetric_keys().unwrap().primary.derive(&RegistrationId::new(id).unwrap())
}

#[test]
fn a_device_of_the_built_in_group_is_provisioned() {
    let emulator = Emulator::start(config()).unwrap();
    let key = group_key(&emulator, "sn-1");
    for name in ["localhost", "127.0.0.1", "global.azure-devices-provisioning.net"] {
        assert_eq!(provision(&emulator, name, "sn-1", &key), "contoso-hub.localhost");
    }
    let records = emulator.registrations();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].registration_id.as_str(), "sn-1");
    assert_eq!(records[0].enrollment, EnrollmentRef::Group("mylegacydevices".to_owned()));
}

#[test]
fn many_devices_at_once() {
    let emulator = Emulator::start(config()).unwrap();
    std::thread::scope(|scope| {
        for number in 0..20 {
            let emulator = &emulator;
            scope.spawn(move || {
                let id = format!("sn-{number}");
                provision(emulator, "localhost", &id, &group_key(emulator, &id));
            });
        }
    });
    assert_eq!(emulator.registrations().len(), 20);
}

fn with_state(file: Option<&std::path::Path>) -> Emulator {
    let mut config = config();
    config.state_file = file.map(Into::into);
    Emulator::start(config).unwrap()
}

/// With whoever trusts this.
fn shakes_hands(emulator: &Emulator, trusted: &str) {
    let mut stream = dial_trusting(emulator, trusted, "localhost");
    stream.conn.complete_io(&mut stream.sock).unwrap();
    assert!(!stream.conn.is_handshaking());
}

#[test]
fn a_state_file_keeps_the_certificate_authority() {
    let folder = std::env::temp_dir().join(format!("dps-emulator-ca-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("state.db");
    let sql = |text: &str| rusqlite::Connection::open(&file).unwrap().execute_batch(text).unwrap();
    let first = with_state(Some(&file));
    let trusted = first.ca_pem().to_owned();
    drop(first);
    let second = with_state(Some(&file));
    assert_eq!(second.ca_pem(), trusted);
    shakes_hands(&second, &trusted);
    drop(second);
    assert_ne!(with_state(None).ca_pem(), with_state(None).ca_pem(), "nothing keeps it");

    // As a former version has left it.
    sql("DROP TABLE certificate_authorities; PRAGMA user_version = 2");
    let upgraded = with_state(Some(&file)).ca_pem().to_owned();
    assert_ne!(upgraded, trusted);
    assert_eq!(with_state(Some(&file)).ca_pem(), upgraded);

    sql("UPDATE certificate_authorities SET document = '{}'");
    let renewed = with_state(Some(&file));
    assert_ne!(renewed.ca_pem(), upgraded);
    shakes_hands(&renewed, renewed.ca_pem());
    let anew = renewed.ca_pem().to_owned();
    drop(renewed);
    assert_eq!(with_state(Some(&file)).ca_pem(), anew);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_start_without_a_port_makes_no_state_file() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = std::env::temp_dir().join(format!("dps-no-port-{}.db", std::process::id()));
    let mut config = config();
    config.amqp_port = Some(taken.local_addr().unwrap().port());
    config.state_file = Some(file.clone());
    let error = Emulator::start(config).unwrap_err();
    assert!(matches!(error, EmulatorError::Listen { .. }), "{error}");
    assert!(!file.exists());
}

#[test]
fn a_wrong_key_is_told_in_the_response() {
    let emulator = Emulator::start(config()).unwrap();
    let mut stream = dial(&emulator, "localhost");
    let key = group_key(&emulator, "sn-2");
    let register = publish("$dps/registrations/PUT/iotdps-register/?$rid=1");
    stream.write_all(&[connect(&emulator, "sn-1", &key), subscribe(), register].concat()).unwrap();
    assert_eq!(next(&mut stream), (0x20, vec![0, 0]));
    next(&mut stream);
    let (topic, body) = next_response(&mut stream);
    assert_eq!(topic, "$dps/registrations/res/401/?$rid=1");
    assert_eq!(body["errorCode"], 401_000);
    assert!(emulator.registrations().is_empty());
}

#[test]
fn the_summary_is_all_a_script_needs() {
    let emulator = Emulator::start(config()).unwrap();
    let summary = serde_json::to_value(emulator.summary()).unwrap();
    assert_eq!(summary["idScope"], "0ne00111111");
    assert_eq!(summary["mqtt"]["host"], "127.0.0.1");
    assert_eq!(summary["mqtt"]["port"], emulator.mqtt_address().port());
    assert_eq!(summary["caPem"], emulator.ca_pem());
    assert_eq!(summary["hubs"][0], "contoso-hub.localhost");
    assert_eq!(summary["enrollments"], serde_json::json!([]));
    let group = &summary["enrollmentGroups"][0];
    assert_eq!(group["enrollmentGroupId"], "mylegacydevices");
    let key = SymmetricKey::from_base64(group["secondaryKey"].as_str().unwrap()).unwrap();
    let key = key.derive(&RegistrationId::new("sn-1").unwrap());
    provision(&emulator, "localhost", "sn-1", &key);
    let debug = format!("{:?}", emulator.summary());
    assert!(!debug.contains(group["primaryKey"].as_str().unwrap()));
}

#[test]
fn a_port_in_use_is_an_error_with_a_remedy() {
    let emulator = Emulator::start(config()).unwrap();
    let mut second = config();
    second.mqtt_port = emulator.mqtt_address().port();
    let mut third = config();
    third.amqp_port = Some(emulator.amqp_address().port());
    for (config, address, setting) in [
        (second, emulator.mqtt_address(), "mqttPort"),
        (third, emulator.amqp_address(), "amqpPort"),
    ] {
        let error = Emulator::start(config).unwrap_err();
        assert!(matches!(error, EmulatorError::Listen { .. }));
        let message = error.to_string();
        for words in [&address.to_string(), setting, "stop it"] {
            assert!(message.contains(words), "{message}");
        }
    }
}

#[test]
fn stopping_is_prompt_and_frees_the_port() {
    // An address of its own, where no other test takes the port as soon as it is free.
    let mut config = config();
    if cfg!(target_os = "linux") {
        config.address = "127.0.0.2".parse().unwrap();
    }
    let emulator = Emulator::start(config.clone()).unwrap();
    let address = emulator.mqtt_address();
    let idle = TcpStream::connect(address).unwrap();
    let mut busy = dial(&emulator, "localhost");
    busy.write_all(&connect(&emulator, "sn-1", &group_key(&emulator, "sn-1"))).unwrap();
    assert_eq!(next(&mut busy).0, 0x20);

    let begin = Instant::now();
    emulator.stop();
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // Open connections are closed, in whatever way.
    busy.sock.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    if let Err(error) = busy.read(&mut [0; 1]) {
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "still open");
    }
    drop(idle);

    config.mqtt_port = address.port();
    config.amqp_port = Some(0);
    config.https_port = Some(0);
    Emulator::start(config).unwrap();
}

#[test]
fn it_can_be_started_and_stopped_inside_an_async_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let emulator = Emulator::start(config()).unwrap();
        assert_ne!(emulator.mqtt_address().port(), 0);
        drop(emulator);
    });
}

#[test]
fn it_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Emulator>();
    shared::<EmulatorConfig>();
    shared::<EmulatorError>();
}

#[test]
fn a_client_that_says_goodbye_in_tls_hears_it_back() {
    let emulator = Emulator::start(config()).unwrap();
    let mut stream = dial(&emulator, "localhost");
    // Half a packet, so that the handshake is over and there is nothing to answer.
    stream.write_all(&[0x10]).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_client_that_is_not_tls_does_no_harm() {
    let emulator = Emulator::start(config()).unwrap();
    for _ in 0..10 {
        let mut socket = TcpStream::connect(emulator.mqtt_address()).unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    }
    provision(&emulator, "localhost", "sn-1", &group_key(&emulator, "sn-1"));
}
