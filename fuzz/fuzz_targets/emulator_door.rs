//! The local service's MQTT door against a client that sends anything at all.
#![no_main]

use dps_emulator::{Connection as _, EmulatorConfig, MqttConnection, Random, Service};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static SERVICE: LazyLock<Arc<Service>> = LazyLock::new(|| {
    let service = Service::new(&EmulatorConfig::default(), Random::from_seed([1; 32])).unwrap();
    Arc::new(service)
});

/// A CONNECT that gets past the door: client id and user name of a device, some password.
fn connect() -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    let mut rest = text("MQTT");
    rest.extend_from_slice(&[4, 0xc2, 0, 0]);
    rest.extend(text("d"));
    rest.extend(text("0ne00111111/registrations/d/api-version=2021-06-01"));
    rest.extend(text("SharedAccessSignature sr=a&sig=b&se=1"));
    let mut packet = vec![0x10, u8::try_from(rest.len()).unwrap() | 0x80, 1];
    if rest.len() < 128 {
        packet = vec![0x10, u8::try_from(rest.len()).unwrap()];
    }
    packet.extend(rest);
    packet
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, bytes)) = input.split_first() else { return };
    let now = Duration::from_secs(1_800_000_000);
    let mut door = MqttConnection::new(SERVICE.clone(), now);
    if flags & 1 != 0 {
        door.receive(now, &connect());
        // SUBSCRIBE to the responses.
        let filter = b"$dps/registrations/res/#";
        let mut subscribe = vec![0x82, 5 + filter.len() as u8, 0, 1, 0, filter.len() as u8];
        subscribe.extend_from_slice(filter);
        subscribe.push(1);
        door.receive(now, &subscribe);
    }
    for chunk in bytes.chunks(1 + usize::from(flags >> 1)) {
        door.receive(now, chunk);
        assert!(door.transmit().len() < 1 << 20);
    }
    door.handle_timeout(now + Duration::from_secs(1000));
    let _ = (door.transmit(), door.is_closed());
});
