//! Test material: authorities and device certificates.

use dps_client::PublicKeyPin;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
    date_time_ymd,
};

const RSA_KEY: &str = include_str!("../../crates/dps-hsm-x509/test-keys/rsa2048.pkcs8.pem");
const P256_KEY: &str = include_str!("../../crates/dps-hsm-x509/test-keys/p256.pkcs8.pem");
const P384_KEY: &str = include_str!("../../crates/dps-hsm-x509/test-keys/p384.pkcs8.pem");

/// A kind of device key.
#[derive(Clone, Copy, Debug)]
pub enum KeyKind {
    /// RSA of 2048 bits.
    Rsa,
    /// EC on P-256.
    P256,
    /// EC on P-384.
    P384,
}

impl KeyKind {
    /// The pin of its public key.
    pub fn pin(self) -> PublicKeyPin {
        let key = KeyPair::from_pem(self.pem()).unwrap();
        PublicKeyPin::of_public_key(&key.subject_public_key_info())
    }

    /// A private key in PEM, always the same.
    pub fn pem(self) -> &'static str {
        match self {
            Self::Rsa => RSA_KEY,
            Self::P256 => P256_KEY,
            Self::P384 => P384_KEY,
        }
    }
}

/// When a server's certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// Now.
    Valid,
    /// Until 2021.
    Expired,
    /// From 2119.
    NotYetValid,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

fn device_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn server_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    params
}

/// A server's certificate that it issued to itself, in PEM.
pub fn self_signed_server(name: &str, key: KeyKind) -> String {
    server_params(name).self_signed(&KeyPair::from_pem(key.pem()).unwrap()).unwrap().pem()
}

/// A certificate that a device issued to itself, in PEM.
pub fn self_signed(name: &str, key: KeyKind) -> String {
    device_params(name).self_signed(&KeyPair::from_pem(key.pem()).unwrap()).unwrap().pem()
}

/// A public key on P-256.
struct Point<'a>(&'a [u8]);

impl rcgen::PublicKeyData for Point<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

/// A certificate authority, root or intermediate.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A root.
    pub fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(authority_params(name), key).unwrap())
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(authority_params(name), key, &self.0).unwrap())
    }

    /// A device's certificate for a key on P-256 that is somewhere else: the public point,
    /// uncompressed. In PEM.
    pub fn certify(&self, name: &str, public_point: &[u8]) -> String {
        device_params(name).signed_by(&Point(public_point), &self.0).unwrap().pem()
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A device's certificate in PEM.
    pub fn device(&self, name: &str, key: KeyKind) -> String {
        self.sign(device_params(name), key)
    }

    /// A device's certificate for a new key on P-256, and that key, in PEM.
    pub fn device_with_new_key(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = device_params(name).signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A device's certificate that expired in 2021.
    pub fn expired_device(&self, name: &str, key: KeyKind) -> String {
        let mut params = device_params(name);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params, key)
    }

    /// A server's certificate in PEM.
    pub fn server(&self, name: &str, key: KeyKind, kind: ServerKind) -> String {
        let mut params = server_params(name);
        match kind {
            ServerKind::Valid => {}
            ServerKind::Expired => params.not_after = date_time_ymd(2021, 1, 1),
            ServerKind::NotYetValid => params.not_before = date_time_ymd(2119, 1, 1),
        }
        self.sign(params, key)
    }

    fn sign(&self, params: CertificateParams, key: KeyKind) -> String {
        let key = KeyPair::from_pem(key.pem()).unwrap();
        params.signed_by(&key, &self.0).unwrap().pem()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}
