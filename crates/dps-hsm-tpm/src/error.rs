//! What can go wrong with a TPM.

use crate::{BlobError, response};
use dps_core::HsmError;
use std::path::PathBuf;

/// Why a TPM could not do what was asked. The text says what failed, [`hint`](Self::hint) what to
/// do. Neither contains keys or authorization values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TpmError {
    /// A text is not a [`Tcti`](crate::Tcti).
    #[error("{text:?} does not say how to reach a TPM: {reason}")]
    BadTcti {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An authorization value is longer than any TPM takes.
    #[error("the authorization value has {length} bytes; at most {limit} are allowed")]
    AuthTooLong {
        /// Its length in bytes.
        length: usize,
        /// The greatest length in bytes.
        limit: usize,
    },
    /// The machine has no TPM that its kernel knows.
    #[error("there is no TPM: neither /dev/tpmrm0 nor /dev/tpm0 exists")]
    NoTpm,
    /// A device file cannot be opened.
    #[error("{} cannot be opened: {reason}", path.display())]
    Device {
        /// The device file.
        path: PathBuf,
        /// The kind of error.
        kind: std::io::ErrorKind,
        /// The system's words.
        reason: String,
    },
    /// Nothing answers as a TPM.
    #[error("the TPM at {tcti} cannot be reached: {}", response::words(*code))]
    Unreachable {
        /// How it was tried.
        tcti: String,
        /// tss2's code.
        code: u32,
    },
    /// The TPM refused a command.
    #[error("{command} failed: {}", response::words(*code))]
    Command {
        /// The command, as the TPM 2.0 specification calls it.
        command: &'static str,
        /// The TPM's response code, or tss2's.
        code: u32,
    },
    /// The TPM refused a part of an activation blob.
    #[error("the TPM does not accept the activation blob: {command}: {}", response::words(*code))]
    RefusedBlob {
        /// The command, as the TPM 2.0 specification calls it.
        command: &'static str,
        /// The TPM's response code.
        code: u32,
    },
    /// An activation blob is malformed.
    #[error("the activation blob is malformed: {0}")]
    Blob(#[from] BlobError),
    /// The tss-esapi library refused a call, or what came back from the TPM.
    #[error("{action} failed: {reason}")]
    Library {
        /// The command, or what was done.
        action: &'static str,
        /// The library's words.
        reason: String,
    },
    /// A handle holds another kind of key than the one that belongs there.
    #[error("the TPM's handle {handle:#010x} holds {found}, where {wanted} belongs")]
    OtherKey {
        /// The handle.
        handle: u32,
        /// The kind of key that is there.
        found: String,
        /// The kind that is needed.
        wanted: &'static str,
    },
    /// The TPM lists a key at a handle, and does not let it be used.
    #[error(
        "TPM2_ReadPublic failed: the key at the TPM's handle {handle:#010x} belongs to a hierarchy that is disabled (TPM_RC_HANDLE, code {code:#x})"
    )]
    HierarchyOff {
        /// The handle.
        handle: u32,
        /// The TPM's response code.
        code: u32,
    },
    /// There is no key at a handle.
    #[error("the TPM does not have {wanted} at the handle {handle:#010x}")]
    NoKey {
        /// The handle.
        handle: u32,
        /// The kind that is needed.
        wanted: &'static str,
    },
    /// A handle that a new key was meant for is taken.
    #[error("the TPM's handle {handle:#010x} is taken: it holds {found}")]
    Occupied {
        /// The handle.
        handle: u32,
        /// The kind of key that is there.
        found: String,
    },
    /// A handle is not one of a persistent key.
    #[error("{handle:#x} is no handle of a persistent key: those are 0x81000000 to 0x817fffff")]
    BadHandle {
        /// The handle.
        handle: u32,
    },
    /// The new identity key was good, but could not be stored, after the old one was removed to
    /// make room.
    #[error("the new identity key could not be stored, and the one before it is gone: {cause}")]
    IdentityLost {
        /// Why it could not.
        cause: Box<TpmError>,
    },
}

impl TpmError {
    /// An error of tss-esapi.
    pub(crate) fn of(command: &'static str, error: tss_esapi::Error) -> Self {
        match response::code(error) {
            Some(code) => Self::Command { command, code },
            None => Self::Library { action: command, reason: error.to_string() },
        }
    }

    /// The response code, if there is one.
    pub(crate) fn code(&self) -> Option<u32> {
        match self {
            Self::Unreachable { code, .. }
            | Self::Command { code, .. }
            | Self::RefusedBlob { code, .. }
            | Self::HierarchyOff { code, .. } => Some(*code),
            Self::IdentityLost { cause } => cause.code(),
            _ => None,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        use std::io::ErrorKind;
        match self {
            Self::BadTcti { .. } => {
                "give for example device:/dev/tpmrm0, tabrmd, or swtpm:host=127.0.0.1,port=2321"
            }
            Self::AuthTooLong { .. } => "check the authorization value",
            Self::NoTpm => {
                "enable the TPM in the firmware's settings, or name another way to one, such as tabrmd or swtpm:host=127.0.0.1,port=2321"
            }
            Self::Device { kind: ErrorKind::PermissionDenied, .. } => {
                "let the user use the TPM: add it to the group that owns the device (tss on Debian and Ubuntu), and log in again"
            }
            Self::Device { kind: ErrorKind::ResourceBusy, .. } => {
                "another program holds the TPM: use the resource manager /dev/tpmrm0 instead"
            }
            Self::Device { .. } => "check the path; /dev/tpmrm0 is the usual one",
            Self::Unreachable { .. } => {
                "check that the TPM, its resource manager or the simulator runs there, and that the tss2 library of this way (libtss2-tcti-...) is installed"
            }
            Self::Command { code, .. } => response::hint(*code),
            Self::RefusedBlob { .. } | Self::Blob(_) => {
                "it is damaged, or was made for another TPM, or for this one before it was cleared: check that the enrollment has this TPM's endorsement key, and register again"
            }
            Self::Library { .. } => "check the versions of the tss2 libraries",
            Self::OtherKey { .. } | Self::Occupied { .. } => {
                "if nobody needs that key, remove it with tpm2_evictcontrol -c and the handle"
            }
            Self::HierarchyOff { .. } => response::HIERARCHIES,
            Self::NoKey { .. } => {
                "check the handle; an identity key comes with a registration, and keys go when the TPM is cleared"
            }
            Self::BadHandle { .. } => "give for example 0x81000200",
            Self::IdentityLost { .. } => "register again",
        }
    }

    /// As the failure of an operation of the trait.
    pub(crate) fn failed(self, operation: &'static str) -> HsmError {
        HsmError::Failed { operation, reason: format!("{self}; {}", self.hint()) }
    }
}
