//! `dps tpm` (`wire-protocol.md` sections 5.1, 5.2 and 7.3).

use crate::arguments::Tpm;
use crate::failure::Failure;

#[cfg(not(feature = "tpm"))]
pub(crate) fn run(_: &Tpm) -> Result<(), Failure> {
    Err(crate::tpm::not_built())
}

#[cfg(feature = "tpm")]
pub(crate) use built::run;

#[cfg(feature = "tpm")]
mod built {
    use super::{Failure, Tpm};
    use crate::arguments::{TpmClearIdentity, TpmCreateKey, TpmInfo};
    use crate::output;
    use crate::tpm::{failure, open};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use dps_hsm_tpm::{TpmError, TpmHsm, TpmSigningKey};

    pub(crate) fn run(command: &Tpm) -> Result<(), Failure> {
        match command {
            Tpm::Info(options) => info(options),
            Tpm::ClearIdentity(options) => clear_identity(options),
            Tpm::CreateKey(options) => create_key(options),
        }
    }

    fn info(options: &TpmInfo) -> Result<(), Failure> {
        let mut hsm = TpmHsm::open(open(&options.tpm)?).map_err(|error| failure(&error))?;
        let keys = hsm.keys().map_err(|error| failure(&error))?;
        let identity = match hsm.has_identity() {
            Ok(true) => "present",
            Ok(false) => "none",
            Err(TpmError::OtherKey { .. }) => "in its place is another program's key",
            Err(error) => return Err(failure(&error)),
        };
        let id = keys.registration_id();
        let endorsement_key = STANDARD.encode(keys.endorsement_key());
        let storage_root_key = STANDARD.encode(keys.storage_root_key());
        if options.json {
            output::line(serde_json::json!({
                "registrationId": id.as_str(),
                "endorsementKey": endorsement_key,
                "storageRootKey": storage_root_key,
                "identityKey": identity,
                "enrollment": {
                    "registrationId": id.as_str(),
                    "attestation": { "type": "tpm", "tpm": { "endorsementKey": endorsement_key } },
                },
            }));
            return Ok(());
        }
        output::line(format_args!("Registration id:\n{id}\n"));
        output::line(format_args!("Endorsement key:\n{endorsement_key}\n"));
        output::line(format_args!("Storage root key:\n{storage_root_key}\n"));
        output::line(format_args!("Identity key from the service: {identity}"));
        Ok(())
    }

    fn clear_identity(options: &TpmClearIdentity) -> Result<(), Failure> {
        let mut hsm = TpmHsm::open(open(&options.tpm)?).map_err(|error| failure(&error))?;
        if hsm.clear_identity().map_err(|error| failure(&error))? {
            output::line("The identity key is removed. The device has to register again.");
        } else {
            output::line("There was no identity key.");
        }
        Ok(())
    }

    fn create_key(options: &TpmCreateKey) -> Result<(), Failure> {
        let key = TpmSigningKey::create(open(&options.tpm)?, options.handle)
            .map_err(|error| failure(&error))?;
        output::line("-----BEGIN PUBLIC KEY-----");
        let text = STANDARD.encode(key.public_key_der());
        for line in text.as_bytes().chunks(64) {
            output::line(String::from_utf8_lossy(line));
        }
        output::line("-----END PUBLIC KEY-----");
        Ok(())
    }
}
