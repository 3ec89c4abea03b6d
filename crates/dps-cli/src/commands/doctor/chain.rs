//! The certificates that a server presented, in words.

use dps_client::dps_transport::PublicKeyPin;
use serde_json::{Value, json};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// One certificate of a chain.
pub(super) struct Certificate {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) names: Vec<String>,
    not_before: String,
    pub(super) not_after: String,
    pin: String,
}

impl Certificate {
    fn new(parsed: &X509Certificate<'_>) -> Self {
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map(|extension| extension.value.general_names.iter());
        Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names.into_iter().flatten().map(name).collect(),
            not_before: parsed.validity().not_before.to_string(),
            not_after: parsed.validity().not_after.to_string(),
            pin: PublicKeyPin::of_public_key(parsed.public_key().raw).to_string(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "subject": self.subject,
            "issuer": self.issuer,
            "names": self.names,
            "notBefore": self.not_before,
            "notAfter": self.not_after,
            "publicKeyPin": self.pin,
        })
    }
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => {
            match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
                (Ok(v4), _) => std::net::Ipv4Addr::from(v4).to_string(),
                (_, Ok(v6)) => std::net::Ipv6Addr::from(v6).to_string(),
                _ => name.to_string(),
            }
        }
        other => other.to_string(),
    }
}

/// What can be read of a chain in DER. A certificate that cannot be read ends it.
pub(super) fn describe(chain: &[Vec<u8>]) -> Vec<Certificate> {
    parsed(chain).iter().map(Certificate::new).collect()
}

/// The subject of the trust anchor that a chain leads to: the one whose key has signed one of its
/// certificates, or that is one of them.
pub(super) fn anchor(chain: &[Vec<u8>], trusted: &[Vec<u8>]) -> Option<String> {
    let anchors: Vec<X509Certificate<'_>> = trusted
        .iter()
        .filter_map(|der| X509Certificate::from_der(der).ok())
        .map(|(_, certificate)| certificate)
        .collect();
    parsed(chain).iter().rev().find_map(|certificate| {
        let met = anchors.iter().find(|anchor| {
            let is_issuer = anchor.subject().as_raw() == certificate.issuer().as_raw()
                && certificate.verify_signature(Some(anchor.public_key())).is_ok();
            is_issuer || anchor == &certificate
        });
        met.map(|anchor| anchor.subject().to_string())
    })
}

/// The certificates of a PEM text, in DER.
pub(super) fn from_pem(pem: &[u8]) -> Vec<Vec<u8>> {
    Pem::iter_from_buffer(pem).filter_map(Result::ok).map(|pem| pem.contents).collect()
}

fn parsed(chain: &[Vec<u8>]) -> Vec<X509Certificate<'_>> {
    chain
        .iter()
        .map_while(|der| X509Certificate::from_der(der).ok())
        .map(|(_, item)| item)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn the_anchor_is_the_one_that_signed_not_one_of_the_same_name() {
        let (right, impostor) = (authority("root"), authority("root"));
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["dps.example".into(), "127.0.0.1".into()]).unwrap();
        let leaf = leaf.signed_by(&key, &right).unwrap().der().to_vec();
        let (right, impostor) = (right.der().to_vec(), impostor.der().to_vec());

        let chain = vec![leaf];
        assert_eq!(anchor(&chain, &[impostor.clone(), right.clone()]).unwrap(), "CN=root");
        assert_eq!(anchor(&chain, std::slice::from_ref(&impostor)), None);
        assert_eq!(
            anchor(std::slice::from_ref(&impostor), std::slice::from_ref(&impostor)).unwrap(),
            "CN=root"
        );

        let described = &describe(&chain)[0];
        assert_eq!(described.names, ["dps.example", "127.0.0.1"]);
        assert_eq!(described.issuer, "CN=root");
        assert!(described.to_json()["publicKeyPin"].as_str().unwrap().starts_with("sha256/"));
        assert!(describe(&[b"rubbish".to_vec()]).is_empty());
    }
}
