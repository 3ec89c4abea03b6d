//! Who registers (`c-abi.md` section 3.4, the rows about what was never set).
//!
//! What a plug-in is asked for, it is asked for with no lock held: it may be slow, and Destroy must
//! not wait for it.

use super::{ERROR, State};
use crate::abi::PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_TRANSPORT as TRANSPORT;
use crate::failure::Failure;
use crate::plugin;
use crate::proof::Proof;
use crate::security::security;
use crate::x509::Material;
use dps_hsm_custom::PluginError;
use dps_hsm_x509::X509Hsm;

/// What has to be found out before a registration can begin.
pub(super) struct Question {
    proof: Proof,
    x509: Material,
    /// What the options' certificate and key are, if they were read before.
    found: Option<X509Hsm>,
    /// Whether an id is in force already.
    named: bool,
}

/// What was found.
pub(crate) struct Identity {
    /// None when one is in force already.
    pub(super) registration_id: Option<String>,
    /// The certificate and key that this was found out from.
    pub(super) x509: Material,
    /// What the certificate and key of the options or of a plug-in are.
    pub(super) presented: Option<Result<X509Hsm, Failure>>,
}

impl State {
    /// Takes the certificate of the options or of the process.
    ///
    /// # Errors
    ///
    /// ERROR when there is none, as in the original.
    pub(super) fn question(&self) -> Result<Question, Failure> {
        let mut x509 = self.x509.clone();
        if let Proof::X509 = self.target.proof {
            if x509.is_none() {
                x509 = security().x509_in_force();
            }
            if let Some(option) = x509.missing() {
                return missing(format!("{option}; a device with a certificate needs both"));
            }
        }
        Ok(Question {
            proof: self.target.proof.clone(),
            x509,
            found: self.found.clone(),
            named: self.registration_id.is_some(),
        })
    }
}

impl Question {
    /// Finds the registration id, and what the options or a plug-in present. A key in a token is
    /// looked for once for each handle.
    ///
    /// # Errors
    ///
    /// ERROR when there is none, as in the original.
    pub(super) fn answer(self) -> Result<Identity, Failure> {
        let found = matches!(self.proof, Proof::X509)
            .then(|| self.found.map_or_else(|| self.x509.hsm(), Ok));
        // The name first: modules are asked in the original's order.
        let registration_id = if self.named {
            None
        } else {
            let own = match &found {
                Some(Ok(hsm)) => hsm.common_name().map(str::to_owned),
                Some(Err(failure)) => return Err(failure.clone().under(ERROR)),
                None => self.proof.own_name(&self.x509)?,
            };
            if own.is_none() {
                return missing(
                    "there is no registration id: the certificate has no common name, and the option registration_id is not set"
                        .into(),
                );
            }
            own
        };
        let presented = match &self.proof {
            Proof::X509Plugin(plugin) => Some(match plugin.load() {
                Ok(hsm) => Ok(hsm),
                // The original finds out at the handshake.
                Err(error @ PluginError::Certificate(_)) => {
                    Err(plugin::failure(&error).under(TRANSPORT))
                }
                Err(error) => return Err(plugin::failure(&error)),
            }),
            _ => found,
        };
        Ok(Identity { registration_id, x509: self.x509, presented })
    }
}

fn missing<T>(detail: String) -> Result<T, Failure> {
    Err(Failure::usage(ERROR, detail))
}
