//! The service API, behind the HTTPS door, against an operator who asks for anything at all: each
//! request has one answer, in JSON if it has a body, and none is a fault of the service.
#![no_main]

use dps_core::SymmetricKey;
use dps_core::sas::UnsignedToken;
use dps_emulator::{EmulatorConfig, Random, Service, serve_https};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::runtime::{Builder, Runtime};

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "PATCH"];
const PATHS: [&str; 10] = [
    "/enrollments/a?api-version=2021-10-01",
    "/enrollmentGroups/a?api-version=2021-10-01",
    "/enrollments?api-version=2021-10-01",
    "/enrollments/query?api-version=2021-10-01",
    "/enrollmentGroups/query?api-version=2021-10-01",
    "/enrollments/a/attestationmechanism?api-version=2021-10-01",
    "/enrollmentGroups/a/attestationmechanism?api-version=2021-10-01",
    "/registrations/a?api-version=2021-10-01",
    "/registrations/a/query?api-version=2021-10-01",
    "/",
];
/// Whose bytes are changed.
const BODIES: [&str; 6] = [
    "",
    r#"{"registrationId":"a","attestation":{"type":"symmetricKey","symmetricKey":{}},"initialTwin":{"tags":{"a":1},"properties":{"desired":{"b":[1,{}]}}},"deviceId":"d","reprovisionPolicy":{"updateHubAssignment":true,"migrateDeviceData":false},"allocationPolicy":"static","iotHubs":["contoso-hub.localhost"]}"#,
    r#"{"enrollmentGroupId":"a","attestation":{"type":"symmetricKey","symmetricKey":{"primaryKey":"AAECAwQFBgcICQoLDA0ODw==","secondaryKey":"AAECAwQFBgcICQoLDA0ODw=="}},"provisioningStatus":"disabled","allocationPolicy":"custom","customAllocationDefinition":{"webhookUrl":"http://127.0.0.1:1/","apiVersion":"2021-10-01"}}"#,
    r#"{"query":"SELECT * FROM enrollments"}"#,
    r#"{"mode":"create","enrollments":[{"registrationId":"b","attestation":{"type":"symmetricKey"}},{"registrationId":"c","attestation":{"type":"tpm","tpm":{"endorsementKey":"AToAAQ=="}}}]}"#,
    r#"{"registrationId":"a","etag":"\"x\"","attestation":{"type":"x509","x509":{"clientCertificates":{"primary":{"certificate":"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"}}}}}"#,
];

struct World {
    runtime: Runtime,
    service: Arc<Service>,
    authorization: String,
    left: u32,
}

impl World {
    fn new() -> Self {
        let service = Service::new(&EmulatorConfig::default(), Random::from_seed([1; 32])).unwrap();
        let text = service.connection_string("dps.test");
        let part = |name| text.split(';').find_map(|part| part.strip_prefix(name)).unwrap();
        let key = SymmetricKey::from_base64(part("SharedAccessKey=")).unwrap();
        let token = UnsignedToken::new("dps.test", 4_000_000_000);
        let token = token.key_name(part("SharedAccessKeyName=")).sign(&key);
        let authorization = token.as_str().to_owned();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, service: Arc::new(service), authorization, left: 300 }
    }

    /// All that the service says to these bytes.
    fn ask(&self, request: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            let (mut near, far) = duplex(1 << 21);
            near.write_all(request).await.unwrap();
            let _ = serve_https(far, self.service.clone(), Vec::new()).await;
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            answer
        })
    }
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

fn changed(text: &str, changes: &[u8]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for triple in changes.chunks_exact(3) {
        if bytes.is_empty() {
            break;
        }
        let at = (usize::from(triple[0]) * 256 + usize::from(triple[1])) % bytes.len();
        bytes[at] = triple[2];
    }
    bytes
}

fuzz_target!(|input: &[u8]| {
    let [method, place, body, rest @ ..] = input else { return };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (path, header, content) = (part(), part(), part());
    let path_index = usize::from(*place) % (PATHS.len() + 1);
    // A known path with more behind it, or any.
    let known = PATHS.get(path_index).copied().unwrap_or_default();
    let visible = |byte: &u8| (0x21..0x7f).contains(byte);
    let more: Vec<u8> = path.iter().copied().filter(visible).collect();
    let path = [known.as_bytes(), &more].concat();
    let path = if path.first() == Some(&b'/') { path } else { [b"/", &path[..]].concat() };
    let body = match usize::from(*body) % (BODIES.len() + 1) {
        raw if raw == BODIES.len() => content.to_vec(),
        index => changed(BODIES[index], content),
    };
    WORLD.with_borrow_mut(|world| {
        if world.as_ref().is_none_or(|world| world.left == 0) {
            *world = Some(World::new());
        }
        let world = world.as_mut().unwrap();
        world.left -= 1;
        let header: Vec<u8> =
            header.iter().copied().filter(|byte| *byte >= 0x20 && *byte != 0x7f).collect();
        let name: &[u8] = match method >> 4 {
            0..4 => b"If-Match: ",
            4..8 => b"x-ms-continuation: ",
            8..12 => b"x-ms-max-item-count: ",
            _ => b"x-other: ",
        };
        let mut request = Vec::new();
        request.extend_from_slice(METHODS[usize::from(method & 15) % METHODS.len()].as_bytes());
        request.extend_from_slice(b" ");
        request.extend_from_slice(&path);
        request.extend_from_slice(
            b" HTTP/1.1\r\nHost: dps.test\r\nConnection: close\r\nAuthorization: ",
        );
        request.extend_from_slice(world.authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(name);
        request.extend_from_slice(&header);
        request.extend_from_slice(
            format!("\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len())
                .as_bytes(),
        );
        request.extend_from_slice(&body);
        let answer = world.ask(&request);
        let text = String::from_utf8(answer).expect("answers are text");
        assert!(text.starts_with("HTTP/1.1 "), "{text}");
        let status: u16 = text[9..12].parse().unwrap();
        assert!(status < 500, "{text}");
        assert_ne!(status, 401, "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("HTTP/1.1 1"), "{text}");
        if !body.is_empty() {
            serde_json::from_str::<serde_json::Value>(body).expect("a body is JSON");
        }
        assert!(body.len() < 1 << 22);
    });
});
