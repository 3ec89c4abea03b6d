//! An open TPM.

use crate::{Tcti, Tpm, TpmError, response, retry, template};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use tss_esapi::Context;
use tss_esapi::constants::{CapabilityType, StartupType};
use tss_esapi::handles::{KeyHandle, ObjectHandle, PersistentTpmHandle, TpmHandle};
use tss_esapi::interface_types::dynamic_handles::Persistent;
use tss_esapi::interface_types::resource_handles::Provision;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::CapabilityData;

/// A connection to a TPM. When it is dropped, all keys and sessions that were loaded through it
/// are flushed. There must never be two of one thread: simulators serve one after the other.
pub(crate) struct Connection {
    context: Context,
    is_simulator: bool,
}

/// A key at a persistent handle.
pub(crate) struct StoredKey {
    pub(crate) key: KeyHandle,
    /// The `TPM2B_PUBLIC`.
    pub(crate) marshalled: Vec<u8>,
}

impl Connection {
    /// Opens the TPM, and tells it the hierarchies' authorization values.
    pub(crate) fn open(tpm: &Tpm) -> Result<Self, TpmError> {
        let mut connection = open(tpm.tcti())?;
        let hierarchies =
            [(ObjectHandle::Owner, tpm.owner()), (ObjectHandle::Endorsement, tpm.endorsement())];
        for (hierarchy, secret) in hierarchies {
            let auth = secret.auth()?;
            connection
                .run("Esys_TR_SetAuth", |context| context.tr_set_auth(hierarchy, auth.clone()))?;
        }
        Ok(connection)
    }

    /// Runs one command without authorization, again while the TPM is busy.
    pub(crate) fn run<T>(
        &mut self,
        command: &'static str,
        mut call: impl FnMut(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, TpmError> {
        let mut attempt = |context: &mut Context| {
            let once = || call(context).map_err(|error| TpmError::of(command, error));
            retry::while_busy(once, is_busy, thread::sleep)
        };
        match attempt(&mut self.context) {
            // A real TPM is started up by the firmware, a simulator perhaps by nobody.
            Err(error) if self.is_simulator && is_not_started(&error) => {
                self.context
                    .startup(StartupType::Clear)
                    .map_err(|error| TpmError::of("TPM2_Startup", error))?;
                attempt(&mut self.context)
            }
            other => other,
        }
    }

    /// The same with one or two authorizations.
    pub(crate) fn run_authorized<T>(
        &mut self,
        command: &'static str,
        sessions: (AuthSession, Option<AuthSession>),
        mut call: impl FnMut(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, TpmError> {
        let sessions = (Some(sessions.0), sessions.1, None);
        self.run(command, |context| context.execute_with_sessions(sessions, &mut call))
    }

    /// The same with the authorization value of what the command is about.
    pub(crate) fn run_with_password<T>(
        &mut self,
        command: &'static str,
        call: impl FnMut(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, TpmError> {
        self.run_authorized(command, (AuthSession::Password, None), call)
    }

    /// The handles in use, from `first` on.
    fn handles(&mut self, first: u32, count: u32) -> Result<Vec<TpmHandle>, TpmError> {
        let (data, _) = self.run("TPM2_GetCapability", |context| {
            context.get_capability(CapabilityType::Handles, first, count)
        })?;
        match data {
            CapabilityData::Handles(handles) => Ok(handles.into()),
            _ => Ok(Vec::new()),
        }
    }

    /// The key at a persistent handle, if there is one.
    pub(crate) fn stored(&mut self, handle: u32) -> Result<Option<StoredKey>, TpmError> {
        let wanted = TpmHandle::Persistent(persistent(handle)?);
        // Asking for a key that is not there would have tss2 complain on standard error.
        if self.handles(handle, 1)?.first() != Some(&wanted) {
            return Ok(None);
        }
        let read = self.run("TPM2_ReadPublic", |context| context.tr_from_tpm_public(wanted));
        let object = match read.map_err(|error| (error.code(), error)) {
            Ok(object) => object,
            // Keys of a hierarchy that is switched off are listed still, unless this one was
            // removed just now.
            Err((Some(code), _)) if response::is_no_handle(code) => {
                let is_listed = self.handles(handle, 1)?.first() == Some(&wanted);
                return match is_listed {
                    true => Err(TpmError::HierarchyOff { handle, code }),
                    false => Ok(None),
                };
            }
            Err((_, error)) => return Err(error),
        };
        let key = KeyHandle::from(object);
        let (public, _, _) = self.run("TPM2_ReadPublic", |context| context.read_public(key))?;
        let marshalled = template::marshalled(&public)?;
        Ok(Some(StoredKey { key, marshalled }))
    }

    /// Stores a loaded key at a persistent handle; the loaded one is dropped.
    pub(crate) fn store(&mut self, key: KeyHandle, handle: u32) -> Result<(), TpmError> {
        self.evict_control(key, handle)?;
        // The key is stored, whatever becomes of this; what stays loaded goes with the connection.
        let _ = self.flush(key);
        Ok(())
    }

    /// Removes a key from its persistent handle.
    pub(crate) fn remove(&mut self, key: KeyHandle, handle: u32) -> Result<(), TpmError> {
        self.evict_control(key, handle)
    }

    fn evict_control(&mut self, key: KeyHandle, handle: u32) -> Result<(), TpmError> {
        let place = Persistent::Persistent(persistent(handle)?);
        self.run_with_password("TPM2_EvictControl", |context| {
            context.evict_control(Provision::Owner, key.into(), place)
        })?;
        Ok(())
    }

    /// Unloads a key.
    pub(crate) fn flush(&mut self, key: KeyHandle) -> Result<(), TpmError> {
        self.run("TPM2_FlushContext", |context| context.flush_context(key.into()))
    }
}

fn is_busy(error: &TpmError) -> bool {
    error.code().is_some_and(response::is_passing)
}

fn persistent(handle: u32) -> Result<PersistentTpmHandle, TpmError> {
    // From 0x81800000 on handles belong to the platform.
    if !(0x8100_0000..=0x817f_ffff).contains(&handle) {
        return Err(TpmError::BadHandle { handle });
    }
    PersistentTpmHandle::new(handle).map_err(|_| TpmError::BadHandle { handle })
}

fn is_not_started(error: &TpmError) -> bool {
    error.code().is_some_and(response::is_not_started)
}

fn open(tcti: &Tcti) -> Result<Connection, TpmError> {
    let mut failure = TpmError::NoTpm;
    for candidate in tcti.candidates() {
        match open_one(&candidate) {
            Ok(context) => {
                return Ok(Connection { context, is_simulator: candidate.is_simulator() });
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn open_one(tcti: &Tcti) -> Result<Context, TpmError> {
    if let Some(path) = tcti.path() {
        check_device(path)?;
    }
    Context::new(tcti.configuration()?).map_err(|error| match response::code(error) {
        Some(code) => TpmError::Unreachable { tcti: tcti.to_string(), code },
        None => TpmError::of("opening the TPM", error),
    })
}

/// tss2 only says that a device cannot be opened, and not why.
fn check_device(path: &Path) -> Result<(), TpmError> {
    let open = || OpenOptions::new().read(true).write(true).open(path);
    // The bare device is for one program at a time: another one may just be at it.
    let is_busy = |error: &std::io::Error| error.kind() == ErrorKind::ResourceBusy;
    retry::while_busy(open, is_busy, thread::sleep).map(drop).map_err(|error| TpmError::Device {
        path: path.to_owned(),
        kind: error.kind(),
        reason: error.to_string(),
    })
}
