//! How this process proves identities (`c-abi.md` section 1.5).
//!
//! There are two sides, as in the original: what the provisioning client uses (`prov_dev_*`) and
//! what the hub client uses (`iothub_security_*`). What one side is told, the other takes over
//! while it has nothing of its own.
//!
//! The original keeps this state in globals without locks; here a mutex guards it. What programs
//! can observe stays: a side that has a kind refuses a call on the other side for another kind,
//! which yet changes what that side's `get_type` answers, and deinit forgets the key and the
//! certificate but not the kinds.

use crate::abi::SECURE_DEVICE_TYPE;
use crate::plugin::{Certified, Registered};
use crate::proof::Proof;
use crate::secret::SecretText;
use crate::tpm;
use crate::x509::Material;
use core::ffi::c_char;
use core::ptr;
use dps_hsm_custom::{KeyInterface, Library, PluginError, TpmInterface};
use std::ffi::{CStr, CString};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Whether an identity can be proved in this way; if not, why.
fn available(kind: SECURE_DEVICE_TYPE, registered: &Registered) -> Result<(), &'static str> {
    match kind {
        SECURE_DEVICE_TYPE::SYMMETRIC_KEY | SECURE_DEVICE_TYPE::X509 => Ok(()),
        SECURE_DEVICE_TYPE::TPM if tpm::BUILT_IN || registered.has_tpm() => Ok(()),
        SECURE_DEVICE_TYPE::TPM => Err(tpm::NOT_BUILT_IN),
        SECURE_DEVICE_TYPE::HTTP_EDGE => {
            Err("the edge runtime's workload interface is not supported by this library")
        }
        _ => Err("this is not a kind of security module"),
    }
}

/// What to make something of that is created.
#[derive(Debug)]
pub(crate) enum Choice {
    BuiltIn(Proof),
    Key(KeyInterface, Option<KeyInfo>),
    X509(Certified),
    Tpm(TpmInterface),
    /// Of a library, which has modules of all kinds.
    Library(Result<Library, PluginError>, SECURE_DEVICE_TYPE, Option<KeyInfo>),
    /// To be opened.
    BuiltInTpm,
}

/// A name and a key, as C gave them.
#[derive(Clone, Debug)]
pub(crate) struct KeyInfo {
    registration_name: CString,
    key: SecretText,
}

impl KeyInfo {
    /// Name and key, for a plug-in.
    pub(crate) fn texts(&self) -> (&CStr, &CStr) {
        (&self.registration_name, self.key.as_c_str())
    }
}

/// Whose state a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// `prov_dev_*`: the provisioning client's.
    Provisioning,
    /// `iothub_security_*`: the hub client's.
    Hub,
}

/// What one side has been told.
#[derive(Debug)]
struct Told {
    /// What its `get_type` answers. `IOTHUB_SECURITY_TYPE` has the same numbers.
    kind: SECURE_DEVICE_TYPE,
    key_info: Option<KeyInfo>,
}

impl Told {
    const fn nothing() -> Self {
        Self { kind: SECURE_DEVICE_TYPE::UNKNOWN, key_info: None }
    }
}

/// The process-wide state.
#[derive(Debug)]
pub(crate) struct Security {
    provisioning: Told,
    hub: Told,
    /// The chain and the key that a client was given first.
    x509: Material,
    registered: Registered,
}

static SECURITY: Mutex<Security> = Mutex::new(Security::new());

/// The process-wide state, locked.
pub(crate) fn security() -> MutexGuard<'static, Security> {
    SECURITY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Security {
    const fn new() -> Self {
        Self {
            provisioning: Told::nothing(),
            hub: Told::nothing(),
            x509: Material::none(),
            registered: Registered::none(),
        }
    }

    fn told(&self, side: Side) -> &Told {
        match side {
            Side::Provisioning => &self.provisioning,
            Side::Hub => &self.hub,
        }
    }

    /// One side, and the other.
    fn both(&mut self, side: Side) -> (&mut Told, &mut Told) {
        match side {
            Side::Provisioning => (&mut self.provisioning, &mut self.hub),
            Side::Hub => (&mut self.hub, &mut self.provisioning),
        }
    }

    /// Chooses `kind`, and forgets the certificate. Tells how often the original would now have the
    /// modules initialised: once more when it takes the other side along. On refusal tells why.
    pub(crate) fn init(
        &mut self,
        side: Side,
        kind: SECURE_DEVICE_TYPE,
    ) -> Result<u32, &'static str> {
        available(kind, &self.registered)?;
        let (own, other) = self.both(side);
        own.kind = kind;
        let mut times = 1;
        if other.kind == SECURE_DEVICE_TYPE::UNKNOWN {
            other.kind = kind;
            times = 2;
        }
        if other.kind != kind {
            return Err("this process has chosen another kind of security module before");
        }
        self.forget_x509();
        Ok(times)
    }

    /// Forgets the certificate.
    pub(crate) fn forget_x509(&mut self) {
        self.x509 = Material::none();
    }

    /// Forgets the keys of both sides, and the certificate. The kinds stay.
    ///
    /// The original's deinit of one side calls the other's when that holds a key; so it is the
    /// same from both. Tells how often it would have the modules wound up.
    pub(crate) fn deinit(&mut self, side: Side) -> u32 {
        let (_, other) = self.both(side);
        let times = if other.key_info.is_some() { 2 } else { 1 };
        self.provisioning.key_info = None;
        self.hub.key_info = None;
        self.forget_x509();
        times
    }

    /// Keeps what a client was given, unless an earlier one was.
    pub(crate) fn offer_x509(&mut self, material: &Material) {
        self.x509.fill_in(material);
    }

    /// Keeps a certificate that no option gave. Tells whether there was none.
    pub(crate) fn set_certificate(&mut self, pem: Vec<u8>) -> bool {
        let free = self.x509.certificate.is_none();
        self.x509.certificate.get_or_insert(pem);
        free
    }

    /// The same with its key.
    pub(crate) fn set_certificate_key(&mut self, pem: SecretText) -> bool {
        let free = self.x509.key.is_none();
        self.x509.key.get_or_insert(pem);
        free
    }

    /// For a client that was given no certificate and no key.
    pub(crate) fn x509(&self) -> Material {
        self.x509.clone()
    }

    /// The same; in builds with a simulated device, that one's when nothing was set.
    pub(crate) fn x509_in_force(&self) -> Material {
        #[cfg(feature = "riot")]
        if self.x509.is_none() {
            return crate::riot::material();
        }
        self.x509()
    }

    /// What the last call of `init` for an available kind asked for, on this side or, if there
    /// was none, on the other.
    pub(crate) fn kind(&self, side: Side) -> SECURE_DEVICE_TYPE {
        self.told(side).kind
    }

    /// Keeps a name and a key in place of this side's earlier ones, and for the other side if it
    /// has none.
    pub(crate) fn set_key_info(
        &mut self,
        side: Side,
        registration_name: String,
        key: &Zeroizing<String>,
    ) {
        let info = KeyInfo {
            // Came from a C string, so it has no NUL inside.
            registration_name: CString::new(registration_name).unwrap_or_default(),
            key: SecretText::new(key),
        };
        let (own, other) = self.both(side);
        if other.key_info.is_none() {
            other.key_info = Some(info.clone());
        }
        own.key_info = Some(info);
    }

    /// For C. Lives until the side's next `set_key_info`, or `deinit`.
    pub(crate) fn key_text(&self, side: Side) -> *const c_char {
        self.told(side).key_info.as_ref().map_or(ptr::null(), |info| info.key.as_ptr())
    }

    /// For C. Lives as long as the key's text.
    pub(crate) fn registration_name(&self, side: Side) -> *const c_char {
        let info = self.told(side).key_info.as_ref();
        info.map_or(ptr::null(), |info| info.registration_name.as_ptr())
    }

    /// Has symmetric keys come from a plug-in, or not any more.
    pub(crate) fn register_key(&mut self, table: Option<KeyInterface>) {
        self.registered.key = table;
    }

    /// Has certificates come from a plug-in, or not any more.
    pub(crate) fn register_x509(&mut self, table: Option<Certified>) {
        self.registered.x509 = table;
    }

    /// Has trusted platform modules be a plug-in's, or not any more.
    pub(crate) fn register_tpm(&mut self, table: Option<TpmInterface>) {
        self.registered.tpm = table;
    }

    /// Has all modules come from a library, or not any more.
    pub(crate) fn register_library(&mut self, library: Option<Library>) {
        self.registered.library = library;
    }

    /// The library that all modules come from, if there is one.
    pub(crate) fn library(&self) -> Option<Result<Library, PluginError>> {
        self.registered.library()
    }

    /// What to make something of that is created now on this side. On refusal tells what is
    /// missing.
    pub(crate) fn choice(&self, side: Side) -> Result<Choice, &'static str> {
        let told = self.told(side);
        let plugins = &self.registered;
        let plugin = match told.kind {
            SECURE_DEVICE_TYPE::SYMMETRIC_KEY => {
                plugins.key.map(|table| Choice::Key(table, told.key_info.clone()))
            }
            SECURE_DEVICE_TYPE::X509 => plugins.x509.map(Choice::X509),
            SECURE_DEVICE_TYPE::TPM => plugins.tpm.map(Choice::Tpm),
            _ => None,
        };
        if let Some(choice) = plugin {
            return Ok(choice);
        }
        if told.kind != SECURE_DEVICE_TYPE::UNKNOWN
            && let Some(library) = plugins.library()
        {
            return Ok(Choice::Library(library, told.kind, told.key_info.clone()));
        }
        if told.kind == SECURE_DEVICE_TYPE::TPM {
            return Ok(Choice::BuiltInTpm);
        }
        self.proof(side).map(Choice::BuiltIn)
    }

    /// What something that is created without a plug-in gets. On refusal tells what is missing.
    fn proof(&self, side: Side) -> Result<Proof, &'static str> {
        let told = self.told(side);
        match (told.kind, &told.key_info) {
            (SECURE_DEVICE_TYPE::SYMMETRIC_KEY, Some(info)) => Ok(Proof::SymmetricKey {
                registration_name: info.registration_name.to_string_lossy().into_owned(),
                key: info.key.clone(),
            }),
            (SECURE_DEVICE_TYPE::SYMMETRIC_KEY, None) => Err(match side {
                Side::Provisioning => "prov_dev_set_symmetric_key_info has not been called",
                Side::Hub => {
                    "neither iothub_security_set_symmetric_key_info nor prov_dev_set_symmetric_key_info has been called"
                }
            }),
            (SECURE_DEVICE_TYPE::X509, _) => Ok(Proof::X509),
            _ => Err(match side {
                Side::Provisioning => "prov_dev_security_init has not succeeded",
                Side::Hub => {
                    "neither iothub_security_init nor prov_dev_security_init has succeeded"
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::{Hub, Provisioning};

    const UNKNOWN: SECURE_DEVICE_TYPE = SECURE_DEVICE_TYPE::UNKNOWN;
    const X509: SECURE_DEVICE_TYPE = SECURE_DEVICE_TYPE::X509;
    const SYMMETRIC_KEY: SECURE_DEVICE_TYPE = SECURE_DEVICE_TYPE::SYMMETRIC_KEY;
    const SIDES: [(Side, Side); 2] = [(Provisioning, Hub), (Hub, Provisioning)];

    fn key(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.into())
    }

    fn registration_name(state: &Security, side: Side) -> String {
        match state.proof(side).unwrap() {
            Proof::SymmetricKey { registration_name, .. } => registration_name,
            _ => panic!("not a key"),
        }
    }

    /// The transcript in `c-abi.md` section 1.5, and section 9, 72 and 74.
    #[test]
    fn the_kind_never_changes_but_get_type_does() {
        for (side, other) in SIDES {
            let mut state = Security::new();
            assert_eq!(state.kind(side), UNKNOWN);
            assert!(state.init(side, SYMMETRIC_KEY).is_ok());
            assert!(state.init(side, X509).is_err());
            assert_eq!((state.kind(side), state.kind(other)), (X509, SYMMETRIC_KEY));
            state.deinit(side);
            assert_eq!((state.kind(side), state.kind(other)), (X509, SYMMETRIC_KEY));
            assert!(state.init(side, X509).is_err());
            assert!(state.init(side, SYMMETRIC_KEY).is_ok());
            assert_eq!(state.kind(side), SYMMETRIC_KEY);
        }
    }

    /// `c-abi.md` section 9, 72.
    #[test]
    fn a_side_takes_the_kind_that_the_other_has() {
        for (side, other) in SIDES {
            let mut state = Security::new();
            state.init(side, X509).unwrap();
            assert_eq!(state.kind(other), X509);
            assert!(state.init(other, X509).is_ok());
            assert!(state.init(other, SYMMETRIC_KEY).is_err());
        }
    }

    #[test]
    fn kinds_that_are_not_there_change_nothing() {
        for (side, _) in SIDES {
            let mut state = Security::new();
            let there = |kind: &u32| tpm::BUILT_IN && *kind == SECURE_DEVICE_TYPE::TPM.0;
            for kind in [0, 1, 3, 5, u32::MAX].into_iter().filter(|kind| !there(kind)) {
                assert!(state.init(side, SECURE_DEVICE_TYPE(kind)).is_err());
                assert_eq!((state.kind(Provisioning), state.kind(Hub)), (UNKNOWN, UNKNOWN));
            }
            assert!(state.init(side, SYMMETRIC_KEY).is_ok());
            assert!(state.init(side, SYMMETRIC_KEY).is_ok());
            if !tpm::BUILT_IN {
                let refusal = state.init(side, SECURE_DEVICE_TYPE::TPM).unwrap_err();
                assert!(
                    refusal.contains("trusted platform modules need a security module"),
                    "{refusal}"
                );
            }
            assert_eq!(state.kind(side), SYMMETRIC_KEY);
        }
    }

    #[test]
    fn a_client_needs_kind_and_key() {
        for (side, words) in [(Provisioning, "prov_dev"), (Hub, "iothub_security")] {
            let mut state = Security::new();
            state.set_key_info(side, "one".into(), &key("a2V5"));
            assert!(state.proof(side).unwrap_err().contains("security_init"));
            state.init(side, SYMMETRIC_KEY).unwrap();
            assert_eq!(registration_name(&state, side), "one");
            state.set_key_info(side, "two".into(), &key("a2V5"));
            assert_eq!(registration_name(&state, side), "two");
            state.deinit(side);
            let refusal = state.proof(side).unwrap_err();
            assert!(refusal.contains("symmetric_key_info") && refusal.contains(words), "{refusal}");
            assert!(state.key_text(side).is_null() && state.registration_name(side).is_null());
        }
    }

    /// The transcript in `c-abi.md` section 1.5, and section 9, 75.
    #[test]
    fn a_key_goes_to_the_other_side_only_while_that_has_none() {
        for (side, other) in SIDES {
            let mut state = Security::new();
            state.init(side, SYMMETRIC_KEY).unwrap();
            state.set_key_info(side, "r1".into(), &key("a2V5"));
            state.set_key_info(side, "r2".into(), &key("a2V5"));
            assert_eq!(registration_name(&state, side), "r2");
            assert_eq!(registration_name(&state, other), "r1");
            state.deinit(side);
            assert!(state.key_text(other).is_null(), "both sides are forgotten");
        }
    }

    #[test]
    fn the_first_certificate_is_kept_until_deinit_or_init() {
        let given = |text: &str| Material {
            certificate: Some(text.into()),
            key: Some(SecretText::new(&key(text))),
        };
        let mut state = Security::new();
        state.init(Provisioning, X509).unwrap();
        assert!(matches!(state.proof(Provisioning), Ok(Proof::X509)), "options come after Create");
        state.offer_x509(&given("one"));
        state.offer_x509(&given("two"));
        assert_eq!(state.x509().certificate.as_deref(), Some(&b"one"[..]));
        state.init(Provisioning, X509).unwrap();
        assert!(state.x509().is_none());
        state.offer_x509(&given("three"));
        state.deinit(Provisioning);
        assert!(state.x509().is_none());
    }
}
