//! How this process proves identities (`c-abi.md` section 1.5).
//!
//! The original keeps this state in globals without locks; here a mutex guards it. What programs
//! can observe stays: a kind, once chosen, is chosen for the life of the process, a call for
//! another available kind fails and yet changes what `prov_dev_security_get_type` answers, and
//! deinit forgets the key but not the kind.

use crate::abi::SECURE_DEVICE_TYPE;
use crate::secret::SecretText;
use core::ffi::c_char;
use core::ptr;
use std::ffi::CString;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Whether this build can prove an identity in this way. TPM and X.509 join here.
fn available(kind: SECURE_DEVICE_TYPE) -> bool {
    kind == SECURE_DEVICE_TYPE::SYMMETRIC_KEY
}

/// What a client needs to prove its identity; copied when it is created.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// A shared key and the name that goes with it.
    SymmetricKey {
        registration_name: String,
        /// Base64, not yet read.
        key: SecretText,
    },
}

impl Proof {
    /// The registration id that the proof itself knows.
    pub(crate) fn registration_id(&self) -> Option<&str> {
        match self {
            Proof::SymmetricKey { registration_name, .. } => Some(registration_name),
        }
    }
}

#[derive(Debug)]
struct KeyInfo {
    registration_name: CString,
    key: SecretText,
}

/// The process-wide state.
#[derive(Debug)]
pub(crate) struct Security {
    /// What `get_type` answers.
    asked: SECURE_DEVICE_TYPE,
    /// What was chosen first; for ever. The hub client's side of the original.
    chosen: SECURE_DEVICE_TYPE,
    key_info: Option<KeyInfo>,
}

static SECURITY: Mutex<Security> = Mutex::new(Security::new());

/// The process-wide state, locked.
pub(crate) fn security() -> MutexGuard<'static, Security> {
    SECURITY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Security {
    const fn new() -> Self {
        let unknown = SECURE_DEVICE_TYPE::UNKNOWN;
        Self { asked: unknown, chosen: unknown, key_info: None }
    }

    /// Chooses `kind`. On refusal tells why.
    pub(crate) fn init(&mut self, kind: SECURE_DEVICE_TYPE) -> Result<(), &'static str> {
        self.init_with(kind, available)
    }

    fn init_with(
        &mut self,
        kind: SECURE_DEVICE_TYPE,
        available: impl Fn(SECURE_DEVICE_TYPE) -> bool,
    ) -> Result<(), &'static str> {
        if !available(kind) {
            return Err("this build has no such kind of security module");
        }
        self.asked = kind;
        if self.chosen == SECURE_DEVICE_TYPE::UNKNOWN {
            self.chosen = kind;
        }
        if self.chosen != kind {
            return Err("this process has chosen another kind of security module before");
        }
        Ok(())
    }

    /// Forgets the key. The kind stays.
    pub(crate) fn deinit(&mut self) {
        self.key_info = None;
    }

    /// What the last call of `init` for an available kind asked for.
    pub(crate) fn kind(&self) -> SECURE_DEVICE_TYPE {
        self.asked
    }

    /// Keeps a name and a key in place of earlier ones.
    pub(crate) fn set_key_info(&mut self, registration_name: String, key: &Zeroizing<String>) {
        self.key_info = Some(KeyInfo {
            // Came from a C string, so it has no NUL inside.
            registration_name: CString::new(registration_name).unwrap_or_default(),
            key: SecretText::new(key),
        });
    }

    /// For C. Lives until the next `set_key_info` or `deinit`.
    pub(crate) fn key_text(&self) -> *const c_char {
        self.key_info.as_ref().map_or(ptr::null(), |info| info.key.as_ptr())
    }

    /// For C. Lives until the next `set_key_info` or `deinit`.
    pub(crate) fn registration_name(&self) -> *const c_char {
        self.key_info.as_ref().map_or(ptr::null(), |info| info.registration_name.as_ptr())
    }

    /// What a new client gets. On refusal tells what is missing.
    pub(crate) fn proof(&self) -> Result<Proof, &'static str> {
        match (self.asked, &self.key_info) {
            (SECURE_DEVICE_TYPE::SYMMETRIC_KEY, Some(info)) => Ok(Proof::SymmetricKey {
                registration_name: info.registration_name.to_string_lossy().into_owned(),
                key: info.key.clone(),
            }),
            (SECURE_DEVICE_TYPE::SYMMETRIC_KEY, None) => {
                Err("prov_dev_set_symmetric_key_info has not been called")
            }
            _ => Err("prov_dev_security_init has not succeeded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X509: SECURE_DEVICE_TYPE = SECURE_DEVICE_TYPE::X509;
    const SYMMETRIC_KEY: SECURE_DEVICE_TYPE = SECURE_DEVICE_TYPE::SYMMETRIC_KEY;

    fn key(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.into())
    }

    /// The transcript in `c-abi.md` section 1.5, in a build that has both kinds.
    #[test]
    fn the_kind_never_changes_but_get_type_does() {
        let both = |kind| kind == X509 || kind == SYMMETRIC_KEY;
        let mut state = Security::new();
        assert_eq!(state.kind(), SECURE_DEVICE_TYPE::UNKNOWN);
        assert!(state.init_with(SYMMETRIC_KEY, both).is_ok());
        assert!(state.init_with(X509, both).is_err());
        assert_eq!((state.kind(), state.chosen), (X509, SYMMETRIC_KEY));
        state.deinit();
        assert_eq!((state.kind(), state.chosen), (X509, SYMMETRIC_KEY));
        assert!(state.init_with(X509, both).is_err());
        assert!(state.init_with(SYMMETRIC_KEY, both).is_ok());
        assert_eq!(state.kind(), SYMMETRIC_KEY);
    }

    #[test]
    fn kinds_that_are_not_there_change_nothing() {
        let mut state = Security::new();
        for kind in [0, 1, 2, 3, 5, u32::MAX] {
            assert!(state.init(SECURE_DEVICE_TYPE(kind)).is_err());
            assert_eq!(state.kind(), SECURE_DEVICE_TYPE::UNKNOWN);
        }
        assert!(state.init(SYMMETRIC_KEY).is_ok() && state.init(SYMMETRIC_KEY).is_ok());
        assert!(state.init(X509).is_err());
        assert_eq!(state.kind(), SYMMETRIC_KEY);
    }

    #[test]
    fn a_client_needs_kind_and_key() {
        let mut state = Security::new();
        state.set_key_info("one".into(), &key("a2V5"));
        assert!(state.proof().unwrap_err().contains("security_init"));
        state.init(SYMMETRIC_KEY).unwrap();
        assert_eq!(state.proof().unwrap().registration_id(), Some("one"));
        state.set_key_info("two".into(), &key("a2V5"));
        assert_eq!(state.proof().unwrap().registration_id(), Some("two"));
        state.deinit();
        assert!(state.proof().unwrap_err().contains("symmetric_key_info"));
        assert!(state.key_text().is_null() && state.registration_name().is_null());
    }
}
