//! How this process proves identities (`c-abi.md` section 1.5).
//!
//! The original keeps this state in globals without locks; here a mutex guards it. What programs
//! can observe stays: a kind, once chosen, is chosen for the life of the process, a call for
//! another available kind fails and yet changes what `prov_dev_security_get_type` answers, and
//! deinit forgets the key and the certificate but not the kind.

use crate::abi::SECURE_DEVICE_TYPE;
use crate::secret::SecretText;
use crate::x509::Material;
use core::ffi::c_char;
use core::ptr;
use std::ffi::CString;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Whether this build can prove an identity in this way. TPM joins here.
fn available(kind: SECURE_DEVICE_TYPE) -> bool {
    [SECURE_DEVICE_TYPE::SYMMETRIC_KEY, SECURE_DEVICE_TYPE::X509].contains(&kind)
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
    /// A certificate, which options give.
    X509,
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
    /// The chain and the key that a client was given first.
    x509: Material,
}

static SECURITY: Mutex<Security> = Mutex::new(Security::new());

/// The process-wide state, locked.
pub(crate) fn security() -> MutexGuard<'static, Security> {
    SECURITY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Security {
    const fn new() -> Self {
        let unknown = SECURE_DEVICE_TYPE::UNKNOWN;
        Self { asked: unknown, chosen: unknown, key_info: None, x509: Material::none() }
    }

    /// Chooses `kind`, and forgets the certificate. On refusal tells why.
    pub(crate) fn init(&mut self, kind: SECURE_DEVICE_TYPE) -> Result<(), &'static str> {
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
        self.x509 = Material::none();
        Ok(())
    }

    /// Forgets key and certificate. The kind stays.
    pub(crate) fn deinit(&mut self) {
        self.key_info = None;
        self.x509 = Material::none();
    }

    /// Keeps what a client was given, unless an earlier one was.
    pub(crate) fn offer_x509(&mut self, material: &Material) {
        self.x509.fill_in(material);
    }

    /// For a client that was given no certificate and no key.
    pub(crate) fn x509(&self) -> Material {
        self.x509.clone()
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
            (SECURE_DEVICE_TYPE::X509, _) => Ok(Proof::X509),
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

    fn registration_name(state: &Security) -> String {
        match state.proof().unwrap() {
            Proof::SymmetricKey { registration_name, .. } => registration_name,
            Proof::X509 => panic!("not a key"),
        }
    }

    /// The transcript in `c-abi.md` section 1.5.
    #[test]
    fn the_kind_never_changes_but_get_type_does() {
        let mut state = Security::new();
        assert_eq!(state.kind(), SECURE_DEVICE_TYPE::UNKNOWN);
        assert!(state.init(SYMMETRIC_KEY).is_ok());
        assert!(state.init(X509).is_err());
        assert_eq!((state.kind(), state.chosen), (X509, SYMMETRIC_KEY));
        state.deinit();
        assert_eq!((state.kind(), state.chosen), (X509, SYMMETRIC_KEY));
        assert!(state.init(X509).is_err());
        assert!(state.init(SYMMETRIC_KEY).is_ok());
        assert_eq!(state.kind(), SYMMETRIC_KEY);
    }

    #[test]
    fn kinds_that_are_not_there_change_nothing() {
        let mut state = Security::new();
        for kind in [0, 1, 3, 5, u32::MAX] {
            assert!(state.init(SECURE_DEVICE_TYPE(kind)).is_err());
            assert_eq!(state.kind(), SECURE_DEVICE_TYPE::UNKNOWN);
        }
        assert!(state.init(SYMMETRIC_KEY).is_ok() && state.init(SYMMETRIC_KEY).is_ok());
        assert!(state.init(SECURE_DEVICE_TYPE::TPM).is_err());
        assert_eq!(state.kind(), SYMMETRIC_KEY);
    }

    #[test]
    fn a_client_needs_kind_and_key() {
        let mut state = Security::new();
        state.set_key_info("one".into(), &key("a2V5"));
        assert!(state.proof().unwrap_err().contains("security_init"));
        state.init(SYMMETRIC_KEY).unwrap();
        assert_eq!(registration_name(&state), "one");
        state.set_key_info("two".into(), &key("a2V5"));
        assert_eq!(registration_name(&state), "two");
        state.deinit();
        assert!(state.proof().unwrap_err().contains("symmetric_key_info"));
        assert!(state.key_text().is_null() && state.registration_name().is_null());
    }

    #[test]
    fn the_first_certificate_is_kept_until_deinit_or_init() {
        let given = |text: &str| Material {
            certificate: Some(text.into()),
            key: Some(SecretText::new(&key(text))),
        };
        let mut state = Security::new();
        state.init(X509).unwrap();
        assert!(matches!(state.proof(), Ok(Proof::X509)), "options come after Create");
        state.offer_x509(&given("one"));
        state.offer_x509(&given("two"));
        assert_eq!(state.x509().certificate.as_deref(), Some(&b"one"[..]));
        state.init(X509).unwrap();
        assert!(state.x509().is_none());
        state.offer_x509(&given("three"));
        state.deinit();
        assert!(state.x509().is_none());
    }
}
