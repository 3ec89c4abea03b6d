//! What a plug-in can do wrong.

use dps_core::{HsmError, IdError, KeyError};
use dps_hsm_x509::X509Error;

/// Why a plug-in cannot be used. Functions have the names of their slots in the table. No text
/// repeats anything of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The table has no such function.
    #[error("{0} of the plug-in is NULL")]
    MissingSlot(&'static str),
    /// A library does not define the function.
    #[error(
        "the library of security modules does not define {0}; it must define all seven functions"
    )]
    MissingFunction(&'static str),
    /// The seven functions are those that lead back to the library's own modules.
    #[error(
        "the program was linked for a library of security modules, but with libdps_hsm_interfaces \
         before it, which defines the same functions; leave libdps_hsm_interfaces out"
    )]
    BuiltInNames,
    /// The function gave nothing.
    #[error("{0} of the plug-in returned NULL")]
    ReturnedNull(&'static str),
    /// The function gave nothing either.
    #[error("{0} of the plug-in returned an empty text")]
    ReturnedEmpty(&'static str),
    /// The function gave bytes that are no text.
    #[error("{0} of the plug-in returned a text that is not UTF-8")]
    NotText(&'static str),
    /// The function says that it failed.
    #[error("{slot} of the plug-in failed with code {code}")]
    Failed {
        /// The function.
        slot: &'static str,
        /// What it returned.
        code: i32,
    },
    /// The plug-in's key cannot be used.
    #[error("hsm_client_get_symm_key of the plug-in returned no usable key: {0}")]
    Key(#[from] KeyError),
    /// The plug-in's registration id cannot be used.
    #[error("{slot} of the plug-in returned no usable registration id: {error}")]
    RegistrationId {
        /// The function.
        slot: &'static str,
        /// What is wrong with it.
        error: IdError,
    },
    /// The plug-in's certificate or its key cannot be used.
    #[error("the plug-in's certificate cannot be used: {0}")]
    Certificate(#[from] X509Error),
    /// The signature of an EC key is not in the form that TLS wants.
    #[error(
        "sign of the plug-in returned something else than a DER sequence, which ECDSA signatures are"
    )]
    SignatureForm,
    /// Nothing that the function may give is so long.
    #[error("{slot} of the plug-in returned {length} bytes, more than there can be")]
    TooLong {
        /// The function.
        slot: &'static str,
        /// What it says there is.
        length: usize,
    },
    /// What a trusted platform module signs with gives 32 bytes.
    #[error(
        "hsm_client_sign_with_identity of the plug-in returned {0} bytes; an HMAC-SHA256 has 32"
    )]
    MacLength(usize),
    /// The key does not leave the plug-in.
    #[error("the private key does not leave the plug-in, so it can only be used to register")]
    KeyStaysInside,
}

impl PluginError {
    /// As the error of a security module.
    pub(crate) fn during(self, operation: &'static str) -> HsmError {
        HsmError::Failed { operation, reason: self.to_string() }
    }
}
