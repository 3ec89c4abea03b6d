//! A hub of the local service against a device that has been let in and then sends anything at all.
#![no_main]

use dps_core::IdScope;
use dps_core::RegistrationId;
use dps_core::SymmetricKey;
use dps_core::sas::{HexCase, UnsignedToken, hub_resource, registration_resource};
use dps_emulator::{
    Connection as _, Credentials, DeviceIdentity, EmulatorConfig, MqttConnection, Random, Service,
};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1_800_000_000);
const FOREVER: u64 = 4_000_000_000;
const HUB: &str = "contoso-hub.localhost";
const FILTERS: [&str; 4] = [
    "devices/d/messages/devicebound/#",
    "$iothub/twin/res/#",
    "$iothub/twin/PATCH/properties/desired/#",
    "$iothub/methods/POST/#",
];
const TOPICS: [&str; 6] = [
    "devices/d/messages/events/",
    "$iothub/twin/GET/?$rid=",
    "$iothub/twin/PATCH/properties/reported/?$rid=",
    "$iothub/methods/res/200/?$rid=",
    "devices/d/messages/",
    "",
];

struct World {
    service: Arc<Service>,
    key: SymmetricKey,
    left: u32,
}

impl World {
    /// A service to which the device is assigned.
    fn new() -> Self {
        let service = Service::new(&EmulatorConfig::default(), Random::from_seed([1; 32])).unwrap();
        let id = RegistrationId::new("d").unwrap();
        let key = service.groups()[0].symmetric_keys().unwrap().primary.derive(&id);
        let scope = IdScope::new(service.id_scope()).unwrap();
        let token = UnsignedToken::new(registration_resource(&scope, &id), FOREVER);
        let token = token.key_name("registration").sign(&key);
        let credentials = Credentials::sas_token(token.as_str());
        let identity = DeviceIdentity::new(service.id_scope(), id);
        let reply = service.register(&identity, &credentials, b"{\"registrationId\":\"d\"}", NOW);
        assert_eq!(reply.status, 202, "{}", reply.body);
        let operation: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        let operation = operation["operationId"].as_str().unwrap();
        let later = NOW + Duration::from_secs(100);
        let assigned = service.poll(&identity, &credentials, operation, later);
        assert!(assigned.body.contains("\"assigned\""), "{}", assigned.body);
        Self { service: Arc::new(service), key, left: 300 }
    }

    fn connect(&self) -> Vec<u8> {
        let token = UnsignedToken::new(hub_resource(HUB, "d"), FOREVER).hex_case(HexCase::Upper);
        let token = token.sign(&self.key);
        let mut body = text("MQTT");
        body.extend_from_slice(&[4, 0xc0, 0, 60]);
        body.extend(text("d"));
        body.extend(text(&format!("{HUB}/d/?api-version=2021-04-12")));
        body.extend(text(token.as_str()));
        packet(0x10, &body)
    }
}

fn text(text: &str) -> Vec<u8> {
    let size = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&size[..], text.as_bytes()].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut size = body.len();
    loop {
        let more = if size > 127 { 0x80 } else { 0 };
        bytes.push((size % 128) as u8 | more);
        size /= 128;
        if size == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// One step of the device, made of bytes.
fn step(kind: u8, bytes: &[u8]) -> Vec<u8> {
    match kind % 4 {
        // Anything.
        0 => bytes.to_vec(),
        // A packet with any content.
        1 => packet(kind & 0xf0 | 2, bytes),
        // A message on a topic, with the rest of it and the payload any.
        kind_of_topic => {
            let topic = TOPICS[usize::from(kind >> 4) % TOPICS.len()];
            let (more, payload) = bytes.split_at(bytes.len().min(usize::from(kind_of_topic) * 4));
            let topic = [topic.as_bytes(), more].concat();
            let size = (topic.len() as u16).to_be_bytes();
            packet(0x32, &[&size[..], &topic, &[0, 9], payload].concat())
        }
    }
}

fuzz_target!(|input: &[u8]| {
    WORLD.with_borrow_mut(|world| {
        if world.as_ref().is_none_or(|world| world.left == 0) {
            *world = Some(World::new());
        }
        let world = world.as_mut().unwrap();
        world.left -= 1;
        let mut door = MqttConnection::new(world.service.clone(), NOW);
        door.receive(NOW, &world.connect());
        // A session before may have left something.
        let answer = door.transmit();
        assert_eq!((answer.get(..2), answer.get(3)), (Some(&[0x20, 2][..]), Some(&0)));
        for filter in FILTERS {
            let body = [&[0, 1][..], &text(filter), &[1]].concat();
            door.receive(NOW, &packet(0x82, &body));
        }
        assert!(!door.is_closed());
        let mut rest = input;
        while let [kind, size, bytes @ ..] = rest {
            let (bytes, later) = bytes.split_at(bytes.len().min(usize::from(*size)));
            rest = later;
            door.receive(NOW, &step(*kind, bytes));
            assert!(door.transmit().len() < 1 << 22);
        }
        door.handle_timeout(NOW + Duration::from_secs(1000));
        let _ = (door.transmit(), door.is_closed());
    });
});
