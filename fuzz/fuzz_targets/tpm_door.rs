//! The local service against devices that say anything at all about their TPM: SASL's exchange over
//! AMQP, and register requests over HTTPS.
#![no_main]

use dps_core::RegistrationId;
use dps_emulator::{
    AmqpConnection, AttestationConfig, Connection as _, Credentials, DeviceIdentity,
    EmulatorConfig, IndividualEnrollmentConfig, Random, Service,
};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const SCOPE: &str = "0ne00111111";
const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A `TPM2B_PUBLIC` by the C SDK's template.
fn public(attributes: u32, policy: &[u8]) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let modulus: Vec<u8> = (0..=255u8).map(|index| index.wrapping_mul(7) | 0x81).collect();
    sized(
        &[
            &[0x00, 0x01, 0x00, 0x0b][..],
            &attributes.to_be_bytes(),
            &sized(policy),
            &[0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10, 0x08, 0x00, 0, 0, 0, 0],
            &sized(&modulus),
        ]
        .concat(),
    )
}

static ENDORSEMENT: LazyLock<Vec<u8>> = LazyLock::new(|| public(0x0003_00b2, &[0x83; 32]));
static STORAGE: LazyLock<Vec<u8>> = LazyLock::new(|| public(0x0003_0472, &[]));

static SERVICE: LazyLock<Arc<Service>> = LazyLock::new(|| {
    let mut own = IndividualEnrollmentConfig::new(RegistrationId::new("d").unwrap());
    own.attestation = AttestationConfig::with_endorsement_key(&ENDORSEMENT);
    let mut config = EmulatorConfig::default();
    config.enrollments.push(own);
    Arc::new(Service::new(&config, Random::from_seed([1; 32])).unwrap())
});

fn frame(code: u8, fields: &[u8], count: u8) -> Vec<u8> {
    let mut body = vec![0, 0x53, code, 0xd0];
    body.extend_from_slice(&(fields.len() as u32 + 4).to_be_bytes());
    body.extend_from_slice(&u32::from(count).to_be_bytes());
    body.extend_from_slice(fields);
    let mut bytes = (8 + body.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[2, 1, 0, 0]);
    bytes.extend(body);
    bytes
}

fn binary(bytes: &[u8]) -> Vec<u8> {
    [&[0xb0][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// sasl-init with this first message.
fn init(message: &[u8]) -> Vec<u8> {
    let fields = [&[0xa3, 3, b'T', b'P', b'M'][..], &binary(message)].concat();
    [&b"AMQP\x03\x01\x00\x00"[..], &frame(0x41, &fields, 2)].concat()
}

fn response(message: &[u8]) -> Vec<u8> {
    frame(0x43, &binary(message), 1)
}

fn introduction() -> Vec<u8> {
    [&b"\0"[..], SCOPE.as_bytes(), b"\0d\0", &ENDORSEMENT].concat()
}

fn over_amqp(flags: u8, bytes: &[u8]) {
    let mut door = AmqpConnection::new(SERVICE.clone(), NOW);
    // How far an honest device has come before.
    let honest: [Vec<u8>; 3] =
        [init(&introduction()), response(&[&[0][..], &STORAGE].concat()), response(&[0])];
    let steps = usize::from(flags >> 1) % 4;
    for step in &honest[..steps] {
        door.receive(NOW, step);
        assert!(!door.is_closed());
    }
    let mut pieces = bytes.chunks(1 + usize::from(flags >> 3) * 16);
    if steps == 0 {
        door.receive(NOW, &init(pieces.next().unwrap_or_default()));
    }
    for piece in pieces {
        door.receive(NOW, &response(piece));
        assert!(door.transmit().len() < 1 << 20);
    }
    door.handle_timeout(NOW + Duration::from_secs(1000));
}

fn over_https(flags: u8, bytes: &[u8]) {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    // The good keys with bytes changed, the bytes themselves, or text that may be no base64.
    let changed = |good: &[u8]| {
        let mut key = good.to_vec();
        for pair in bytes.chunks_exact(2) {
            let at = usize::from(pair[0]) * 2 % key.len();
            key[at] ^= pair[1];
        }
        encode(&key)
    };
    let (endorsement, storage) = match (flags >> 1) & 3 {
        0 => (encode(bytes), encode(bytes)),
        1 => (encode(&ENDORSEMENT), changed(&STORAGE)),
        2 => (changed(&ENDORSEMENT), encode(&STORAGE)),
        _ => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            (encode(&ENDORSEMENT), text.replace(['"', '\\', '\n'], ""))
        }
    };
    let body = format!(
        "{{\"registrationId\":\"d\",\"tpm\":{{\"endorsementKey\":\"{endorsement}\",\"storageRootKey\":\"{storage}\"}}}}"
    );
    let identity = DeviceIdentity::new(SCOPE, RegistrationId::new("d").unwrap());
    let token = "SharedAccessSignature sr=0ne00111111%2Fregistrations%2Fd&sig=YQ%3D%3D&se=1900000000&skn=registration";
    for credentials in [Credentials::None, Credentials::sas_token(token)] {
        let reply = SERVICE.register(&identity, &credentials, body.as_bytes(), NOW);
        assert!((400..500).contains(&reply.status), "nobody has the TPM: {}", reply.status);
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&flags, bytes)) = input.split_first() else { return };
    match flags & 1 {
        0 => over_amqp(flags, bytes),
        _ => over_https(flags, bytes),
    }
});
