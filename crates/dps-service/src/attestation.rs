//! How devices prove who they are (`wire-protocol.md` section 7.3).

use dps_core::SymmetricKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The kinds of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AttestationType {
    /// Nothing is known of it.
    None,
    /// A Trusted Platform Module.
    Tpm,
    /// A client certificate.
    X509,
    /// A shared key.
    SymmetricKey,
}

/// How devices prove who they are. `Debug` shows no key.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AttestationMechanism {
    /// The kind of proof.
    #[serde(rename = "type")]
    pub kind: AttestationType,
    /// The TPM's keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<Tpm>,
    /// The certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509: Option<X509>,
    /// The shared keys; the service makes up those that are absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symmetric_key: Option<SymmetricKeys>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl AttestationMechanism {
    fn of(kind: AttestationType) -> Self {
        Self { kind, tpm: None, x509: None, symmetric_key: None, other: Map::new() }
    }

    /// Shared keys, which the service makes up.
    pub fn symmetric_key() -> Self {
        Self::of(AttestationType::SymmetricKey)
    }

    /// These shared keys; the service makes up one that is absent.
    pub fn symmetric_keys(
        primary_key: Option<SymmetricKey>,
        secondary_key: Option<SymmetricKey>,
    ) -> Self {
        let symmetric_key = Some(SymmetricKeys { primary_key, secondary_key });
        Self { symmetric_key, ..Self::symmetric_key() }
    }

    /// A TPM with this endorsement key, in base64.
    pub fn tpm(endorsement_key: impl Into<String>) -> Self {
        let tpm = Tpm { endorsement_key: Some(endorsement_key.into()), storage_root_key: None };
        Self { tpm: Some(tpm), ..Self::of(AttestationType::Tpm) }
    }

    /// A device's own certificate, in PEM, and perhaps another.
    pub fn client_certificates(primary: &str, secondary: Option<&str>) -> Self {
        let client_certificates = Some(Certificates::of(primary, secondary));
        let x509 = X509 { client_certificates, ..X509::default() };
        Self { x509: Some(x509), ..Self::of(AttestationType::X509) }
    }

    /// The certificate, in PEM, of the authority that signs devices' certificates, and perhaps
    /// another.
    pub fn signing_certificates(primary: &str, secondary: Option<&str>) -> Self {
        let signing_certificates = Some(Certificates::of(primary, secondary));
        let x509 = X509 { signing_certificates, ..X509::default() };
        Self { x509: Some(x509), ..Self::of(AttestationType::X509) }
    }
}

/// A TPM's public keys, in base64.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tpm {
    /// The endorsement key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endorsement_key: Option<String>,
    /// The storage root key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_root_key: Option<String>,
}

/// Certificates.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct X509 {
    /// A device's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<Certificates>,
    /// Authorities'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_certificates: Option<Certificates>,
    /// Members that this version does not know, for example caReferences.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One or two certificates, either of which is accepted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Certificates {
    /// The first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<CertificateWithInfo>,
    /// The other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary: Option<CertificateWithInfo>,
}

impl Certificates {
    fn of(primary: &str, secondary: Option<&str>) -> Self {
        let item =
            |pem: &str| CertificateWithInfo { certificate: Some(pem.to_owned()), info: None };
        Self { primary: Some(item(primary)), secondary: secondary.map(item) }
    }
}

/// A certificate, and what it says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CertificateWithInfo {
    /// PEM or base64. The service need not give it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Subject, issuer, thumbprints, dates: from the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Value>,
}

/// Two shared keys, either of which is accepted. `Debug` does not show them; serializing does.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SymmetricKeys {
    /// The primary key.
    #[serde(default, with = "key", skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<SymmetricKey>,
    /// The secondary key.
    #[serde(default, with = "key", skip_serializing_if = "Option::is_none")]
    pub secondary_key: Option<SymmetricKey>,
}

/// A key as base64 text, which is wiped.
mod key {
    use super::{Deserialize, Deserializer, Serialize, Serializer, SymmetricKey, Zeroizing};
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(
        key: &Option<SymmetricKey>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        key.as_ref().map(SymmetricKey::to_base64).as_deref().serialize(output)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<SymmetricKey>, D::Error> {
        let text = Option::<String>::deserialize(input)?.map(Zeroizing::new);
        // An empty text is no key.
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| SymmetricKey::from_base64(&text)).transpose().map_err(D::Error::custom)
    }
}
