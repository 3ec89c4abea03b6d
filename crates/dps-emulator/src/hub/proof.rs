//! The proof of an identity in a state file: hubs know their devices again after a restart,
//! whatever became of the enrollments that let them in (`wire-protocol.md` section 7.6).

use super::identity::HubIdentity;
use crate::config::some_parsed;
use crate::model::SymmetricKeys;
use crate::summary::shown;
use crate::x509::Certificate;
use dps_core::SymmetricKey;
use serde::{Deserialize, Serialize};

/// A proof as JSON. It may hold keys, so it has no `Debug`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ProofRow {
    Keys(Keys),
    /// DER in base64.
    Certificates(Vec<String>),
    /// DER in base64.
    Authorities(Vec<String>),
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Keys {
    #[serde(deserialize_with = "some_parsed", serialize_with = "shown")]
    primary: Option<SymmetricKey>,
    #[serde(deserialize_with = "some_parsed", serialize_with = "shown")]
    secondary: Option<SymmetricKey>,
}

/// A proof that cannot be read.
#[derive(Debug)]
pub(crate) struct BadProof;

impl From<&HubIdentity> for ProofRow {
    fn from(identity: &HubIdentity) -> Self {
        let texts = |all: &[Certificate]| all.iter().map(Certificate::base64).collect();
        match identity {
            HubIdentity::Keys(keys) => Self::Keys(Keys {
                primary: Some(keys.primary.clone()),
                secondary: Some(keys.secondary.clone()),
            }),
            HubIdentity::Certificates(all) => Self::Certificates(texts(all)),
            HubIdentity::Authorities(all) => Self::Authorities(texts(all)),
        }
    }
}

impl TryFrom<ProofRow> for HubIdentity {
    type Error = BadProof;

    fn try_from(row: ProofRow) -> Result<Self, BadProof> {
        let read = |texts: Vec<String>| -> Result<Vec<Certificate>, BadProof> {
            texts.iter().map(|text| Certificate::from_text(text).map_err(|_| BadProof)).collect()
        };
        Ok(match row {
            ProofRow::Keys(Keys { primary, secondary }) => Self::Keys(SymmetricKeys {
                primary: primary.ok_or(BadProof)?,
                secondary: secondary.ok_or(BadProof)?,
            }),
            ProofRow::Certificates(texts) => Self::Certificates(read(texts)?),
            ProofRow::Authorities(texts) => Self::Authorities(read(texts)?),
        })
    }
}
