//! Who registers (`c-abi.md` section 3.4, the rows about what was never set).

use super::{ERROR, State};
use crate::abi::PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_TRANSPORT as TRANSPORT;
use crate::failure::Failure;
use crate::plugin;
use crate::security::{Proof, security};
use dps_hsm_custom::PluginError;

impl State {
    /// Finds the registration id, and for X.509 the certificate. What is found stays.
    ///
    /// # Errors
    ///
    /// ERROR when there is none, as in the original.
    pub(super) fn identify(&mut self) -> Result<(), Failure> {
        let missing = |detail: String| Err(Failure::usage(ERROR, detail));
        if let Proof::X509 = self.target.proof {
            if self.x509.is_none() {
                self.x509 = security().x509();
            }
            if let Some(option) = self.x509.missing() {
                return missing(format!("{option}; a device with a certificate needs both"));
            }
        }
        // Found in the token once for each handle, and then held.
        if matches!(self.target.proof, Proof::X509) {
            let found = match self.found.take() {
                Some(hsm) => Ok(hsm),
                None => self.x509.hsm(),
            };
            self.found = found.as_ref().ok().cloned();
            self.presented = Some(found);
        }
        if let Proof::X509Plugin(plugin) = &self.target.proof {
            self.presented = Some(match plugin.load() {
                Ok(hsm) => Ok(hsm),
                // The original finds out at the handshake.
                Err(error @ PluginError::Certificate(_)) => {
                    Err(plugin::failure(&error).under(TRANSPORT))
                }
                Err(error) => return Err(plugin::failure(&error)),
            });
        }
        if self.registration_id.is_none() {
            let own = match &self.target.proof {
                Proof::SymmetricKey { registration_name, .. } => Some(registration_name.clone()),
                Proof::KeyPlugin(plugin) => {
                    Some(plugin.registration_name().map_err(|error| plugin::failure(&error))?)
                }
                Proof::X509Plugin(plugin) => {
                    Some(plugin.common_name().map_err(|error| plugin::failure(&error))?)
                }
                // Beyond the original, whose certificates have no name.
                Proof::X509 => {
                    let hsm = self.presented.as_ref().and_then(|found| found.as_ref().ok());
                    match (hsm, &self.presented) {
                        (Some(hsm), _) => hsm.common_name().map(str::to_owned),
                        (None, Some(Err(failure))) => return Err(failure.clone().under(ERROR)),
                        (None, _) => None,
                    }
                }
            };
            if own.is_none() {
                return missing(
                    "there is no registration id: the certificate has no common name, and the option registration_id is not set"
                        .into(),
                );
            }
            self.registration_id = own;
        }
        Ok(())
    }
}
