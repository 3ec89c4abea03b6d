//! Security modules of others (`c-abi.md` section 5): which ones are registered, and what a client
//! that is created gets.
//!
//! A plug-in's functions are never called while the lock of the security state is held, so they
//! may ask for the key that the program has set.

pub(crate) use crate::abi::PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR as ERROR;
use crate::abi::SECURE_DEVICE_TYPE;
use crate::failure::Failure;
use crate::linked;
use crate::proof::Proof;
use crate::security::{Choice, KeyInfo, Side, security};
use crate::tpm::Tpm;
use core::sync::atomic::{AtomicBool, Ordering};
use dps_client::dps_core::HsmError;
use dps_client::{Error, ErrorKind, Stage};
use dps_hsm_custom::{
    KeyInterface, KeyPlugin, Library, PluginError, Purpose, SignerInterface, TpmInterface,
    TpmPlugin, X509Interface, X509Plugin,
};

/// The plug-ins that the program has registered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registered {
    pub(crate) key: Option<KeyInterface>,
    pub(crate) x509: Option<Certified>,
    pub(crate) tpm: Option<TpmInterface>,
    pub(crate) library: Option<Library>,
}

impl Registered {
    pub(crate) const fn none() -> Self {
        Self { key: None, x509: None, tpm: None, library: None }
    }

    /// The library that all kinds come from: a registered one, else the one that is linked.
    pub(crate) fn library(&self) -> Option<Result<Library, PluginError>> {
        self.library.map(Ok).or_else(linked::library)
    }

    /// Whether there is a module that could be a TPM.
    pub(crate) fn has_tpm(&self) -> bool {
        self.tpm.is_some() || self.library().is_some()
    }
}

/// A plug-in with a certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Certified {
    /// Gives its key.
    Pem(X509Interface),
    /// Signs.
    Signer(SignerInterface),
}

/// What something that is created now on this side gets.
///
/// # Errors
///
/// ERROR, with what is missing or what the plug-in did.
pub(crate) fn proof(side: Side) -> Result<Proof, Failure> {
    // Not in the `match`: the lock must be gone before a plug-in is called.
    let choice = security().choice(side);
    let made = match choice {
        Ok(Choice::BuiltIn(proof)) => Ok(proof),
        Ok(Choice::BuiltInTpm) => {
            return Tpm::built_in().map(Proof::Tpm);
        }
        Ok(Choice::Key(table, info)) => {
            let info = info.as_ref().map(|info| info.texts());
            // SAFETY: who registered the table has promised that it keeps the rules.
            #[allow(unsafe_code)]
            let plugin = unsafe { KeyPlugin::create(table, side.purpose(), info) };
            plugin.map(Proof::KeyPlugin)
        }
        Ok(Choice::X509(Certified::Pem(table))) => {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            let plugin = unsafe { X509Plugin::create(table, side.purpose()) };
            plugin.map(Proof::X509Plugin)
        }
        // It has nothing to give to a hub client.
        Ok(Choice::X509(Certified::Signer(_))) if side == Side::Hub => {
            Err(PluginError::KeyStaysInside)
        }
        Ok(Choice::X509(Certified::Signer(table))) => {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            let plugin = unsafe { X509Plugin::create_signer(table) };
            plugin.map(Proof::X509Plugin)
        }
        Ok(Choice::Tpm(table)) => {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            let plugin = unsafe { TpmPlugin::create(table, side.purpose()) };
            plugin.map(|plugin| Proof::Tpm(Tpm::new(plugin)))
        }
        Ok(Choice::Library(library, kind, info)) => {
            library.and_then(|library| of_library(library, kind, info.as_ref(), side.purpose()))
        }
        Err(reason) => return Err(Failure::usage(ERROR, reason)),
    };
    made.map_err(|error| failure(&error))
}

/// Asks the library for its table anew each time, as the original does.
fn of_library(
    library: Library,
    kind: SECURE_DEVICE_TYPE,
    info: Option<&KeyInfo>,
    purpose: Purpose,
) -> Result<Proof, PluginError> {
    // SAFETY: whose library it is has promised that it keeps the rules.
    #[allow(unsafe_code)]
    unsafe {
        match kind {
            SECURE_DEVICE_TYPE::SYMMETRIC_KEY => {
                let info = info.map(KeyInfo::texts);
                KeyPlugin::create(library.key()?, purpose, info).map(Proof::KeyPlugin)
            }
            SECURE_DEVICE_TYPE::X509 => {
                X509Plugin::create(library.x509()?, purpose).map(Proof::X509Plugin)
            }
            _ => TpmPlugin::create(library.tpm()?, purpose)
                .map(|plugin| Proof::Tpm(Tpm::new(plugin))),
        }
    }
}

/// Whether the modules have been made ready, and not been told otherwise since.
static READY: AtomicBool = AtomicBool::new(false);

/// Has all modules come from a library, or not any more.
///
/// # Errors
///
/// When the modules are in use: the new ones would be asked without having got ready, and the old
/// ones never wound up.
pub(crate) fn register_library(library: Option<Library>) -> Result<(), &'static str> {
    if READY.load(Ordering::SeqCst) {
        return Err(
            "the security modules are in use: call this before prov_dev_security_init, or after prov_dev_security_deinit",
        );
    }
    security().register_library(library);
    Ok(())
}

/// Has the modules get ready: the library's if there is one, else the built-in ones, of which the
/// one for certificates then has none.
///
/// # Errors
///
/// ERROR when a library's module refuses.
pub(crate) fn initialize() -> Result<(), Failure> {
    // Not in the `match`: the lock must be gone before a plug-in is called.
    let library = security().library();
    match library {
        Some(library) => {
            library.and_then(|library| library.initialize()).map_err(|error| failure(&error))?;
        }
        None => security().forget_x509(),
    }
    READY.store(true, Ordering::SeqCst);
    Ok(())
}

/// The reverse.
pub(crate) fn deinitialize() {
    let library = security().library();
    match library {
        Some(Ok(library)) => library.deinitialize(),
        Some(Err(_)) => {}
        None => security().forget_x509(),
    }
    READY.store(false, Ordering::SeqCst);
}

impl Side {
    fn purpose(self) -> Purpose {
        match self {
            Self::Provisioning => Purpose::Provisioning,
            Self::Hub => Purpose::Hub,
        }
    }
}

/// What a plug-in did, as the original answers it when it cannot get id, certificate or key.
pub(crate) fn failure(error: &PluginError) -> Failure {
    of_module(error.to_string())
}

/// The same of any module.
pub(crate) fn hsm_failure(error: &HsmError) -> Failure {
    of_module(error.to_string())
}

pub(crate) fn of_module(detail: String) -> Failure {
    let told = Error::new(Stage::Hsm, ErrorKind::Hsm).with_detail(detail);
    Failure::with_result(ERROR, &told)
}
