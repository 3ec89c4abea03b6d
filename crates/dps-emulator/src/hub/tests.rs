//! Devices at their hub, by bytes and with given times.

use super::*;
use crate::config::EmulatorConfig;
use crate::doors::Connection as _;
use crate::doors::mqtt::MqttConnection;
use crate::model::SymmetricKeys;
use crate::random::Random;
use crate::service::{Credentials, DeviceIdentity, Service};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use core::time::Duration;
use dps_core::{RegistrationId, SymmetricKey};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, Publish, Subscribe, SubscribeFilter,
    SubscribeReasonCode, Unsubscribe,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const NOW: Duration = Duration::from_secs(1_790_000_000);
const HUB: &str = "contoso-hub.localhost";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const MESSAGES: &str = "devices/line-1/messages/devicebound/#";
const TWIN: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const METHODS: &str = "$iothub/methods/POST/#";

fn key() -> SymmetricKey {
    SymmetricKey::from_base64(KEY).unwrap()
}

fn keys() -> HubIdentity {
    HubIdentity::Keys(SymmetricKeys { primary: key(), secondary: key().derive(&id("other")) })
}

fn id(text: &str) -> RegistrationId {
    RegistrationId::new(text).unwrap()
}

/// A service whose hub has the device `line-1`.
fn service() -> (Arc<Service>, Hub) {
    let config = EmulatorConfig::default();
    let service = Arc::new(Service::new(&config, Random::from_seed([4; 32])).unwrap());
    let twin = json!({"properties": {"desired": {"interval": 5}}});
    service.iot_hubs().assign(HUB, "line-1", keys(), Twin::initial(Some(&twin)));
    let hub = Hub::new(service.iot_hubs(), HUB).unwrap();
    (service, hub)
}

fn token(resource: &str, key: &SymmetricKey, expiry: u64) -> String {
    let sig = STANDARD.encode(key.hmac_sha256(format!("{resource}\n{expiry}").as_bytes()));
    let sig = sig.replace('+', "%2B");
    format!("SharedAccessSignature sr={resource}&sig={sig}&se={expiry}")
}

fn good_token() -> String {
    token(&format!("{HUB}/devices/line-1"), &key(), NOW.as_secs() + 3600)
}

fn bytes(packet: Packet) -> Vec<u8> {
    let mut output = BytesMut::new();
    packet.write(&mut output, usize::MAX).unwrap();
    output.to_vec()
}

fn packets(output: &[u8]) -> Vec<Packet> {
    let mut stream = BytesMut::from(output);
    let mut packets = Vec::new();
    while !stream.is_empty() {
        packets.push(Packet::read(&mut stream, usize::MAX).unwrap());
    }
    packets
}

fn exchange(connection: &mut MqttConnection, input: &[u8]) -> Vec<Packet> {
    connection.receive(NOW, input);
    packets(&connection.transmit())
}

fn connect(client_id: &str, device: &str, password: &str, clean: bool) -> Vec<u8> {
    let mut connect = Connect::new(client_id);
    connect.clean_session = clean;
    connect.keep_alive = 60;
    let username = format!("{HUB}/{device}/?api-version=2021-04-12&DeviceClientType=x");
    connect.set_login(username, password);
    bytes(Packet::Connect(connect))
}

fn connack(code: ConnectReturnCode, session_present: bool) -> Vec<Packet> {
    vec![Packet::ConnAck(ConnAck::new(code, session_present))]
}

fn subscribe(filters: &[(&str, QoS)]) -> Vec<u8> {
    let filters = filters.iter().map(|(path, qos)| SubscribeFilter::new((*path).to_owned(), *qos));
    let mut subscribe = Subscribe::new_many(filters);
    subscribe.pkid = 1;
    bytes(Packet::Subscribe(subscribe))
}

fn publish(topic: &str, qos: QoS, body: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut publish = Publish::new(topic, qos, body);
    publish.pkid = if qos == QoS::AtMostOnce { 0 } else { 7 };
    bytes(Packet::Publish(publish))
}

/// A connection of `line-1` with all subscriptions at QoS 1.
fn connected(service: &Arc<Service>) -> MqttConnection {
    let mut connection = MqttConnection::new(service.clone(), NOW);
    let input = connect("line-1", "line-1", &good_token(), false);
    let answers = exchange(&mut connection, &input);
    assert!(matches!(
        answers[..],
        [Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, .. }), ..]
    ));
    let all = [MESSAGES, TWIN, DESIRED, METHODS].map(|filter| (filter, QoS::AtLeastOnce));
    let answers = exchange(&mut connection, &subscribe(&all));
    let Some(Packet::SubAck(granted)) = answers.first() else { panic!("{answers:?}") };
    assert_eq!(granted.return_codes, [SubscribeReasonCode::Success(QoS::AtLeastOnce); 4]);
    connection
}

/// The topic, body and packet id of a message for the device.
fn message(packet: &Packet) -> (&str, Value, u16) {
    let Packet::Publish(publish) = packet else { panic!("{packet:?}") };
    let body = serde_json::from_slice(&publish.payload).unwrap_or(Value::Null);
    (&publish.topic, body, publish.pkid)
}

#[test]
fn an_assigned_device_comes_in_with_what_it_registered_with() {
    let (service, hub) = service();
    let group = service.groups()[0].symmetric_keys().unwrap().clone();
    let derived = group.primary.derive(&id("Sn-7"));
    let identity = DeviceIdentity::new(service.id_scope(), id("Sn-7"));
    let resource = format!("{}/registrations/Sn-7", service.id_scope());
    let credentials = Credentials::sas_token(token(&resource, &derived, NOW.as_secs() + 60));
    let hub_token = |key: &SymmetricKey| {
        token(&format!("{HUB}/devices/Sn-7"), key, NOW.as_secs() + 60).replace('/', "%2f")
    };
    let knock = |password: &str| {
        let mut connection = MqttConnection::new(service.clone(), NOW);
        exchange(&mut connection, &connect("Sn-7", "Sn-7", password, true))
    };
    let refused = connack(ConnectReturnCode::NotAuthorized, false);
    assert_eq!(knock(&hub_token(&derived)), refused, "not registered yet");

    assert_eq!(service.register(&identity, &credentials, b"", NOW).status, 202);
    assert_eq!(hub.devices(), ["Sn-7", "line-1"]);
    let token_with_slashes =
        token(&format!("{HUB}%2fdevices%2fSn-7"), &derived, NOW.as_secs() + 60);
    let welcome = connack(ConnectReturnCode::Success, false);
    assert_eq!(knock(&token_with_slashes), welcome);
    let secondary = group.secondary.derive(&id("Sn-7"));
    let resource = format!("{HUB}/devices/Sn-7");
    assert_eq!(knock(&token(&resource, &secondary, NOW.as_secs() + 60)), welcome);
    assert_eq!(knock(&token(&resource, &group.primary, NOW.as_secs() + 60)), refused);
    assert!(hub.remove("Sn-7"));
    assert_eq!(knock(&token_with_slashes), refused, "removed");
}

#[test]
fn a_device_id_may_have_any_of_its_characters_encoded_or_not() {
    let (service, hub) = service();
    let long = "%".repeat(128);
    for device in ["a%2F..(d)!$'*,=@:", "?-.+%_#*?!(),:=@$'", "100%", "registrations", &long] {
        service.iot_hubs().assign(HUB, device, keys(), Twin::default());
        let encoded = percent::encode(device);
        let resource = format!("{HUB}/devices/{device}");
        for (written, resource) in [
            (device, resource.clone()),
            (&encoded, percent::encode(&resource)),
            (device, percent::encode(&resource).replace("%2F", "%2f")),
        ] {
            let mut connection = MqttConnection::new(service.clone(), NOW);
            let password = token(&resource, &key(), NOW.as_secs() + 60);
            let answers = exchange(&mut connection, &connect(device, written, &password, true));
            assert_eq!(answers, connack(ConnectReturnCode::Success, false), "{written} {resource}");
            let topic = format!("devices/{encoded}/messages/events/");
            assert_eq!(exchange(&mut connection, &publish(&topic, QoS::AtMostOnce, "x")), []);
        }
        assert_eq!(hub.telemetry_count(device), Ok(3));
        // Decoded once more it would be another device's.
        if let Some(other) = percent::decode(device).filter(|other| other != device) {
            service.iot_hubs().assign(HUB, &other, keys(), Twin::default());
            let mut connection = MqttConnection::new(service.clone(), NOW);
            let password = token(&percent::encode(&resource), &key(), NOW.as_secs() + 60);
            let answers = exchange(&mut connection, &connect(&other, &other, &password, true));
            assert_eq!(answers, connack(ConnectReturnCode::NotAuthorized, false), "{other}");
        }
    }
}

#[test]
fn everything_else_is_refused_with_5() {
    let (service, hub) = service();
    let resource = format!("{HUB}/devices/line-1");
    let late = NOW.as_secs() + 3600;
    for (client_id, device, password) in [
        ("line-1", "line-1", String::new()),
        ("line-1", "line-1", "nonsense".to_owned()),
        ("line-1", "line-1", token(&resource, &key().derive(&id("x")), late)),
        ("line-1", "line-1", token(&resource, &key(), NOW.as_secs() - 301)),
        ("line-1", "line-1", token(&format!("{HUB}/devices/line-2"), &key(), late)),
        ("line-1", "line-1", token("east.localhost/devices/line-1", &key(), late)),
        ("line-1", "line-1", token(HUB, &key(), late)),
        ("line-2", "line-1", good_token()),
        ("LINE-1", "LINE-1", good_token()),
        ("line-1/module", "line-1/module", good_token()),
    ] {
        let mut connection = MqttConnection::new(service.clone(), NOW);
        let answers = exchange(&mut connection, &connect(client_id, device, &password, true));
        assert_eq!(
            answers,
            connack(ConnectReturnCode::NotAuthorized, false),
            "{client_id} {password}"
        );
        assert!(connection.is_closed());
    }
    assert_eq!(hub.is_connected("line-1"), Ok(false));
    assert_eq!(Hub::new(service.iot_hubs(), "nowhere.localhost").map(|hub| hub.devices()), None);
}

#[test]
fn telemetry_is_kept_with_its_properties_and_acknowledged() {
    let (service, hub) = service();
    let mut connection = connected(&service);
    let topic = "devices/line-1/messages/events/%24.ct=application%2Fjson&alert=true";
    let answers = exchange(&mut connection, &publish(topic, QoS::AtLeastOnce, "{\"t\":20}"));
    assert_eq!(answers, [Packet::PubAck(PubAck::new(7))]);
    let bare = publish("devices/line-1/messages/events/", QoS::AtMostOnce, "x");
    assert_eq!(exchange(&mut connection, &bare), []);
    let kept = hub.telemetry("line-1").unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(
        (kept[0].sequence, kept[0].enqueued, kept[0].body.as_slice()),
        (1, NOW, &b"{\"t\":20}"[..])
    );
    assert_eq!(kept[0].properties["$.ct"].as_deref(), Some("application/json"));
    assert_eq!(kept[0].properties["alert"].as_deref(), Some("true"));
    for number in 0..1500u32 {
        exchange(
            &mut connection,
            &publish("devices/line-1/messages/events/", QoS::AtMostOnce, number.to_string()),
        );
    }
    let kept = hub.telemetry("line-1").unwrap();
    assert_eq!((kept.len(), hub.telemetry_count("line-1")), (1000, Ok(1502)));
    assert_eq!(kept.last().unwrap().body, b"1499");
    assert_eq!(hub.telemetry("line-9"), Err(HubError::NoDevice));
}

#[test]
fn the_largest_message_is_256_kb() {
    let (service, hub) = service();
    let mut connection = connected(&service);
    let topic = "devices/line-1/messages/events/";
    let largest = publish(topic, QoS::AtLeastOnce, vec![0; 256 * 1024]);
    assert_eq!(exchange(&mut connection, &largest), [Packet::PubAck(PubAck::new(7))]);
    for size in [256 * 1024 + 1, 1024 * 1024] {
        let mut connection = connected(&service);
        assert_eq!(exchange(&mut connection, &publish(topic, QoS::AtLeastOnce, vec![0; size])), []);
        assert!(connection.is_closed());
    }
    assert_eq!(hub.telemetry_count("line-1"), Ok(1));
}

#[test]
fn what_a_hub_does_not_take_ends_the_connection() {
    let (service, hub) = service();
    let events = "devices/line-1/messages/events/";
    for input in [
        publish(events, QoS::ExactlyOnce, "x"),
        publish("devices/line-2/messages/events/", QoS::AtMostOnce, "x"),
        publish("$dps/registrations/PUT/iotdps-register/?$rid=1", QoS::AtMostOnce, ""),
        connect("line-1", "line-1", &good_token(), true),
        vec![0xf0, 0],
    ] {
        let mut connection = connected(&service);
        assert!(hub.is_connected("line-1").unwrap());
        exchange(&mut connection, &input);
        assert!(connection.is_closed());
        drop(connection);
        assert!(!hub.is_connected("line-1").unwrap());
    }
    assert_eq!(hub.telemetry_count("line-1"), Ok(0));
    let mut connection = connected(&service);
    let filters = [("#", QoS::AtLeastOnce), (TWIN, QoS::ExactlyOnce)];
    let answers = exchange(&mut connection, &subscribe(&filters));
    let Some(Packet::SubAck(codes)) = answers.first() else { panic!("{answers:?}") };
    let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
    assert_eq!(codes.return_codes, [SubscribeReasonCode::Failure, granted]);
}

#[test]
fn the_twin_is_read_reported_and_desired() {
    let (service, hub) = service();
    let mut connection = connected(&service);
    let get = publish("$iothub/twin/GET/?$rid=g-1", QoS::AtMostOnce, "");
    let answers = exchange(&mut connection, &get);
    let expected = json!({"desired": {"interval": 5, "$version": 1}, "reported": {"$version": 1}});
    assert_eq!(message(&answers[0]).0, "$iothub/twin/res/200/?$rid=g-1");
    assert_eq!(message(&answers[0]).1, expected);

    let report = |rid: u32, body: &str| {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}");
        publish(&topic, QoS::AtLeastOnce, body)
    };
    let answers = exchange(&mut connection, &report(2, r#"{"firmware":"1.0","old":null}"#));
    assert_eq!(answers[0], Packet::PubAck(PubAck::new(7)));
    assert_eq!(message(&answers[1]).0, "$iothub/twin/res/204/?$rid=2&$version=2");
    let answers = exchange(&mut connection, &report(3, "[]"));
    assert_eq!(message(&answers[1]).0, "$iothub/twin/res/400/?$rid=3");
    let twin = hub.twin("line-1").unwrap();
    assert_eq!(
        (Value::Object(twin.reported), twin.reported_version),
        (json!({"firmware": "1.0"}), 2)
    );

    assert_eq!(hub.update_desired("line-1", &json!({"interval": null, "led": "on"})), Ok(2));
    let pushed = packets(&connection.transmit());
    assert_eq!(message(&pushed[0]).0, "$iothub/twin/PATCH/properties/desired/?$version=2");
    assert_eq!(message(&pushed[0]).1, json!({"interval": null, "led": "on", "$version": 2}));
    assert!(matches!(hub.update_desired("line-1", &json!(1)), Err(HubError::Patch(_))));
    assert_eq!(Value::Object(hub.twin("line-1").unwrap().desired), json!({"led": "on"}));
    assert!(connection.transmit().is_empty());
}

#[test]
fn messages_wait_until_they_are_acknowledged() {
    let (service, hub) = service();
    hub.send("line-1", Message::new("one").with("$.mid", "m 1").with("color", "red")).unwrap();
    let mut connection = connected(&service);
    // It came with the answer to SUBSCRIBE, and is lost: the device vanishes.
    drop(connection);
    assert_eq!(hub.waiting("line-1"), Ok(1));
    connection = MqttConnection::new(service.clone(), NOW);
    let input = connect("line-1", "line-1", &good_token(), false);
    let answers = exchange(&mut connection, &input);
    assert_eq!(answers[0], connack(ConnectReturnCode::Success, true)[0], "its session goes on");
    let (topic, _, packet_id) = message(&answers[1]);
    assert_eq!(
        topic,
        "devices/line-1/messages/devicebound/%24.mid=m%201&%24.to=%2Fdevices%2Fline-1%2Fmessages%2FdeviceBound&color=red"
    );
    assert!(connection.transmit().is_empty(), "no message comes twice on one connection");
    exchange(&mut connection, &bytes(Packet::PubAck(PubAck::new(packet_id))));
    assert_eq!(hub.waiting("line-1"), Ok(0));

    // Without a subscription they wait, and the queue has an end.
    let unsubscribe = Unsubscribe { pkid: 2, topics: vec![MESSAGES.to_owned()] };
    exchange(&mut connection, &bytes(Packet::Unsubscribe(unsubscribe)));
    for _ in 0..50 {
        hub.send("line-1", Message::new("x")).unwrap();
    }
    assert_eq!(hub.send("line-1", Message::new("x")), Err(HubError::QueueFull));
    assert!(connection.transmit().is_empty());
    // At QoS 0 they are gone when they are sent.
    let answers = exchange(&mut connection, &subscribe(&[(MESSAGES, QoS::AtMostOnce)]));
    assert_eq!((answers.len(), hub.waiting("line-1")), (51, Ok(0)));
}

#[test]
fn a_clean_session_begins_without_subscriptions() {
    let (service, hub) = service();
    drop(connected(&service));
    let mut connection = MqttConnection::new(service.clone(), NOW);
    let answers = exchange(&mut connection, &connect("line-1", "line-1", &good_token(), true));
    assert_eq!(answers, connack(ConnectReturnCode::Success, false));
    hub.send("line-1", Message::new("x")).unwrap();
    hub.update_desired("line-1", &json!({"a": 1})).unwrap();
    let get = publish("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce, "");
    assert_eq!(exchange(&mut connection, &get), [], "nobody listens to the answer");
    assert!(!connection.is_closed());
}

#[test]
fn a_new_connection_takes_the_place_of_the_old_one() {
    let (service, hub) = service();
    let mut old = connected(&service);
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    let mut watched = MqttConnection::new(service.clone(), NOW);
    watched.set_wake(Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    exchange(&mut watched, &connect("line-1", "line-1", &good_token(), false));
    assert!(old.transmit().is_empty());
    assert!(old.is_closed());
    drop(old);
    assert!(hub.is_connected("line-1").unwrap(), "the old one's end is not the new one's");
    hub.send("line-1", Message::new("x")).unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    let _newest = connected(&service);
    assert_eq!(woken.load(Ordering::SeqCst), 2, "it is told that its place is taken");
    // What it still sends is not taken.
    let late = publish("devices/line-1/messages/events/", QoS::AtLeastOnce, "late");
    assert_eq!(exchange(&mut watched, &late), []);
    assert!(watched.is_closed());
    assert_eq!(hub.telemetry_count("line-1"), Ok(0));
}

#[test]
fn a_method_is_called_and_answered() {
    let (service, hub) = service();
    assert_eq!(hub.invoke("line-1", "blink", "1", Duration::ZERO), Err(HubError::NotListening));
    let mut connection = connected(&service);
    let caller = std::thread::spawn({
        let hub = hub.clone();
        move || hub.invoke("line-1", "blink", "{\"times\":3}", Duration::from_secs(30))
    });
    let call = loop {
        if let Some(call) = packets(&connection.transmit()).pop() {
            break call;
        }
        std::thread::yield_now();
    };
    assert_eq!(message(&call).0, "$iothub/methods/POST/blink/?$rid=1");
    assert_eq!(message(&call).1, json!({"times": 3}));
    let stray = publish("$iothub/methods/res/200/?$rid=99", QoS::AtMostOnce, "{}");
    exchange(&mut connection, &stray);
    let reply = publish("$iothub/methods/res/200/?$rid=1", QoS::AtMostOnce, "{\"done\":true}");
    exchange(&mut connection, &reply);
    let reply = caller.join().unwrap().unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"{\"done\":true}"[..]));
    assert_eq!(hub.invoke("line-1", "blink", "", Duration::ZERO), Err(HubError::NoAnswer));
}

#[test]
fn reprovisioning_moves_the_twin_or_makes_a_new_one() {
    let (service, hub) = service();
    let hubs = service.iot_hubs();
    hub.update_desired("line-1", &json!({"led": "on"})).unwrap();
    let mut connection = connected(&service);
    hubs.migrate(HUB, "EAST.localhost", "line-1", keys(), Twin::default());
    connection.transmit();
    assert!(connection.is_closed(), "the device is to go to its new hub");
    assert_eq!(hub.twin("line-1"), Err(HubError::NoDevice));
    let east = Hub::new(hubs, "east.LOCALHOST").unwrap();
    assert_eq!(
        (east.name(), east.twin("line-1").unwrap().desired["led"].clone()),
        ("EAST.localhost", "on".into())
    );

    let initial = json!({"properties": {"desired": {"fresh": true}}});
    hubs.reset("east.localhost", HUB, "line-1", keys(), Twin::initial(Some(&initial)));
    assert_eq!(east.devices(), Vec::<String>::new());
    assert_eq!(Value::Object(hub.twin("line-1").unwrap().desired), json!({"fresh": true}));
    // The same again keeps the twin.
    hub.update_desired("line-1", &json!({"fresh": null})).unwrap();
    hubs.assign(HUB, "line-1", keys(), Twin::initial(Some(&initial)));
    assert!(hub.twin("line-1").unwrap().desired.is_empty());
}

#[test]
fn a_silent_device_loses_its_connection() {
    let (service, hub) = service();
    let mut connection = connected(&service);
    assert_eq!(connection.next_timeout(), Some(NOW + Duration::from_secs(90)));
    connection.handle_timeout(NOW + Duration::from_secs(90));
    assert!(connection.is_closed());
    drop(connection);
    assert!(!hub.is_connected("line-1").unwrap());
}

#[test]
fn a_message_that_does_not_fit_into_a_packet_is_refused() {
    let (service, hub) = service();
    let mut connection = connected(&service);
    let long = Message::new("x").with("p", "v".repeat(65_536));
    assert_eq!(hub.send("line-1", long), Err(HubError::TooLarge));
    let large = Message::new(vec![0; 256 * 1024 + 1]);
    assert_eq!(hub.send("line-1", large), Err(HubError::TooLarge));
    let name = "m".repeat(65_536);
    assert_eq!(hub.invoke("line-1", &name, "", Duration::ZERO), Err(HubError::TooLarge));
    assert!(connection.transmit().is_empty());
    hub.send("line-1", Message::new("x").with("p", "v".repeat(60_000))).unwrap();
    let packets = packets(&connection.transmit());
    assert!(message(&packets[0]).0.len() > 60_000);
}

#[test]
fn properties_count_towards_the_telemetry_that_is_kept() {
    let (service, hub) = service();
    let mut connection = connected(&service);
    let topic = format!("devices/line-1/messages/events/p={}", "v".repeat(60_000));
    for _ in 0..200 {
        exchange(&mut connection, &publish(&topic, QoS::AtMostOnce, ""));
    }
    assert_eq!(hub.telemetry_count("line-1"), Ok(200));
    let kept = hub.telemetry("line-1").unwrap().len();
    assert!((130..140).contains(&kept), "{kept} messages of 60 KB in 8 MB");
}

#[test]
fn an_identity_with_another_key_ends_the_connection_and_the_same_does_not() {
    let (service, hub) = service();
    let mut connection = connected(&service);
    service.iot_hubs().assign(HUB, "line-1", keys(), Twin::default());
    connection.transmit();
    assert!(!connection.is_closed());
    let other = key().derive(&id("new"));
    let other = SymmetricKeys { primary: other.clone(), secondary: other };
    service.iot_hubs().assign(HUB, "line-1", HubIdentity::Keys(other), Twin::default());
    connection.transmit();
    assert!(connection.is_closed());
    assert!(!hub.is_connected("line-1").unwrap());
}

#[test]
fn a_connection_ends_when_its_token_expires() {
    let (service, hub) = service();
    let mut connection = connected(&service);
    // The clocks may differ by as much as when the token was presented.
    let expiry = NOW + Duration::from_secs(3600) + service.iot_hubs().clock_skew;
    let mut now = NOW;
    loop {
        let due = connection.next_timeout().unwrap();
        if due == expiry {
            break;
        }
        now = due - Duration::from_secs(1);
        connection.receive(now, &bytes(Packet::PingReq));
        assert_eq!(packets(&connection.transmit()), [Packet::PingResp]);
    }
    connection.handle_timeout(expiry - Duration::from_secs(1));
    assert!(!connection.is_closed());
    connection.handle_timeout(expiry);
    assert!(connection.is_closed());
    drop(connection);
    assert!(now < expiry && !hub.is_connected("line-1").unwrap());
}

#[test]
fn events_tell_who_comes_who_goes_and_who_is_not_let_in() {
    let (service, hub) = service();
    let happened = || -> Vec<Value> {
        let (entries, _) = service.events().after(0, usize::MAX);
        entries.iter().map(|entry| serde_json::to_value(entry).unwrap()).collect()
    };
    let first = connected(&service);
    let second = connected(&service);
    drop(first);
    drop(second);
    let mut stranger = MqttConnection::new(service.clone(), NOW);
    exchange(&mut stranger, &connect("line-1", "line-1", "SharedAccessSignature sr=x", false));
    let third = connected(&service);
    assert!(hub.remove("line-1"));
    drop(third);
    let events = happened();
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let (came, went) = ("deviceConnected", "deviceDisconnected");
    assert_eq!(kinds, [came, went, came, went, "deviceRefused", came, went]);
    assert!(events.iter().all(|event| event["hub"] == HUB && event["deviceId"] == "line-1"));
    assert_eq!(events[1]["reason"], "another connection has taken its place");
    assert_eq!(events[4]["reason"], "the SAS token is malformed: sig is missing");
    assert_eq!(events[6]["reason"], "the device was removed from the hub");
}
