//! TLS against a rustls server in memory.

use super::*;
use crate::{Link, LinkSettings};
use core::time::Duration;
use dps_core::CertificateProblem;
use dps_core::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read as _, Write as _};

/// 2030-06-01.
const MIDDAY: u64 = 1_906_545_600;

struct Pki {
    ca_pem: String,
    /// The server's key.
    pin: PublicKeyPin,
    server: Arc<ServerConfig>,
}

/// A server that presents this certificate and asks for none.
fn server(certificate: &rcgen::Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    Arc::new(config)
}

fn pki(name: &str) -> Pki {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.not_before = date_time_ymd(2030, 1, 1);
    ca.not_after = date_time_ymd(2031, 1, 1);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.not_before = date_time_ymd(2030, 3, 1);
    leaf.not_after = date_time_ymd(2030, 9, 1);
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let pin = PublicKeyPin::of_public_key(&key.subject_public_key_info());
    let server = server(&certificate, &key);
    Pki { ca_pem: ca_certificate.pem(), pin, server }
}

fn at(unix_seconds: u64) -> Now {
    Now::new(Timestamp::new(Duration::from_secs(5)), unix_seconds)
}

/// Lets client and server talk until neither has anything to say; the server echoes.
fn converse(link: &mut Link, server: &mut ServerConnection, now: Now) -> Result<Vec<u8>, Error> {
    let mut up = Vec::new();
    loop {
        let mut wire = Vec::new();
        let sent = link.transmit(now, &mut wire);
        let mut slice = wire.as_slice();
        while !slice.is_empty() {
            server.read_tls(&mut slice).unwrap();
            if server.process_new_packets().is_err() {
                break;
            }
        }
        sent?;
        let mut plain = vec![0; 4096];
        if let Ok(count) = server.reader().read(&mut plain) {
            server.writer().write_all(&plain[..count]).unwrap();
        }
        let mut back = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut back).unwrap();
        }
        if wire.is_empty() && back.is_empty() {
            return Ok(up);
        }
        link.receive(now, &back, &mut up)?;
    }
}

fn link_to(settings: &TlsSettings, host: &str, now: Now) -> Result<Link, Error> {
    LinkSettings::new(settings.clone()).link(now, &Endpoint::parse(host).unwrap(), 443)
}

fn connect(settings: &TlsSettings, pki: &Pki, host: &str, now: Now) -> Result<Vec<u8>, Error> {
    let mut link = link_to(settings, host, now)?;
    assert_eq!(link.pending_stage(), Some(Stage::Tls));
    link.send(now, b"ahead of the handshake").unwrap();
    let mut server = ServerConnection::new(pki.server.clone()).unwrap();
    let up = converse(&mut link, &mut server, now)?;
    assert_eq!(link.pending_stage(), None);
    Ok(up)
}

fn problem_of(result: Result<Vec<u8>, Error>) -> CertificateProblem {
    let error = result.expect_err("must be refused");
    assert_eq!(error.stage(), Stage::Tls);
    assert!(!error.is_transient(), "{error}");
    match error.kind() {
        ErrorKind::ServerCertificate(problem) => *problem,
        other => panic!("{other:?}: {error}"),
    }
}

#[test]
fn bytes_sent_before_the_handshake_arrive_after_it() {
    let pki = pki("localhost");
    let settings = TlsSettings::new(&TrustAnchors::pem(pki.ca_pem.as_bytes()), None).unwrap();
    let up = connect(&settings, &pki, "localhost", at(MIDDAY)).unwrap();
    assert_eq!(up, b"ahead of the handshake");
}

#[test]
fn each_bad_certificate_has_its_own_reason() {
    let good = pki("localhost");
    let stranger = pki("localhost");
    let settings = TlsSettings::new(&TrustAnchors::pem(good.ca_pem.as_bytes()), None).unwrap();
    let tried = |pki, host, time| problem_of(connect(&settings, pki, host, at(time)));
    assert_eq!(tried(&stranger, "localhost", MIDDAY), CertificateProblem::UnknownIssuer);
    assert_eq!(tried(&good, "other.example", MIDDAY), CertificateProblem::WrongName);
    assert_eq!(tried(&good, "127.0.0.1", MIDDAY), CertificateProblem::WrongName);
    // 2030-10-01 and 2030-02-01, by the clock that the caller states.
    assert_eq!(tried(&good, "localhost", 1_917_086_400), CertificateProblem::Expired);
    assert_eq!(tried(&good, "localhost", 1_896_134_400), CertificateProblem::NotYetValid);
}

#[test]
fn a_self_signed_certificate_has_a_reason_of_its_own() {
    let good = pki("localhost");
    let settings = TlsSettings::new(&TrustAnchors::pem(good.ca_pem.as_bytes()), None).unwrap();
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        leaf.not_before = date_time_ymd(2030, 3, 1);
        leaf.not_after = date_time_ymd(2030, 9, 1);
        leaf.is_ca = is_ca;
        let certificate = leaf.self_signed(&key).unwrap();
        let server = server(&certificate, &key);
        let pin = PublicKeyPin::of_public_key(&key.subject_public_key_info());
        let itself = Pki { ca_pem: certificate.pem(), pin, server };
        let problem = problem_of(connect(&settings, &itself, "localhost", at(MIDDAY)));
        assert_eq!(problem, CertificateProblem::SelfSigned);
    }
}

#[test]
fn a_key_revoked_by_its_pin_is_refused_though_an_anchor_vouches_for_it() {
    let (good, other) = (pki("localhost"), pki("localhost"));
    let anchors = TrustAnchors::pem(good.ca_pem.as_bytes());
    let with_pins = |revoked_pins| {
        let options = TlsOptions { revoked_pins, ..TlsOptions::default() };
        let settings = TlsSettings::with_options(&anchors, None, &options).unwrap();
        connect(&settings, &good, "localhost", at(MIDDAY))
    };
    let problem = problem_of(with_pins(vec![other.pin, good.pin]));
    assert_eq!(problem, CertificateProblem::Revoked);
    assert!(with_pins(vec![other.pin]).is_ok());
}

#[test]
fn nothing_of_the_protocol_is_sent_to_a_server_that_is_not_trusted() {
    let good = pki("localhost");
    let stranger = pki("localhost");
    let settings = TlsSettings::new(&TrustAnchors::pem(good.ca_pem.as_bytes()), None).unwrap();
    let now = at(MIDDAY);
    let mut link = link_to(&settings, "localhost", now).unwrap();
    link.send(now, b"a secret").unwrap();
    let mut server = ServerConnection::new(stranger.server.clone()).unwrap();
    assert!(converse(&mut link, &mut server, now).is_err());
    let mut wire = Vec::new();
    let _ = link.transmit(now, &mut wire);
    let mut slice = wire.as_slice();
    while !slice.is_empty() && server.read_tls(&mut slice).is_ok() {
        let _ = server.process_new_packets();
    }
    let mut plain = [0; 64];
    assert_eq!(server.reader().read(&mut plain).unwrap_or(0), 0);
}

#[test]
fn a_server_that_does_not_speak_tls_is_refused() {
    let pki = pki("localhost");
    let settings = TlsSettings::new(&TrustAnchors::pem(pki.ca_pem.as_bytes()), None).unwrap();
    let now = at(MIDDAY);
    let mut link = link_to(&settings, "localhost", now).unwrap();
    let error = link.receive(now, b"HTTP/1.1 400 Bad Request\r\n\r\n", &mut Vec::new());
    assert_eq!(*error.unwrap_err().kind(), ErrorKind::Tls);
}

#[test]
fn bad_trust_anchors_say_what_is_wrong() {
    let detail = |anchors| TlsSettings::new(&anchors, None).unwrap_err().to_string();
    assert!(detail(TrustAnchors::pem("not PEM")).contains("no PEM certificate"));
    assert!(detail(TrustAnchors::system()).contains("this machine has none"));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(detail(TrustAnchors::pem(broken)).contains("certificate 1"));
}

/// A client and a server that have finished their handshake.
fn established() -> (Link, ServerConnection, Now) {
    let pki = pki("localhost");
    let settings = TlsSettings::new(&TrustAnchors::pem(pki.ca_pem.as_bytes()), None).unwrap();
    let now = at(MIDDAY);
    let mut link = link_to(&settings, "localhost", now).unwrap();
    let mut server = ServerConnection::new(pki.server.clone()).unwrap();
    converse(&mut link, &mut server, now).unwrap();
    (link, server, now)
}

fn flush(server: &mut ServerConnection) -> Vec<u8> {
    let mut wire = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut wire).unwrap();
    }
    wire
}

#[test]
fn what_arrives_before_a_fault_counts() {
    let (mut link, mut server, now) = established();
    server.writer().write_all(b"the reply").unwrap();
    let mut wire = flush(&mut server);
    wire.extend_from_slice(&[0x17, 3, 3, 0, 20]);
    wire.extend_from_slice(&[0; 20]);
    let mut up = Vec::new();
    let error = link.receive(now, &wire, &mut up).unwrap_err();
    assert_eq!(up, b"the reply");
    // Once the server has proved who it is, a fault on the way is no verdict on it.
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
}

#[test]
fn the_servers_goodbye_ends_the_link() {
    let (mut link, mut server, now) = established();
    server.writer().write_all(b"last words").unwrap();
    server.send_close_notify();
    let mut up = Vec::new();
    let error = link.receive(now, &flush(&mut server), &mut up).unwrap_err();
    assert_eq!(up, b"last words");
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
}

mod client_certificates {
    use super::*;
    use dps_core::{ClientKey, HsmError, SignatureScheme};
    use rcgen::SigningKey as _;
    use rustls::RootCertStore;
    use rustls::server::WebPkiClientVerifier;

    /// Stands for a key in hardware: all that leaves it are signatures.
    #[derive(Debug)]
    struct Token {
        key: KeyPair,
        works: bool,
    }

    impl ClientKey for Token {
        fn schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::EcdsaP256Sha256]
        }

        fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
            assert_eq!(scheme, SignatureScheme::EcdsaP256Sha256);
            if !self.works {
                let reason = "the token was pulled out".into();
                return Err(HsmError::Failed { operation: "sign", reason });
            }
            Ok(self.key.sign(message).unwrap())
        }
    }

    /// A device whose certificate is from a CA of its own, and that CA's certificate.
    fn device(works: bool) -> (ClientIdentity, CertificateDer<'static>) {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = ca.self_signed(&ca_key).unwrap().der().clone();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["device".to_owned()])
            .unwrap()
            .signed_by(&key, &Issuer::new(ca, ca_key))
            .unwrap();
        let chain = vec![leaf.der().to_vec(), root.to_vec()];
        (ClientIdentity::new(chain, Arc::new(Token { key, works })), root)
    }

    /// A server that demands a certificate from `root`.
    fn demanding(pki: &Pki, root: CertificateDer<'static>) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .unwrap();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(pki.server.cert_resolver.clone());
        server.send_tls13_tickets = 0;
        Arc::new(server)
    }

    /// The number of certificates that the server got, and its version of TLS.
    fn handshake(
        identity: Option<ClientIdentity>,
        root: CertificateDer<'static>,
        version: TlsVersion,
    ) -> Result<usize, Error> {
        let pki = pki("localhost");
        let options = TlsOptions {
            client_identity: identity,
            versions: TlsVersions::only(version),
            ..TlsOptions::default()
        };
        let anchors = TrustAnchors::pem(pki.ca_pem.as_bytes());
        let settings = TlsSettings::with_options(&anchors, None, &options).unwrap();
        let now = at(MIDDAY);
        let mut link = link_to(&settings, "localhost", now).unwrap();
        link.send(now, b"hello").unwrap();
        let mut server = ServerConnection::new(demanding(&pki, root)).unwrap();
        assert_eq!(converse(&mut link, &mut server, now)?, b"hello");
        let expected = match version {
            TlsVersion::V1_2 => rustls::ProtocolVersion::TLSv1_2,
            TlsVersion::V1_3 => rustls::ProtocolVersion::TLSv1_3,
        };
        assert_eq!(server.protocol_version(), Some(expected));
        Ok(server.peer_certificates().map_or(0, <[_]>::len))
    }

    const BOTH: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];

    #[test]
    fn the_whole_chain_is_presented_in_either_version() {
        for version in BOTH {
            let (identity, root) = device(true);
            assert_eq!(handshake(Some(identity), root, version).unwrap(), 2);
        }
    }

    #[test]
    fn a_server_that_does_not_accept_the_certificate_is_final() {
        for version in BOTH {
            let (stranger, _) = device(true);
            let (_, root) = device(true);
            for identity in [Some(stranger), None] {
                let error = handshake(identity, root.clone(), version).unwrap_err();
                assert_eq!(*error.kind(), ErrorKind::ClientCertificate, "{error}");
                assert!(!error.is_transient());
                assert!(error.hint().contains("certificate"));
            }
        }
    }

    #[test]
    fn a_key_that_fails_is_the_security_modules_failure() {
        for version in BOTH {
            let (identity, root) = device(false);
            let error = handshake(Some(identity), root, version).unwrap_err();
            assert_eq!((error.stage(), error.kind()), (Stage::Hsm, &ErrorKind::Hsm), "{error}");
            assert!(error.to_string().contains("pulled out"), "{error}");
            assert!(!error.is_transient());
        }
    }

    #[test]
    fn an_identity_without_a_certificate_is_refused() {
        let key = KeyPair::generate().unwrap();
        let identity = ClientIdentity::new(Vec::new(), Arc::new(Token { key, works: true }));
        let options = TlsOptions { client_identity: Some(identity), ..TlsOptions::default() };
        let anchors = TrustAnchors::pem(pki("localhost").ca_pem);
        let error = TlsSettings::with_options(&anchors, None, &options).unwrap_err();
        assert_eq!(error.stage(), Stage::Hsm);
    }
}
