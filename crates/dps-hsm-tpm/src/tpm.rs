//! Which TPM, and what it wants to know.

use crate::{Tcti, TpmError};
use core::fmt;
use tss_esapi::structures::Auth;
use zeroize::Zeroizing;

/// A TPM, and the authorization values that its owner may have set. Nothing is opened yet.
///
/// The values are only needed while keys are made or stored: the owner's for all of them, the
/// endorsement hierarchy's also for every activation. They are wiped when dropped and hidden in
/// `Debug`.
#[derive(Clone)]
pub struct Tpm {
    tcti: Tcti,
    owner: Secret,
    endorsement: Secret,
}

/// The greatest number of bytes in an authorization value.
const LONGEST_AUTH: usize = 64;

impl Tpm {
    /// A TPM whose hierarchies have no authorization values.
    pub fn new(tcti: Tcti) -> Self {
        Self { tcti, owner: Secret::default(), endorsement: Secret::default() }
    }

    /// Sets the authorization value of the owner hierarchy, of 64 bytes at most.
    ///
    /// # Errors
    ///
    /// [`TpmError::AuthTooLong`].
    pub fn with_owner_auth(self, value: &[u8]) -> Result<Self, TpmError> {
        Ok(Self { owner: Secret::new(value)?, ..self })
    }

    /// Sets the authorization value of the endorsement hierarchy, of 64 bytes at most.
    ///
    /// # Errors
    ///
    /// [`TpmError::AuthTooLong`].
    pub fn with_endorsement_auth(self, value: &[u8]) -> Result<Self, TpmError> {
        Ok(Self { endorsement: Secret::new(value)?, ..self })
    }

    /// How it is reached.
    pub fn tcti(&self) -> &Tcti {
        &self.tcti
    }

    pub(crate) fn owner(&self) -> &Secret {
        &self.owner
    }

    pub(crate) fn endorsement(&self) -> &Secret {
        &self.endorsement
    }
}

impl fmt::Debug for Tpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tpm").field("tcti", &self.tcti).finish_non_exhaustive()
    }
}

/// An authorization value.
#[derive(Clone, Default)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn new(value: &[u8]) -> Result<Self, TpmError> {
        if value.len() > LONGEST_AUTH {
            return Err(TpmError::AuthTooLong { length: value.len(), limit: LONGEST_AUTH });
        }
        Ok(Self(Zeroizing::new(value.to_vec())))
    }

    /// In tss-esapi's terms; wiped when dropped, too.
    pub(crate) fn auth(&self) -> Result<Auth, TpmError> {
        Auth::try_from(self.0.as_slice())
            .map_err(|_| TpmError::AuthTooLong { length: self.0.len(), limit: LONGEST_AUTH })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorization_values_are_bounded_and_hidden() {
        let tpm = Tpm::new(Tcti::auto()).with_owner_auth(b"hush").unwrap();
        let tpm = tpm.with_endorsement_auth(&[b'x'; 64]).unwrap();
        let debug = format!("{tpm:?} {:?}", tpm.owner());
        assert!(
            !debug.contains("hush") && !debug.contains("104") && !debug.contains("xx"),
            "{debug}"
        );
        let error = tpm.with_owner_auth(&[0; 65]).unwrap_err();
        assert!(error.to_string().contains("65"), "{error}");
    }
}
