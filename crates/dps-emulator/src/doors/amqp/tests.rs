//! The door, byte by byte, against clients that are written out here.

mod faults;

use super::wire::{described, list};
use super::*;
use crate::config::{EmulatorConfig, HubConfig};
use crate::random::Random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::time::Duration;
use dps_core::wire::MAX_MESSAGE_BYTES;
use dps_core::{RegistrationId, SymmetricKey};
use serde_amqp::primitives::OrderedMap;

const NOW: Duration = Duration::from_secs(1_700_000_000);
const DEVICE: &str = "0ne00111111/registrations/dev1";

fn service(change: impl FnOnce(&mut EmulatorConfig)) -> Arc<Service> {
    let mut config = EmulatorConfig {
        assignment_delay: Duration::ZERO,
        retry_after_seconds: 3,
        ..EmulatorConfig::default()
    };
    change(&mut config);
    Arc::new(Service::new(&config, Random::from_seed([4; 32])).unwrap())
}

fn symbol(text: &str) -> Value {
    Value::Symbol(Symbol::from(text))
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn binary(bytes: &[u8]) -> Value {
    Value::Binary(bytes.to_vec().into())
}

fn token(key: &SymmetricKey) -> String {
    let (sr, se) = (DEVICE, 1_700_003_600);
    let sig = STANDARD.encode(key.hmac_sha256(format!("{sr}\n{se}").as_bytes()));
    format!("SharedAccessSignature sr={sr}&sig={}&se={se}", sig.replace('+', "%2B"))
}

fn device_key(service: &Service) -> SymmetricKey {
    let group = service.groups()[0].symmetric_keys().unwrap().primary.clone();
    group.derive(&RegistrationId::new("dev1").unwrap())
}

/// What the door sends: headers, and frames.
#[derive(Debug)]
enum Got {
    Header(u8),
    Heartbeat,
    Frame(u64, Fields, Vec<u8>),
}

impl Got {
    fn code(&self) -> u64 {
        match self {
            Self::Header(id) => 0x100 + u64::from(*id),
            Self::Heartbeat => 0x200,
            Self::Frame(code, ..) => *code,
        }
    }

    #[track_caller]
    fn fields(&self) -> &Fields {
        match self {
            Self::Frame(_, fields, _) => fields,
            other => panic!("{other:?}"),
        }
    }
}

/// A client that sends what it is told to.
struct Client {
    door: AmqpConnection,
    now: Duration,
}

impl Client {
    fn new(service: &Arc<Service>) -> Self {
        Self { door: AmqpConnection::new(service.clone(), NOW), now: NOW }
    }

    fn send(&mut self, bytes: &[u8]) -> Vec<Got> {
        self.door.receive(self.now, bytes);
        self.got()
    }

    fn got(&mut self) -> Vec<Got> {
        let mut rest = BytesMut::from(self.door.transmit().as_slice());
        let mut all = Vec::new();
        while !rest.is_empty() {
            if rest.starts_with(b"AMQP") {
                all.push(Got::Header(rest[4]));
                let _ = rest.split_to(8);
                continue;
            }
            let is_sasl = rest[5] == 1;
            let frame = wire::read_frame(&mut rest, is_sasl).unwrap().expect("whole frames");
            all.push(match frame.performative {
                Some(Performative { code, fields }) => Got::Frame(code, fields, frame.payload),
                None => Got::Heartbeat,
            });
        }
        all
    }

    /// Through SASL PLAIN, open, begin and both links.
    fn ready(service: &Arc<Service>, password: &str) -> Self {
        let mut client = Self::new(service);
        client.send(&opening(DEVICE, password));
        client.send(&[attach(0, true, DEVICE), attach(1, false, DEVICE), credit(0, 10)].concat());
        client
    }
}

fn codes(got: &[Got]) -> Vec<u64> {
    got.iter().map(Got::code).collect()
}

fn amqp(code: u64, fields: Vec<Value>) -> Vec<u8> {
    amqp_with(code, fields, &[])
}

fn amqp_with(code: u64, fields: Vec<Value>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let channel = if matches!(code, OPEN | CLOSE) { 0 } else { 3 };
    wire::write_frame(&mut bytes, false, channel, &[&list(code, fields), payload]);
    bytes.to_vec()
}

fn init(mechanism: &str, response: &str) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let init = list(0x41, vec![symbol(mechanism), binary(response.as_bytes())]);
    wire::write_frame(&mut bytes, true, 0, &[&init]);
    bytes.to_vec()
}

fn open() -> Vec<u8> {
    amqp(OPEN, vec![string("client"), string("host"), Value::Uint(65_536)])
}

fn begin() -> Vec<u8> {
    let number = Value::Uint;
    amqp(BEGIN, vec![Value::Null, number(0), number(2048), number(2048)])
}

fn opening(user: &str, password: &str) -> Vec<u8> {
    let sasl = [wire::SASL.to_vec(), init("PLAIN", &format!("\0{user}\0{password}"))];
    [sasl.concat(), wire::AMQP.to_vec(), open(), begin()].concat()
}

fn attach(handle: u32, receives: bool, address: &str) -> Vec<u8> {
    attach_settling(handle, receives, address, Value::Null)
}

fn attach_settling(handle: u32, receives: bool, address: &str, rcv_settle: Value) -> Vec<u8> {
    attach_with(handle, receives, address, rcv_settle, api_version(string("2019-03-31")))
}

fn api_version(version: Value) -> Value {
    let mut properties = OrderedMap::new();
    properties.insert(symbol("com.microsoft:api-version"), version);
    Value::Map(properties)
}

fn attach_with(
    handle: u32,
    receives: bool,
    address: &str,
    rcv_settle: Value,
    properties: Value,
) -> Vec<u8> {
    let terminus = |code, is_far: bool| {
        let fields = if is_far { vec![string(address)] } else { vec![] };
        described(code, Value::List(fields))
    };
    let mut fields =
        vec![string(&format!("link {handle}")), Value::Uint(handle), Value::Bool(receives)];
    fields.extend([Value::Null, rcv_settle, terminus(0x28, receives), terminus(0x29, !receives)]);
    fields.extend([
        Value::Null,
        Value::Null,
        Value::Uint(0),
        Value::Null,
        Value::Null,
        Value::Null,
    ]);
    fields.push(properties);
    amqp(ATTACH, fields)
}

fn credit(handle: u32, credit: u32) -> Vec<u8> {
    let number = Value::Uint;
    let window = [number(1), number(2048), number(0), number(2048)];
    let mut fields = window.to_vec();
    fields.extend([number(handle), number(0), number(credit)]);
    amqp(FLOW, fields)
}

fn section(code: u64, value: Value) -> Vec<u8> {
    wire::bytes_of(&described(code, value))
}

fn application_properties(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut map = OrderedMap::new();
    for (key, value) in entries {
        map.insert(string(key), string(value));
    }
    section(0x74, Value::Map(map))
}

fn correlation(id: Value) -> Vec<u8> {
    let mut fields = vec![Value::Null; 5];
    fields.push(id);
    section(0x73, Value::List(fields))
}

fn register(body: &[u8]) -> Vec<u8> {
    [application_properties(&[("iotdps-operation-type", "iotdps-register")]), body.to_vec()]
        .concat()
}

fn poll(id: &str) -> Vec<u8> {
    application_properties(&[
        ("iotdps-operation-type", "iotdps-get-operationstatus"),
        ("iotdps-operation-id", id),
    ])
}

fn transfer(id: u32, settled: bool, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut fields = vec![Value::Uint(1), Value::Uint(id), binary(&[1]), Value::Uint(0)];
    fields.extend([Value::Bool(settled), Value::Bool(more)]);
    amqp_with(TRANSFER, fields, payload)
}

fn data(body: &str) -> Vec<u8> {
    section(0x75, binary(body.as_bytes()))
}

/// A response's sections: properties, application properties, body.
fn response(got: &Got) -> (Option<Value>, Option<Value>, serde_json::Value) {
    let Got::Frame(TRANSFER, _, payload) = got else { panic!("{got:?}") };
    let mut rest = payload.as_slice();
    let (mut correlation, mut properties, mut json) = (None, None, None);
    while !rest.is_empty() {
        let (value, length) = wire::read_value(rest).unwrap();
        rest = &rest[length..];
        let Value::Described(section) = value else { panic!("no section") };
        match (section.descriptor, section.value) {
            (serde_amqp::descriptor::Descriptor::Code(0x73), Value::List(fields)) => {
                correlation = fields.get(5).cloned();
            }
            (serde_amqp::descriptor::Descriptor::Code(0x74), map) => properties = Some(map),
            (serde_amqp::descriptor::Descriptor::Code(0x75), Value::Binary(body)) => {
                json = Some(serde_json::from_slice(&body).unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    (correlation, properties, json.unwrap())
}

/// The error of a rejected delivery, a detach or a close.
fn error_of(value: &Value) -> (String, serde_json::Value) {
    let error = Performative::try_from(value.clone()).unwrap();
    assert_eq!(error.code, 0x1d);
    let text = error.fields.text(1).unwrap();
    let condition = error.fields.text(0).unwrap().to_owned();
    (condition, serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

#[test]
fn a_device_registers_and_polls() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    let mut client = Client::new(&service);
    let got = client.send(&opening(DEVICE, &token));
    assert_eq!(codes(&got), [0x103, 0x40, 0x44, 0x100, OPEN, BEGIN]);
    let Value::Array(offered) = got[1].fields().get(0) else { panic!("no array") };
    assert_eq!(offered.0, ["EXTERNAL", "ANONYMOUS", "PLAIN", "TPM"].map(symbol).to_vec());
    assert_eq!(*got[2].fields().get(0), Value::Ubyte(0));
    let open = got[4].fields();
    assert!(open.text(0).unwrap().starts_with("IoTDPSGW_") && open.text(0).unwrap().len() == 41);
    assert_eq!(open.number(2), Some(65_536));
    assert_eq!(open.number(3), Some(8191));
    assert_eq!(open.number(4), Some(240_000));
    assert_eq!(got[5].fields().number(0), Some(3), "remote-channel");

    let got = client.send(&attach(0, true, DEVICE));
    assert_eq!(codes(&got), [ATTACH]);
    let fields = got[0].fields();
    assert_eq!((fields.text(0), fields.number(1)), (Some("link 0"), Some(0)));
    assert_eq!(*fields.get(2), Value::Bool(false), "we send");
    let source = Performative::try_from(fields.get(5).clone()).unwrap();
    assert_eq!(source.fields.text(0), Some(DEVICE));
    let got = client.send(&attach(1, false, DEVICE));
    assert_eq!(codes(&got), [ATTACH, FLOW]);
    assert_eq!(got[1].fields().number(4), Some(1));
    assert_eq!(got[1].fields().number(6), Some(100), "credit at once");

    // Node's correlation-ids are uuids as text; any type comes back as it was.
    let id = Value::Ulong(77);
    let message = [correlation(id.clone()), register(&data(r#"{"registrationId":"dev1"}"#))];
    let got = client.send(&transfer(0, false, false, &message.concat()));
    assert_eq!(codes(&got), [DISPOSITION], "no credit for the response yet");
    assert_eq!(*got[0].fields().get(0), Value::Bool(true));
    assert_eq!(*got[0].fields().get(3), Value::Bool(true));
    assert_eq!(Performative::try_from(got[0].fields().get(4).clone()).unwrap().code, 0x24);
    let got = client.send(&credit(0, 10));
    let (correlated, properties, body) = response(&got[0]);
    assert_eq!(correlated, Some(id));
    let Some(Value::Map(properties)) = properties else { panic!("no properties") };
    for key in ["retry-after", "Retry-After"] {
        assert_eq!(properties.get(&string(key)), Some(&Value::Int(3)));
    }
    assert_eq!(body["status"], "assigning");
    let operation = body["operationId"].as_str().unwrap().to_owned();

    let got = client.send(&transfer(1, false, false, &poll(&operation)));
    assert_eq!(codes(&got), [DISPOSITION, TRANSFER]);
    let (correlated, properties, body) = response(&got[1]);
    assert_eq!((correlated, properties), (None, None), "none was sent, and no delay is asked");
    assert_eq!(body["registrationState"]["assignedHub"], "contoso-hub.localhost");

    let close = client.send(&amqp(CLOSE, vec![]));
    assert_eq!(codes(&close), [CLOSE]);
    assert!(client.door.is_closed());
}

#[test]
fn every_split_of_the_stream_gives_the_same_answers() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    let stream = [
        opening(DEVICE, &token),
        attach(0, true, DEVICE),
        attach(1, false, DEVICE),
        credit(0, 10),
        transfer(0, true, false, &register(&data("{}"))),
    ]
    .concat();
    for split in 0..=stream.len() {
        let mut client = Client::new(&service);
        let mut got = client.send(&stream[..split]);
        got.extend(client.send(&stream[split..]));
        let expected = [0x103, 0x40, 0x44, 0x100, OPEN, BEGIN, ATTACH, ATTACH, FLOW, TRANSFER];
        assert_eq!(codes(&got), expected, "split at {split}");
        let (_, _, body) = response(got.last().unwrap());
        assert_eq!(body["status"], "assigning");
    }
}

#[test]
fn bodies_of_real_clients_are_taken() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    for body in [
        data(r#"{"registrationId":"dev1","payload":{"a":1}}"#),
        data(""),
        vec![],
        section(0x77, string("")),
        section(0x77, Value::Null),
        [data(r#"{"registration"#), data(r#"Id":"DEV1"}"#)].concat(),
    ] {
        let mut client = Client::ready(&service, &token);
        let got = client.send(&transfer(0, false, false, &register(&body)));
        assert_eq!(codes(&got), [DISPOSITION, TRANSFER], "{body:02x?}");
    }
    // Polls carry a text, an empty one, JSON, or nothing.
    let mut client = Client::ready(&service, &token);
    let got = client.send(&transfer(0, false, false, &register(&[])));
    let (_, _, body) = response(&got[1]);
    let operation = body["operationId"].as_str().unwrap().to_owned();
    for (id, body) in
        (1..).zip([section(0x77, string("iotdps-get-operationstatus")), data("{}"), vec![]])
    {
        let got = client.send(&transfer(id, false, false, &[poll(&operation), body].concat()));
        assert_eq!(codes(&got), [DISPOSITION, TRANSFER]);
    }
}

#[test]
fn refused_requests_are_rejected_with_their_document() {
    let service = service(|_| ());
    let wrong = token(&SymmetricKey::from_bytes(&[1; 32]).unwrap());
    let good = token(&device_key(&service));
    for (token, message, condition, code) in [
        (&wrong, register(&data("{}")), "amqp:unauthorized-access", 401_000),
        (&good, register(&data("[]")), "amqp:not-allowed", 400_004),
        (&good, poll("unknown"), "amqp:not-found", 404_203),
        (&good, data("{}"), "amqp:not-allowed", 400_002),
        (
            &good,
            application_properties(&[("iotdps-operation-type", "else")]),
            "amqp:not-allowed",
            400_002,
        ),
    ] {
        let mut client = Client::ready(&service, token);
        let got = client.send(&transfer(0, false, false, &message));
        assert_eq!(codes(&got), [DISPOSITION], "{code}");
        let rejected = Performative::try_from(got[0].fields().get(4).clone()).unwrap();
        assert_eq!(rejected.code, 0x25);
        let (was, document) = error_of(rejected.fields.get(0));
        assert_eq!((was.as_str(), document["errorCode"].as_i64()), (condition, Some(code)));
        assert!(!client.door.is_closed(), "the device may try again");
    }
}

#[test]
fn clients_that_settle_last_are_let_to() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    let mut client = Client::new(&service);
    client.send(&opening(DEVICE, &token));
    client.send(&attach_settling(1, false, DEVICE, Value::Ubyte(1)));
    let got = client.send(&transfer(0, false, false, &register(&[])));
    assert_eq!(codes(&got), [DISPOSITION], "and no response without a link for it");
    assert_eq!(*got[0].fields().get(3), Value::Bool(false));
}

#[test]
fn what_names_no_device_of_the_scope_is_refused_by_sasl() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    for (user, password) in [
        ("0ne00999999/registrations/dev1", token.as_str()),
        ("0ne00111111/devices/dev1", &token),
        ("dev1", &token),
        (DEVICE, ""),
    ] {
        let mut client = Client::new(&service);
        let got = client.send(&opening(user, password));
        assert_eq!(codes(&got), [0x103, 0x40, 0x44], "{user}");
        assert_eq!(*got[2].fields().get(0), Value::Ubyte(1));
        assert!(client.door.is_closed());
    }
    for mechanism in ["EXTERNAL", "TPM", "MSSBCBS"] {
        let mut client = Client::new(&service);
        let got = client.send(&[wire::SASL.to_vec(), init(mechanism, "")].concat());
        assert_eq!(*got[2].fields().get(0), Value::Ubyte(1), "{mechanism}");
        assert!(client.door.is_closed());
    }
}

#[test]
fn bad_tokens_are_refused_by_sasl_when_so_configured() {
    let service = service(|config| config.reject_at_connect = true);
    let wrong = token(&SymmetricKey::from_bytes(&[1; 32]).unwrap());
    for (token, code) in [(wrong, 1), (token(&device_key(&service)), 0)] {
        let got = Client::new(&service).send(&opening(DEVICE, &token));
        assert_eq!(*got[2].fields().get(0), Value::Ubyte(code));
    }
}

#[test]
fn a_connection_without_any_credentials_gets_what_was_captured_of_the_service() {
    let service = service(|_| ());
    let anonymous = [wire::SASL.to_vec(), init("ANONYMOUS", "x")].concat();
    for before in [vec![], anonymous] {
        let mut client = Client::new(&service);
        let got = client.send(&[before, wire::AMQP.to_vec(), open()].concat());
        let [.., Got::Frame(OPEN, open, _), Got::Frame(CLOSE, close, _)] = got.as_slice() else {
            panic!("{got:?}");
        };
        let (condition, document) = error_of(close.get(0));
        assert_eq!(condition, "amqp:unauthorized-access");
        assert_eq!(document["errorCode"], 401_002);
        assert_eq!(document["message"], "IotHubUnauthorizedAccess");
        let Value::Map(properties) = open.get(9) else { panic!("no properties") };
        assert_eq!(properties.get(&symbol("com.microsoft:open-error")), Some(close.get(0)));
        assert!(client.door.is_closed());
    }
}

#[test]
fn certificates_come_bare_or_with_sasl_and_are_judged_by_the_request() {
    let service = service(|_| ());
    for before in [vec![], [wire::SASL.to_vec(), init("EXTERNAL", "")].concat()] {
        let mut client = Client::new(&service);
        client.door = client.door.with_peer_certificates(vec![b"no certificate".to_vec()]);
        let stream = [
            before,
            wire::AMQP.to_vec(),
            open(),
            begin(),
            attach(0, true, DEVICE),
            attach(1, false, &format!("amqps://host/{DEVICE}")),
            transfer(0, false, false, &register(&[])),
        ];
        let got = client.send(&stream.concat());
        let Some(Got::Frame(DISPOSITION, fields, _)) = got.last() else { panic!("{got:?}") };
        let rejected = Performative::try_from(fields.get(4).clone()).unwrap();
        assert_eq!(error_of(rejected.fields.get(0)).1["errorCode"], 401_002);
    }
}

/// What is logged on this thread: the texts of warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(
                &mut self,
                field: &tracing::field::Field,
                value: &dyn core::fmt::Debug,
            ) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_link_without_api_version_is_taken_with_a_warning() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    let mut other = OrderedMap::new();
    other.insert(symbol("com.microsoft:client-version"), string("x"));
    for (properties, warnings) in [
        (api_version(string("2019-03-31")), 0),
        (api_version(symbol("2021-06-01")), 0),
        (api_version(string("")), 1),
        (api_version(Value::Uint(7)), 1),
        (Value::Map(other), 1),
        (Value::Null, 1),
    ] {
        let mut client = Client::new(&service);
        client.send(&opening(DEVICE, &token));
        let log = Warnings::default();
        let got = tracing::subscriber::with_default(log.clone(), || {
            client.send(&attach_with(0, true, DEVICE, Value::Null, properties.clone()))
        });
        assert_eq!(codes(&got), [ATTACH], "{properties:?}");
        let log = log.0.lock().unwrap();
        let hits = log.iter().filter(|line| line.contains("com.microsoft:api-version")).count();
        assert_eq!((hits, log.len()), (warnings, warnings), "{properties:?}: {log:?}");
        assert!(log.iter().all(|line| line.contains("dev1")), "{log:?}");
    }
}

#[test]
fn links_to_other_devices_are_refused() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    for address in ["0ne00111111/registrations/dev2", "0ne00999999/registrations/dev1", "", "x"] {
        for receives in [true, false] {
            let mut client = Client::new(&service);
            client.send(&opening(DEVICE, &token));
            let got = client.send(&attach(0, receives, address));
            assert_eq!(codes(&got), [ATTACH, DETACH], "{address:?}");
            assert_eq!(*got[0].fields().get(5), Value::Null);
            assert_eq!(*got[0].fields().get(6), Value::Null);
            let (condition, document) = error_of(got[1].fields().get(2));
            assert_eq!(condition, "amqp:unauthorized-access");
            assert_eq!(document["errorCode"], 401_002);
            // The client's own detach needs no answer, and the connection goes on.
            let answer = client.send(&amqp(DETACH, vec![Value::Uint(0), Value::Bool(true)]));
            assert!(answer.is_empty());
            assert_eq!(codes(&client.send(&attach(0, true, DEVICE))), [ATTACH]);
        }
    }
}

#[test]
fn links_and_sessions_end_and_come_again() {
    let service = service(|_| ());
    let mut client = Client::ready(&service, &token(&device_key(&service)));
    let got = client.send(&amqp(DETACH, vec![Value::Uint(0), Value::Bool(true)]));
    assert_eq!(codes(&got), [DETACH]);
    assert_eq!(codes(&client.send(&attach(0, true, DEVICE))), [ATTACH]);
    assert_eq!(codes(&client.send(&amqp(END, vec![]))), [END]);
    assert_eq!(codes(&client.send(&begin())), [BEGIN]);
    assert!(!client.door.is_closed());
}

#[test]
fn responses_are_cut_to_the_clients_frames_and_window() {
    let hub = ["a"; 3].map(|label| label.repeat(60)).join(".");
    let service = service(|config| config.hubs = vec![HubConfig::new(hub)]);
    let token = token(&device_key(&service));
    let mut client = Client::new(&service);
    let small = amqp(OPEN, vec![string("client"), Value::Null, Value::Uint(512)]);
    let narrow = vec![Value::Null, Value::Uint(0), Value::Uint(0), Value::Uint(9)];
    let user = format!("\0{DEVICE}\0{token}");
    let sasl = [wire::SASL.to_vec(), init("PLAIN", &user), wire::AMQP.to_vec()].concat();
    client.send(&[sasl, small, amqp(BEGIN, narrow)].concat());
    client.send(&[attach(0, true, DEVICE), attach(1, false, DEVICE)].concat());
    client.send(&transfer(0, false, false, &register(&[])));
    let flow = |seen: u32, window: u32| {
        let number = Value::Uint;
        let mut fields = vec![number(seen), number(window), number(1), number(9)];
        fields.extend([number(0), number(0), number(9)]);
        amqp(FLOW, fields)
    };
    let got = client.send(&flow(1, 1));
    let (_, _, body) = response(&got[0]);
    let operation = body["operationId"].as_str().unwrap().to_owned();
    // With such a hub, the result has more than 512 bytes.
    let got = client.send(&transfer(1, false, false, &poll(&operation)));
    assert_eq!(codes(&got), [DISPOSITION], "the window is used up");
    let mut parts = client.send(&flow(2, 1));
    assert_eq!(*parts[0].fields().get(5), Value::Bool(true), "more");
    parts.extend(client.send(&flow(3, 9)));
    assert_eq!(codes(&parts), [TRANSFER, TRANSFER]);
    assert_eq!(*parts[1].fields().get(5), Value::Bool(false));
    let whole: Vec<u8> = parts
        .iter()
        .flat_map(|part| match part {
            Got::Frame(_, _, payload) => payload.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let (_, _, body) = response(&Got::Frame(TRANSFER, Fields(vec![]), whole));
    assert_eq!(body["status"], "assigned");
}

#[test]
fn requests_come_in_parts_up_to_the_limit() {
    let service = service(|_| ());
    let mut client = Client::ready(&service, &token(&device_key(&service)));
    let body = format!("{{\"payload\":\"{}\"}}", "x".repeat(MAX_MESSAGE_BYTES - 20));
    let message = register(&data(&body));
    let (first, rest) = message.split_at(60_000);
    assert!(client.send(&transfer(0, false, true, first)).is_empty());
    let got = client.send(&transfer(0, false, false, rest));
    assert_eq!(codes(&got), [DISPOSITION, TRANSFER]);
    client.send(&transfer(1, false, true, first));
    let got = client.send(&transfer(1, false, true, first));
    assert_eq!(codes(&got), [CLOSE]);
    assert!(client.door.is_closed());
}

#[test]
fn an_open_with_half_an_entry_in_its_properties_ends_the_connection() {
    let mut fields = vec![0xa1, 1, b'x'];
    fields.extend([0x40; 8]);
    fields.extend([0xc1, 6, 3, 0xa3, 1, b'a', 0x40, 0x40]);
    let mut body = vec![0, 0x53, OPEN as u8, 0xc0, fields.len() as u8 + 1, 10];
    body.extend(fields);
    let mut frame = BytesMut::new();
    wire::write_frame(&mut frame, false, 0, &[&body]);
    let service = service(|_| ());
    let mut client = Client::new(&service);
    let got = client.send(&[wire::AMQP.to_vec(), frame.to_vec()].concat());
    assert_eq!(codes(&got), [0x100]);
    assert!(client.door.is_closed());
}

#[test]
fn clients_that_break_the_protocol_are_told_and_left() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    let size = |size: u32| [&size.to_be_bytes()[..], &[2, 0, 0, 0]].concat();
    let on_other_channel = {
        let mut bytes = BytesMut::new();
        wire::write_frame(&mut bytes, false, 9, &[&list(FLOW, vec![])]);
        bytes.to_vec()
    };
    let mut cases: Vec<Vec<u8>> = (0..8).map(size).collect();
    cases.extend([
        size(65_537),
        size(u32::MAX),
        vec![0, 0, 0, 8, 1, 0, 0, 0],
        vec![0, 0, 0, 8, 3, 0, 0, 0],
        vec![0, 0, 0, 8, 2, 1, 0, 0],
        vec![0, 0, 0, 9, 2, 0, 0, 0, 0x40],
        on_other_channel,
        open(),
        begin(),
        amqp(0x42, vec![]),
        amqp(0x99, vec![]),
        amqp(FLOW, vec![]),
        amqp(ATTACH, vec![string("x")]),
        attach(0, true, DEVICE),
        attach(6, true, DEVICE),
        amqp(DETACH, vec![]),
        amqp(TRANSFER, vec![Value::Uint(0), Value::Uint(0)]),
        amqp(TRANSFER, vec![Value::Uint(1)]),
        transfer(0, false, false, &[0x00, 0x53]),
        transfer(0, false, false, &[0x40]),
        transfer(0, false, false, &section(0x75, string("no binary"))),
    ]);
    for case in cases {
        let mut client = Client::ready(&service, &token);
        let got = client.send(&case);
        assert_eq!(codes(&got), [CLOSE], "{case:02x?}");
        assert!(client.door.is_closed() && client.send(&case).is_empty());
    }
    // Before open nothing is said but what is spoken here.
    let mut client = Client::new(&service);
    assert_eq!(codes(&client.send(b"GET / HTTP/1.1\r\n\r\n")), [0x103]);
    assert!(client.door.is_closed());
    for case in [begin(), vec![0, 0, 0, 8, 2, 0, 0, 0], amqp(CLOSE, vec![])] {
        let mut client = Client::new(&service);
        assert_eq!(codes(&client.send(&[wire::AMQP.to_vec(), case].concat())), [0x100]);
        assert!(client.door.is_closed());
    }
}

#[test]
fn sessions_have_a_limit() {
    let service = service(|_| ());
    let mut client = Client::ready(&service, &token(&device_key(&service)));
    let begin_on = |channel| {
        let mut bytes = BytesMut::new();
        let number = Value::Uint;
        let begin = list(BEGIN, vec![Value::Null, number(0), number(9), number(9)]);
        wire::write_frame(&mut bytes, false, channel, &[&begin]);
        bytes.to_vec()
    };
    for channel in 4..7 {
        assert_eq!(codes(&client.send(&begin_on(channel))), [BEGIN]);
    }
    assert_eq!(codes(&client.send(&begin_on(7))), [CLOSE]);
}

#[test]
fn drained_credit_is_given_back_and_echoes_are_answered() {
    let service = service(|_| ());
    let mut client = Client::ready(&service, &token(&device_key(&service)));
    let number = Value::Uint;
    let mut fields = vec![number(1), number(9), number(0), number(9)];
    fields.extend([number(0), number(0), number(7), Value::Null, Value::Bool(true)]);
    let got = client.send(&amqp(FLOW, fields));
    assert_eq!(codes(&got), [FLOW]);
    assert_eq!((got[0].fields().number(5), got[0].fields().number(6)), (Some(7), Some(0)));
    let mut fields = vec![number(1), number(9), number(0), number(9)];
    fields.extend([Value::Null, Value::Null, Value::Null, Value::Null]);
    fields.extend([Value::Bool(false), Value::Bool(true)]);
    assert_eq!(codes(&client.send(&amqp(FLOW, fields))), [FLOW]);
}

#[test]
fn silent_clients_are_left_and_others_are_kept_alive() {
    let service = service(|_| ());
    let later = |seconds| NOW + Duration::from_secs(seconds);
    let mut client = Client::new(&service);
    assert_eq!(client.door.next_timeout(), Some(later(10)));
    client.now = later(9);
    client.send(&wire::AMQP);
    assert_eq!(client.door.next_timeout(), Some(later(10)), "a header is not enough");
    client.door.handle_timeout(later(10));
    assert!(client.door.is_closed());

    let mut client = Client::ready(&service, &token(&device_key(&service)));
    assert_eq!(client.door.next_timeout(), Some(later(300)));
    client.now = later(200);
    client.send(&[0, 0, 0, 8, 2, 0, 0, 0]);
    client.door.handle_timeout(later(300));
    assert!(!client.door.is_closed());
    client.door.handle_timeout(later(500));
    assert!(client.door.is_closed());
    assert_eq!(codes(&client.got()), [CLOSE]);

    let mut client = Client::new(&service);
    let mut fields = vec![string("client"), Value::Null, Value::Null, Value::Null];
    fields.push(Value::Uint(60_000));
    let user = format!("\0{DEVICE}\0{}", token(&device_key(&service)));
    let sasl = [wire::SASL.to_vec(), init("PLAIN", &user), wire::AMQP.to_vec()].concat();
    client.send(&[sasl, amqp(OPEN, fields)].concat());
    assert_eq!(client.door.next_timeout(), Some(later(30)));
    client.door.handle_timeout(later(30));
    assert_eq!(codes(&client.got()), [0x200]);
    assert_eq!(client.door.next_timeout(), Some(later(60)));
}

#[test]
fn debug_shows_no_token() {
    let service = service(|_| ());
    let token = token(&device_key(&service));
    let client = Client::ready(&service, &token);
    assert!(!format!("{:?}", client.door).contains("sig="));
}
