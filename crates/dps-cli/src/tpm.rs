//! The machine's TPM, if this build can speak to one (feature `tpm`).

#[cfg(feature = "tpm")]
pub(crate) use with::{TpmHsm, failure, hsm, open, signing_key};
#[cfg(not(feature = "tpm"))]
pub(crate) use without::{not_built, signing_key};

#[cfg(feature = "tpm")]
mod with {
    use crate::arguments::TpmOptions;
    use crate::failure::Failure;
    use crate::{exit, key_source};
    use dps_client::ClientKey;
    pub(crate) use dps_hsm_tpm::TpmHsm;
    use dps_hsm_tpm::{Tcti, Tpm, TpmError, TpmSigningKey};
    use dps_hsm_x509::{X509Error, X509Hsm, pem_chain};
    use std::sync::Arc;

    /// The TPM of the options. Nothing is opened yet.
    pub(crate) fn open(options: &TpmOptions) -> Result<Tpm, Failure> {
        let mut tpm = Tpm::new(options.tcti.parse::<Tcti>().map_err(|error| failure(&error))?);
        if let Some(path) = &options.tpm_owner_auth_file {
            let auth = key_source::passphrase(path)?;
            tpm = tpm.with_owner_auth(&auth).map_err(|error| failure(&error))?;
        }
        if let Some(path) = &options.tpm_endorsement_auth_file {
            let auth = key_source::passphrase(path)?;
            tpm = tpm.with_endorsement_auth(&auth).map_err(|error| failure(&error))?;
        }
        Ok(tpm)
    }

    /// The device that is the TPM.
    pub(crate) fn hsm(options: &TpmOptions) -> Result<TpmHsm, Failure> {
        TpmHsm::open(open(options)?).map_err(|error| failure(&error))
    }

    /// The device with this chain, whose key is in the TPM.
    pub(crate) fn signing_key(
        options: &TpmOptions,
        handle: u32,
        chain: &[u8],
    ) -> Result<X509Hsm, Failure> {
        let key = TpmSigningKey::at(open(options)?, handle).map_err(|error| failure(&error))?;
        let unusable = |error: X509Error| {
            Failure::new(exit::CONFIG, "the certificate cannot be used").why(error)
        };
        X509Hsm::from_chain(pem_chain(chain).map_err(unusable)?, |certified| {
            if certified.point() != Some(key.public_point()) {
                let subject = certified.subject().to_owned();
                return Err(X509Error::KeyMismatch { subject });
            }
            Ok(Arc::new(key) as Arc<dyn ClientKey>)
        })
        .map_err(unusable)
    }

    pub(crate) fn failure(error: &TpmError) -> Failure {
        let code = match error {
            TpmError::BadTcti { .. }
            | TpmError::AuthTooLong { .. }
            | TpmError::BadHandle { .. }
            | TpmError::Occupied { .. } => exit::CONFIG,
            _ => exit::HSM,
        };
        Failure::new(code, "the TPM cannot be used").why(error).at("hsm").remedy(error.hint())
    }
}

#[cfg(not(feature = "tpm"))]
mod without {
    use crate::arguments::TpmOptions;
    use crate::exit;
    use crate::failure::Failure;
    use dps_hsm_x509::X509Hsm;

    pub(crate) fn signing_key(_: &TpmOptions, _: u32, _: &[u8]) -> Result<X509Hsm, Failure> {
        Err(not_built())
    }

    pub(crate) fn not_built() -> Failure {
        Failure::new(exit::CONFIG, "this dps was built without support for TPMs")
            .remedy("build it with cargo build -p dps-cli --features tpm, which needs libtss2-dev")
    }
}
