//! The key that the service sent (`wire-protocol.md` sections 5.1 and 5.4, step 6).

use crate::connection::{Connection, StoredKey};
use crate::template::Area;
use crate::{IDENTITY_KEY_HANDLE, Tpm, TpmError, sequence};
use dps_core::Mac;
use tss_esapi::constants::PropertyTag;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::MaxBuffer;

pub(crate) const MAC_LENGTH: usize = 32;
/// What a TPM takes in one command unless it says otherwise.
const USUAL_INPUT: usize = 1024;
const WANTED: &str = "a key for HMAC-SHA256 from the service";

/// The identity's key, if there is one. Another program's key is none, and stays untouched.
pub(crate) fn find(connection: &mut Connection) -> Result<Option<StoredKey>, TpmError> {
    let Some(stored) = connection.stored(IDENTITY_KEY_HANDLE)? else { return Ok(None) };
    match Area::parse(&stored.marshalled) {
        Some(area) if area.is_identity_key() => Ok(Some(stored)),
        area => Err(TpmError::OtherKey {
            handle: IDENTITY_KEY_HANDLE,
            found: area.map_or_else(|| "a key".into(), |area| area.description()),
            wanted: WANTED,
        }),
    }
}

/// Removes it. Whether there was one.
pub(crate) fn remove(tpm: &Tpm) -> Result<bool, TpmError> {
    let mut connection = Connection::open(tpm)?;
    let Some(stored) = find(&mut connection)? else { return Ok(false) };
    connection.remove(stored.key, IDENTITY_KEY_HANDLE)?;
    Ok(true)
}

/// HMAC-SHA256 of data of any length.
pub(crate) fn sign(tpm: &Tpm, data: &[u8]) -> Result<Mac, TpmError> {
    const COMMAND: &str = "TPM2_HMAC";
    let mut connection = Connection::open(tpm)?;
    let stored = find(&mut connection)?
        .ok_or(TpmError::NoKey { handle: IDENTITY_KEY_HANDLE, wanted: WANTED })?;
    let limit = connection
        .run("TPM2_GetCapability", |context| context.get_tpm_property(PropertyTag::InputBuffer))?
        .and_then(|limit| usize::try_from(limit).ok())
        .map_or(USUAL_INPUT, |limit| limit.clamp(1, MaxBuffer::MAX_SIZE));
    if data.len() <= limit {
        let buffer = MaxBuffer::try_from(data).map_err(|error| TpmError::of(COMMAND, error))?;
        let mac = connection.run_with_password(COMMAND, |context| {
            context.hmac(stored.key.into(), buffer.clone(), HashingAlgorithm::Sha256)
        })?;
        return sized(COMMAND, mac.value());
    }
    // The library has no sequences: they have a connection of their own.
    drop(connection);
    sized("TPM2_SequenceComplete", &sequence::hmac(tpm, IDENTITY_KEY_HANDLE, data, limit)?)
}

fn sized(command: &'static str, bytes: &[u8]) -> Result<Mac, TpmError> {
    <[u8; MAC_LENGTH]>::try_from(bytes).map(Mac::new).map_err(|_| TpmError::Library {
        action: command,
        reason: format!("the result has {} bytes instead of {MAC_LENGTH}", bytes.len()),
    })
}
