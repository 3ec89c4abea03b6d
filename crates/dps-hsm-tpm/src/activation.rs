//! Taking over a key from the service (`wire-protocol.md` section 5.4, steps 1 to 5).

use crate::blob::Blob;
use crate::connection::Connection;
use crate::identity_key::{self, MAC_LENGTH};
use crate::{IDENTITY_KEY_HANDLE, Tpm, TpmError, primary, response};
use tss_esapi::constants::SessionType;
use tss_esapi::handles::{AuthHandle, KeyHandle, SessionHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{Data, Digest, MaxBuffer, Nonce, SymmetricDefinition};
use tss_esapi::structures::{Private, SymmetricDefinitionObject};

/// The length in bytes of the key that wraps the identity key: AES-128.
const WRAPPING_KEY_LENGTH: usize = 16;

/// Makes the key in the blob the identity's key. Whatever fails before the new key is known to
/// work leaves the old one in place.
pub(crate) fn activate(tpm: &Tpm, bytes: &[u8]) -> Result<(), TpmError> {
    let blob = Blob::parse(bytes)?;
    let mut connection = Connection::open(tpm)?;
    let old = identity_key::find(&mut connection)?;
    let new = load(&mut connection, &blob)?;
    check(&mut connection, new)?;
    if let Some(old) = &old {
        connection.remove(old.key, IDENTITY_KEY_HANDLE)?;
    }
    // A key that was stored cannot be taken out and put back, so the old one cannot be restored;
    // but it has just made room for the new one.
    let stored = connection.store(new, IDENTITY_KEY_HANDLE);
    stored.map_err(|error| not_stored(error, old.is_some()))
}

/// What it means that the new key was not stored, whatever the reason: the old one is gone.
fn not_stored(error: TpmError, had_another: bool) -> TpmError {
    match had_another {
        true => TpmError::IdentityLost { cause: Box::new(error) },
        false => error,
    }
}

/// Says of an error that it is about the blob, if it is.
///
/// Some TPMs, libtpms among them, answer a secret that was encrypted for another key with
/// TPM_RC_FAILURE. One that has really failed would refuse whatever follows.
fn about_blob(connection: &mut Connection, root: KeyHandle, error: TpmError) -> TpmError {
    let works = |connection: &mut Connection| {
        connection.run("TPM2_ReadPublic", |context| context.read_public(root)).is_ok()
    };
    match error {
        TpmError::Command { command, code }
            if response::is_about_contents(code)
                || response::is_failure(code) && works(connection) =>
        {
            TpmError::RefusedBlob { command, code }
        }
        other => other,
    }
}

/// Recovers the key and loads it.
fn load(connection: &mut Connection, blob: &Blob) -> Result<KeyHandle, TpmError> {
    let root = primary::storage_root_key(connection)?;
    let wrapping_key = recover(connection, root.key, blob)?;
    let private: Private = connection
        .run_with_password("TPM2_Import", |context| {
            context.import(
                root.key.into(),
                Some(wrapping_key.clone()),
                blob.public.clone(),
                blob.duplicate.clone(),
                blob.seed.clone(),
                SymmetricDefinitionObject::AES_128_CFB,
            )
        })
        .map_err(|error| about_blob(connection, root.key, error))?;
    connection
        .run_with_password("TPM2_Load", |context| {
            context.load(root.key, private.clone(), blob.public.clone())
        })
        .map_err(|error| about_blob(connection, root.key, error))
}

/// Recovers the key that wraps the identity key: only the TPM with the endorsement key can, and
/// only with the storage root key that the service was shown.
fn recover(connection: &mut Connection, root: KeyHandle, blob: &Blob) -> Result<Data, TpmError> {
    let endorsement = primary::endorsement_key(connection)?.key;
    let session = policy_session(connection)?;
    let recovered = connection
        .run_authorized(
            "TPM2_ActivateCredential",
            (AuthSession::Password, Some(AuthSession::PolicySession(session))),
            |context| {
                context.activate_credential(
                    root,
                    endorsement,
                    blob.credential.clone(),
                    blob.credential_secret.clone(),
                )
            },
        )
        .map_err(|error| about_blob(connection, root, error))?;
    connection.run("TPM2_FlushContext", |context| {
        context.flush_context(SessionHandle::from(session).into())
    })?;
    if recovered.len() != WRAPPING_KEY_LENGTH {
        return Err(crate::BlobError::BadField { field: 1, name: "the credential" }.into());
    }
    Data::try_from(recovered.value()).map_err(|error| TpmError::of("TPM2_Import", error))
}

/// A session that may use the endorsement key.
fn policy_session(connection: &mut Connection) -> Result<PolicySession, TpmError> {
    const START: &str = "TPM2_StartAuthSession";
    let session = connection.run(START, |context| {
        context.start_auth_session(
            None,
            None,
            None,
            SessionType::Policy,
            SymmetricDefinition::AES_128_CFB,
            HashingAlgorithm::Sha256,
        )
    })?;
    let session = session
        .ok_or(tss_esapi::Error::WrapperError(tss_esapi::WrapperErrorKind::WrongValueFromTpm))
        .and_then(PolicySession::try_from)
        .map_err(|error| TpmError::of(START, error))?;
    connection.run_with_password("TPM2_PolicySecret", |context| {
        let (nonce, digest) = (Nonce::default(), Digest::default());
        context.policy_secret(session, AuthHandle::Endorsement, nonce.clone(), digest, nonce, None)
    })?;
    Ok(session)
}

/// Whether the key signs: the one before it is given up only for one that works.
fn check(connection: &mut Connection, key: KeyHandle) -> Result<(), TpmError> {
    const COMMAND: &str = "TPM2_HMAC";
    let text = MaxBuffer::try_from(&b"probe"[..]).map_err(|error| TpmError::of(COMMAND, error))?;
    let mac = connection
        .run_with_password(COMMAND, |context| {
            context.hmac(key.into(), text.clone(), HashingAlgorithm::Sha256)
        })
        .map_err(|error| about_blob(connection, key, error))?;
    if mac.len() == MAC_LENGTH { Ok(()) } else { Err(crate::BlobError::NotHmac.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_stored_after_the_old_one_was_removed_is_lost_whatever_the_reason() {
        let refused = TpmError::Command { command: "TPM2_EvictControl", code: 0x14b };
        let library =
            TpmError::Library { action: "TPM2_EvictControl", reason: "wrong value".into() };
        for cause in [refused, library] {
            assert_eq!(not_stored(cause.clone(), false), cause);
            let lost = not_stored(cause.clone(), true);
            assert_eq!((lost.hint(), lost.code()), ("register again", cause.code()));
            let text = lost.to_string();
            assert!(text.contains("is gone") && text.contains(&cause.to_string()), "{text}");
        }
    }
}
