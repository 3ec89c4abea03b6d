//! The endorsement key and the storage root key (`wire-protocol.md` section 5.1): made and stored
//! when they are not there.

use crate::connection::{Connection, StoredKey};
use crate::template::{self, Area, Template};
use crate::{ENDORSEMENT_KEY_HANDLE, STORAGE_ROOT_KEY_HANDLE, TpmError, response};
use tss_esapi::interface_types::resource_handles::Hierarchy;

/// A key that the TPM derives from a seed of its own.
struct Primary {
    handle: u32,
    hierarchy: Hierarchy,
    template: fn() -> Template,
    is_usable: fn(&Area<'_>) -> bool,
    name: &'static str,
}

const ENDORSEMENT_KEY: Primary = Primary {
    handle: ENDORSEMENT_KEY_HANDLE,
    hierarchy: Hierarchy::Endorsement,
    template: template::endorsement_key,
    is_usable: |area| area.is_endorsement_key(),
    name: "an endorsement key of RSA with 2048 bits, SHA-256 and the standard policy",
};

const STORAGE_ROOT_KEY: Primary = Primary {
    handle: STORAGE_ROOT_KEY_HANDLE,
    hierarchy: Hierarchy::Owner,
    template: template::storage_root_key,
    is_usable: |area| area.is_storage_root_key(),
    name: "a storage root key of RSA with 2048 bits and SHA-256",
};

/// The key by which the service knows the TPM.
pub(crate) fn endorsement_key(connection: &mut Connection) -> Result<StoredKey, TpmError> {
    ENDORSEMENT_KEY.find_or_make(connection)
}

/// The key to which the service binds what it sends.
pub(crate) fn storage_root_key(connection: &mut Connection) -> Result<StoredKey, TpmError> {
    STORAGE_ROOT_KEY.find_or_make(connection)
}

impl Primary {
    fn find_or_make(&self, connection: &mut Connection) -> Result<StoredKey, TpmError> {
        if let Some(stored) = self.find(connection)? {
            return Ok(stored);
        }
        let public = template::public(&(self.template)())?;
        let made = connection.run_with_password("TPM2_CreatePrimary", |context| {
            context.create_primary(self.hierarchy, public.clone(), None, None, None, None)
        })?;
        match connection.store(made.key_handle, self.handle) {
            // Another program may have been faster.
            Err(error) if error.code().is_some_and(response::is_occupied) => {}
            other => other?,
        }
        self.find(connection)?.ok_or(TpmError::NoKey { handle: self.handle, wanted: self.name })
    }

    fn find(&self, connection: &mut Connection) -> Result<Option<StoredKey>, TpmError> {
        let Some(stored) = connection.stored(self.handle)? else { return Ok(None) };
        match Area::parse(&stored.marshalled) {
            Some(area) if (self.is_usable)(&area) => Ok(Some(stored)),
            area => Err(TpmError::OtherKey {
                handle: self.handle,
                found: area.map_or_else(|| "a key".into(), |area| area.description()),
                wanted: self.name,
            }),
        }
    }
}
