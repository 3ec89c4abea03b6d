//! Servers that must not be trusted: each is refused with its own reason, on every transport, and
//! nothing is sent to it after its certificate was seen.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    CertificateProblem, Endpoint, Error, ErrorKind, Policy, PublicKeyPin, Stage, TlsVersion,
    TlsVersions, Transport, TrustAnchors,
};
use dps_tests::{Authority, Fleet, KeyKind, Proof, ServerKind, self_signed_server};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a server has seen of one client: what it decrypted, and its alert.
#[derive(Debug, Default)]
struct Seen {
    plain: Vec<u8>,
    alert: Option<String>,
}

/// A TLS server for one connection, with this certificate and the key `KeyKind::P256`.
fn server(certificate: &str) -> (SocketAddr, Arc<Mutex<Seen>>, JoinHandle<()>) {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(KeyKind::P256.pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = seen.clone();
    let thread = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        loop {
            while connection.wants_write() {
                if connection.write_tls(&mut socket).is_err() {
                    return;
                }
            }
            match connection.read_tls(&mut socket) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let result = connection.process_new_packets();
            let mut seen = shared.lock().unwrap();
            let _ = connection.reader().read_to_end(&mut seen.plain);
            if let Err(error) = result {
                seen.alert = Some(error.to_string());
                return;
            }
        }
    });
    (address, seen, thread)
}

/// Registers at a server with this certificate; gives the error and what the server has seen.
fn tried(
    fleet: &Fleet,
    transport: Transport,
    version: TlsVersion,
    certificate: &str,
    trusted: &str,
    revoked: Option<PublicKeyPin>,
) -> (Error, Seen) {
    let (address, seen, thread) = server(certificate);
    let policy = Policy { deadline: Some(Duration::from_secs(20)), ..Policy::default() };
    let error = fleet
        .device(transport, Proof::X509Individual, "x509-device")
        .endpoint(Endpoint::parse(&format!("localhost:{}", address.port())).unwrap())
        .trust_anchors(TrustAnchors::pem(trusted))
        .tls_versions(TlsVersions::only(version))
        .revoked_pins(revoked)
        .policy(policy)
        .build()
        .unwrap()
        .register()
        .unwrap_err();
    thread.join().unwrap();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (error, seen)
}

#[test]
fn each_has_its_own_reason_and_gets_nothing() {
    let fleet = Fleet::start();
    let root = Authority::root("Right root");
    let other = Authority::root("Wrong root");
    let good = root.server("localhost", KeyKind::P256, ServerKind::Valid);
    let pin = KeyKind::P256.pin();
    let cases = [
        (
            root.server("other.example", KeyKind::P256, ServerKind::Valid),
            CertificateProblem::WrongName,
            None,
        ),
        (
            root.server("localhost", KeyKind::P256, ServerKind::Expired),
            CertificateProblem::Expired,
            None,
        ),
        (
            root.server("localhost", KeyKind::P256, ServerKind::NotYetValid),
            CertificateProblem::NotYetValid,
            None,
        ),
        (self_signed_server("localhost", KeyKind::P256), CertificateProblem::SelfSigned, None),
        (
            other.server("localhost", KeyKind::P256, ServerKind::Valid),
            CertificateProblem::UnknownIssuer,
            None,
        ),
        (good, CertificateProblem::Revoked, Some(pin)),
    ];
    for transport in Transport::ALL {
        for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
            for (certificate, problem, revoked) in &cases {
                let (error, seen) =
                    tried(&fleet, transport, version, certificate, &root.pem(), *revoked);
                let case = format!("{transport}, {version:?}, {problem:?}: {error}");
                assert_eq!(*error.kind(), ErrorKind::ServerCertificate(*problem), "{case}");
                assert_eq!(error.stage(), Stage::Tls, "{case}");
                assert!(!error.is_transient(), "{case}");
                assert_eq!(seen.plain, b"", "{case}");
                // The client said why it went away.
                assert!(seen.alert.is_some_and(|alert| alert.contains("alert")), "{case}");
            }
        }
    }
}

#[test]
fn a_server_with_a_good_certificate_does_get_something() {
    // So that the emptiness above means something.
    let fleet = Fleet::start();
    let root = Authority::root("Right root");
    let good = root.server("localhost", KeyKind::P256, ServerKind::Valid);
    for transport in Transport::ALL {
        let (address, seen, thread) = server(&good);
        let policy = Policy { deadline: Some(Duration::from_secs(2)), ..Policy::default() };
        let mut client = fleet
            .device(transport, Proof::KeyIndividual, "key-device")
            .endpoint(Endpoint::parse(&format!("localhost:{}", address.port())).unwrap())
            .trust_anchors(TrustAnchors::pem(root.pem()))
            .policy(policy)
            .build()
            .unwrap();
        client.register().unwrap_err();
        drop(client);
        thread.join().unwrap();
        assert!(!seen.lock().unwrap().plain.is_empty(), "{transport}");
    }
}
