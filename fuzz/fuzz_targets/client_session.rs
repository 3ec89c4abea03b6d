//! A device's session against a service that sends anything at all: it must not panic, must not
//! grow without bounds, and must end exactly once, by its deadline at the latest.
#![no_main]

use dps_client::{
    Hsm as _, IdScope, Identity, Now, Output, Policy, RegistrationId, Session, SymmetricKey,
    Timestamp,
};
use dps_core::{Attestation, RegistrationConfig};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_transport::Link;
use dps_transport_mqtt::MqttTransport;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// What an honest service says first, so that the fuzzer gets past the opening.
const OPENING: [&[u8]; 2] = [&[0x20, 2, 0, 0], &[0x90, 3, 0, 1, 1]];

fuzz_target!(|input: &[u8]| {
    let Some((&flags, mut bytes)) = input.split_first() else { return };
    let id = RegistrationId::new("device").unwrap();
    let mut hsm = SymmetricKeyHsm::new(id.clone(), SymmetricKey::from_bytes(&[1; 32]).unwrap());
    let config = RegistrationConfig {
        identity: Identity { id_scope: IdScope::new("scope").unwrap(), registration_id: id },
        attestation: Attestation::SymmetricKey,
        payload: None,
        policy: Policy::default(),
    };
    let engine = Box::new(MqttTransport::new().conservative(flags & 1 != 0));
    let mut elapsed = Duration::ZERO;
    let reading = |elapsed: Duration| Now::new(Timestamp::new(elapsed), 1_800_000_000);
    let mut session = Session::new(config, engine, Box::new(|| 7), reading(elapsed));
    let mut wire = Vec::new();
    let mut connected = false;
    let mut ends = 0;
    for _ in 0..10_000 {
        let now = reading(elapsed);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Sign(text) => session.signed(now, hsm.sign(text.as_bytes())),
                Output::Connect => {
                    session.opened(now, Link::plain());
                    connected = true;
                    if flags & 2 != 0 {
                        OPENING.iter().for_each(|part| session.receive(now, part));
                    }
                }
                Output::Disconnect { .. } => connected = false,
                Output::Finished(_) => ends += 1,
                _ => {}
            }
        }
        wire.clear();
        session.transmit(now, &mut wire);
        assert!(wire.len() < 1 << 20);
        if ends > 0 {
            break;
        }
        if connected && !bytes.is_empty() {
            let (now_bytes, later) =
                bytes.split_at(bytes.len().min(1 + usize::from(bytes[0]) % 97));
            bytes = later;
            session.receive(now, now_bytes);
        } else if let Some(due) = session.next_timeout() {
            elapsed = elapsed.max(due.since_origin());
            session.handle_timeout(reading(elapsed));
        }
    }
    assert_eq!(ends, 1, "one outcome");
    assert!(elapsed <= Duration::from_secs(120));
});
