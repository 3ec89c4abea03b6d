//! A device that registers by its TPM.

use crate::connection::Connection;
use crate::{Tpm, TpmError, activation, identity_key, primary};
use dps_core::{Attestation, Hsm, HsmError, Mac, RegistrationId, TpmKeys};

/// A TPM as an attestation source.
///
/// Its keys are made and stored when they are not there, with the C SDK's templates and at its
/// handles (`wire-protocol.md` section 5.1), so that devices keep their registration ids when they
/// move from one to the other.
#[derive(Clone, Debug)]
pub struct TpmHsm {
    tpm: Tpm,
}

/// The public halves of a TPM's two keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeys(TpmKeys);

impl DeviceKeys {
    /// The endorsement key as a marshalled `TPM2B_PUBLIC`; in base64, what an enrollment wants.
    pub fn endorsement_key(&self) -> &[u8] {
        &self.0.endorsement_key
    }

    /// The storage root key as a marshalled `TPM2B_PUBLIC`.
    pub fn storage_root_key(&self) -> &[u8] {
        &self.0.storage_root_key
    }

    /// The registration id that follows from the endorsement key (`wire-protocol.md` section 5.2).
    pub fn registration_id(&self) -> RegistrationId {
        RegistrationId::from_endorsement_key(&self.0.endorsement_key)
    }
}

impl TpmHsm {
    /// Opens the TPM once, and makes the keys that are missing. This can take seconds.
    ///
    /// # Errors
    ///
    /// [`TpmError`]: the TPM cannot be reached, its keys cannot be made, or are unfit.
    pub fn open(tpm: Tpm) -> Result<Self, TpmError> {
        let mut hsm = Self { tpm };
        hsm.keys()?;
        Ok(hsm)
    }

    /// The public keys, made if they are not there.
    ///
    /// # Errors
    ///
    /// [`TpmError`]: the TPM cannot be reached, its keys cannot be made, or are unfit.
    pub fn keys(&mut self) -> Result<DeviceKeys, TpmError> {
        let mut connection = Connection::open(&self.tpm)?;
        let endorsement_key = primary::endorsement_key(&mut connection)?.marshalled;
        let storage_root_key = primary::storage_root_key(&mut connection)?.marshalled;
        Ok(DeviceKeys(TpmKeys { endorsement_key, storage_root_key }))
    }

    /// Whether the TPM holds a key that the service sent.
    ///
    /// # Errors
    ///
    /// [`TpmError`]: the TPM cannot be reached, or another program's key is in the place.
    pub fn has_identity(&mut self) -> Result<bool, TpmError> {
        Ok(identity_key::find(&mut Connection::open(&self.tpm)?)?.is_some())
    }

    /// Removes the key that the service sent. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`TpmError`]: the TPM cannot be reached, another program's key is in the place, or the
    /// owner's authorization value is wrong.
    pub fn clear_identity(&mut self) -> Result<bool, TpmError> {
        identity_key::remove(&self.tpm)
    }
}

impl Hsm for TpmHsm {
    fn attestation(&self) -> Attestation {
        Attestation::Tpm
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        Ok(Some(RegistrationId::from_endorsement_key(&self.endorsement_key()?)))
    }

    fn sign(&mut self, data: &[u8]) -> Result<Mac, HsmError> {
        identity_key::sign(&self.tpm, data)
            .map_err(|error| error.failed("sign with the identity key"))
    }

    fn tpm_keys(&mut self) -> Result<TpmKeys, HsmError> {
        self.keys().map(|keys| keys.0).map_err(|error| error.failed("read its keys"))
    }

    fn endorsement_key(&mut self) -> Result<Vec<u8>, HsmError> {
        let read = |tpm| Ok(primary::endorsement_key(&mut Connection::open(tpm)?)?.marshalled);
        read(&self.tpm).map_err(|error: TpmError| error.failed("read its endorsement key"))
    }

    fn storage_root_key(&mut self) -> Result<Vec<u8>, HsmError> {
        let read = |tpm| Ok(primary::storage_root_key(&mut Connection::open(tpm)?)?.marshalled);
        read(&self.tpm).map_err(|error: TpmError| error.failed("read its storage root key"))
    }

    fn activate(&mut self, blob: &[u8]) -> Result<(), HsmError> {
        activation::activate(&self.tpm, blob)
            .map_err(|error| error.failed("activate the key that the service sent"))
    }
}
