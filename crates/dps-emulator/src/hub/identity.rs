//! How a device proves itself to its hub: by what the assignment made its identity of
//! (`wire-protocol.md` section 7.6).

use crate::model::{Attestation, SymmetricKeys};
use crate::sas::{SasError, SasToken};
use crate::service::Credentials;
use crate::x509::{Certificate, ChainProblem, PresentedChain};
use core::time::Duration;
use dps_core::{RegistrationId, SymmetricKey};

/// The proof that a hub asks of a device.
#[derive(Clone, Debug)]
pub(crate) enum HubIdentity {
    /// A SAS token signed with one of two keys: the enrollment's own, those derived from the
    /// group's, or the one that a TPM was sent.
    Keys(SymmetricKeys),
    /// One of these very certificates: an individual enrollment's.
    Certificates(Vec<Certificate>),
    /// A certificate with the device's id as common name that one of these authorities leads to.
    Authorities(Vec<Certificate>),
}

/// Why a device may not come in. For the log: the device is told CONNACK 5 whatever it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Objection {
    #[error("there is no such hub")]
    NoHub,
    #[error("the hub has no such device: it must register first")]
    NoDevice,
    #[error("the MQTT client id is not the device id of the user name")]
    ClientId,
    #[error("there is neither a token nor a client certificate")]
    NoCredentials,
    #[error("the device's identity in the hub asks for another proof")]
    OtherProof,
    #[error(transparent)]
    Token(#[from] SasError),
    #[error(transparent)]
    Certificate(#[from] ChainProblem),
}

impl HubIdentity {
    /// Of an individual enrollment: its keys or certificates are the hub's, too. A TPM is sent a
    /// key for the hub, without which it has none.
    pub(crate) fn of_device(
        attestation: &Attestation,
        hub_key: Option<&SymmetricKey>,
    ) -> Option<Self> {
        match attestation {
            Attestation::SymmetricKey(keys) => Some(Self::Keys(keys.clone())),
            Attestation::X509(given) => Some(Self::Certificates(given.all().cloned().collect())),
            Attestation::Tpm(_) => {
                let (primary, secondary) = (hub_key?.clone(), hub_key?.clone());
                Some(Self::Keys(SymmetricKeys { primary, secondary }))
            }
        }
    }

    /// Of a group's device that states the registration id `id`.
    pub(crate) fn of_group(attestation: &Attestation, id: &RegistrationId) -> Option<Self> {
        match attestation {
            Attestation::SymmetricKey(keys) => Some(Self::Keys(SymmetricKeys {
                primary: keys.primary.derive(id),
                secondary: keys.secondary.derive(id),
            })),
            Attestation::X509(given) => Some(Self::Authorities(given.all().cloned().collect())),
            // Each TPM has an enrollment of its own.
            Attestation::Tpm(_) => None,
        }
    }

    /// Whether the same proofs are good for both.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keys(one), Self::Keys(other)) => {
                let bytes = |keys: &SymmetricKeys| keys.both().map(|key| key.to_base64());
                bytes(one) == bytes(other)
            }
            (Self::Certificates(one), Self::Certificates(other))
            | (Self::Authorities(one), Self::Authorities(other)) => one == other,
            _ => false,
        }
    }

    /// Judges the credentials of the device `device` of `hub` at `now`. Gives when they expire, if
    /// they do.
    pub(super) fn verify(
        &self,
        hub: &str,
        device: &str,
        credentials: &Credentials,
        now: Duration,
        skew: Duration,
    ) -> Result<Option<Duration>, Objection> {
        match (self, credentials) {
            (_, Credentials::None) => Err(Objection::NoCredentials),
            (Self::Keys(keys), Credentials::SasToken(text)) => {
                let token = SasToken::parse(text)?;
                if !keys.both().iter().any(|key| token.verify_signature(key).is_ok()) {
                    return Err(SasError::Signature.into());
                }
                token.verify_hub_device(hub, device)?;
                token.verify_expiry(now, skew)?;
                Ok(Some(token.expires_at().saturating_add(skew)))
            }
            (Self::Certificates(enrolled), Credentials::Certificates(chain)) => {
                let chain = PresentedChain::parse(chain)?;
                match enrolled.iter().any(|certificate| certificate == chain.leaf()) {
                    true => Ok(None),
                    false => Err(ChainProblem::NotEnrolled.into()),
                }
            }
            (Self::Authorities(signers), Credentials::Certificates(chain)) => {
                let chain = PresentedChain::parse(chain)?;
                chain.verify_leaf(device, now)?;
                let mut problem = ChainProblem::NoGroup;
                for signer in signers {
                    match chain.distance_to(signer, now) {
                        Ok(_) => return Ok(None),
                        Err(reason) => problem = reason,
                    }
                }
                Err(problem.into())
            }
            _ => Err(Objection::OtherProof),
        }
    }
}
