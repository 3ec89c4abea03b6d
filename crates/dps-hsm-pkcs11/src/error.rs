//! What can be wrong with a token and its keys, and what tokens answer.

use crate::UriError;
use cryptoki::error::{Error as CallError, RvError};
use dps_core::HsmError;
use dps_hsm_x509::X509Error;

/// Why a key or certificate of a token cannot be used. No text repeats a PIN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// The URI is malformed.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// Nothing says which library talks to the token.
    #[error(
        "no PKCS#11 module is given: name the library that comes with the token, by module-path in the URI or by PKCS11_MODULE_PATH in the environment, or install p11-kit"
    )]
    NoModule,
    /// The module's file is not there.
    #[error("the PKCS#11 module {path} does not exist")]
    ModuleMissing {
        /// As it was given.
        path: String,
    },
    /// The file is not a library for this machine, or is no PKCS#11 module.
    #[error("{path} cannot be loaded as a PKCS#11 module: {reason}")]
    ModuleUnusable {
        /// As it was given.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// No token matches.
    #[error("no token matches {uri}; {present}")]
    NoToken {
        /// What was looked for.
        uri: String,
        /// Which tokens there are.
        present: String,
    },
    /// Several tokens match, and so may objects on each.
    #[error("several tokens match {uri}: {candidates}; add token or serial to the URI")]
    SeveralTokens {
        /// What was looked for.
        uri: String,
        /// The tokens.
        candidates: String,
    },
    /// There is a PIN, and several tokens that it may be for. It is tried at none: each counts the
    /// wrong ones, and locks.
    #[error(
        "the PIN was tried nowhere: it is for one token, and several match {uri}: {candidates}; name the one by token or serial in the URI, as in 'pkcs11:token=...'"
    )]
    PinForSeveral {
        /// What was looked for.
        uri: String,
        /// The tokens.
        candidates: String,
    },
    /// Another thread is using the key, and has not come back from the token for ten seconds.
    #[error(
        "the token {token:?} is still at work on something else; if it hangs, take it out and put it back, and restart the program"
    )]
    Busy {
        /// Its label.
        token: String,
    },
    /// A token that was there is not any more, or has lost its key.
    #[error(
        "the token {token:?} is gone: {reason}; put it back, or start again with the one that is there"
    )]
    TokenGone {
        /// Its label.
        token: String,
        /// How that showed.
        reason: String,
    },
    /// A PIN is needed, and nothing gives one.
    #[error(
        "the token {token:?} needs a PIN, and none is given: use pin-source=file:... in the URI, or a PIN file"
    )]
    NoPin {
        /// Its label.
        token: String,
    },
    /// What is to give the PIN does not.
    #[error("the PIN cannot be had: {0}")]
    PinSource(String),
    /// The token does not take the PIN.
    #[error("the PIN is wrong: the token {token:?} refuses it{warning}")]
    WrongPin {
        /// Its label.
        token: String,
        /// How many tries are left, if the token says so; else empty.
        warning: &'static str,
    },
    /// Too many wrong PINs were given.
    #[error(
        "the PIN of the token {token:?} is locked after too many wrong ones; its security officer must set a new one"
    )]
    PinLocked {
        /// Its label.
        token: String,
    },
    /// The token has no user yet, or wants the PIN changed.
    #[error("the PIN of the token {token:?} is not set up: {reason}")]
    PinUnset {
        /// Its label.
        token: String,
        /// What is missing.
        reason: &'static str,
    },
    /// No object matches.
    #[error("no {what} on the token {token:?} matches {uri}; {present}")]
    NoObject {
        /// Private key, secret key or certificate.
        what: &'static str,
        /// The token's label.
        token: String,
        /// What was looked for.
        uri: String,
        /// Which ones there are.
        present: String,
    },
    /// Several objects match, and nothing says which one is meant.
    #[error(
        "several {what}s on the token {token:?} match {uri}: {candidates}; add object or id to the URI"
    )]
    SeveralObjects {
        /// As above.
        what: &'static str,
        /// The token's label.
        token: String,
        /// What was looked for.
        uri: String,
        /// The objects, by label and id.
        candidates: String,
    },
    /// None of the private keys that match is the certificate's.
    #[error(
        "no private key that matches {uri} belongs to the certificate of {subject:?}; there is {candidates}"
    )]
    KeyMismatch {
        /// What was looked for.
        uri: String,
        /// The certificate's subject.
        subject: String,
        /// The keys that were tried.
        candidates: String,
    },
    /// The key or the token cannot do what is needed.
    #[error("the key {key} cannot be used: {reason}")]
    Unsuitable {
        /// Its label and id.
        key: String,
        /// What is in the way.
        reason: String,
    },
    /// The token failed at something.
    #[error("the token failed to {operation}: {reason}")]
    Token {
        /// As a verb phrase.
        operation: &'static str,
        /// The PKCS#11 name of the failure, such as CKR_DEVICE_ERROR.
        reason: String,
    },
    /// The certificate is at fault.
    #[error(transparent)]
    Certificate(#[from] X509Error),
}

impl Pkcs11Error {
    /// For [`dps_core::Hsm`].
    pub(crate) fn while_trying(self, operation: &'static str) -> HsmError {
        HsmError::Failed { operation, reason: self.to_string() }
    }
}

/// A call that failed.
pub(crate) fn failed(operation: &'static str, error: &CallError) -> Pkcs11Error {
    Pkcs11Error::Token { operation, reason: reason(error) }
}

/// The failure's name in the standard: the crate's own texts are whole paragraphs of it.
pub(crate) fn reason(error: &CallError) -> String {
    match error {
        CallError::Pkcs11(RvError::VendorDefined(code), _) => {
            format!("a failure of its maker's own, 0x{code:x}")
        }
        CallError::Pkcs11(code, _) => {
            let mut name = String::from("CKR");
            for letter in format!("{code:?}").chars() {
                if letter.is_ascii_uppercase() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
            }
            name
        }
        other => other.to_string(),
    }
}

/// What a call answered, unless it failed for a reason that is not PKCS#11's.
pub(crate) fn code(error: &CallError) -> Option<RvError> {
    match error {
        CallError::Pkcs11(code, _) => Some(*code),
        _ => None,
    }
}

/// Whether a call failed because what was opened is not there any more, so that opening it again
/// may help.
pub(crate) fn is_lost(error: &CallError) -> bool {
    matches!(
        code(error),
        Some(
            RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::DeviceRemoved
                | RvError::DeviceError
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::UserNotLoggedIn
                | RvError::ObjectHandleInvalid
                | RvError::KeyHandleInvalid
                | RvError::OperationActive
                | RvError::CryptokiNotInitialized
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki::context::Function;

    #[test]
    fn failures_have_the_standards_names() {
        let name = |code| reason(&CallError::Pkcs11(code, Function::Sign));
        assert_eq!(name(RvError::DeviceRemoved), "CKR_DEVICE_REMOVED");
        assert_eq!(name(RvError::UserNotLoggedIn), "CKR_USER_NOT_LOGGED_IN");
        assert_eq!(
            name(RvError::VendorDefined(0x8000_0001)),
            "a failure of its maker's own, 0x80000001"
        );
    }
}
