//! Security modules of others (`c-abi.md` section 5): which ones are registered, and what a client
//! that is created gets.
//!
//! A plug-in's functions are never called while the lock of the security state is held, so they
//! may ask for the key that the program has set.

use crate::abi::PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR as ERROR;
use crate::failure::Failure;
use crate::security::{Choice, Proof, Side, security};
use dps_client::{Error, ErrorKind, Stage};
use dps_hsm_custom::X509Plugin;
use dps_hsm_custom::{KeyInterface, KeyPlugin, PluginError, SignerInterface, X509Interface};

/// The plug-ins that the program has registered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registered {
    pub(crate) key: Option<KeyInterface>,
    pub(crate) x509: Option<Certified>,
}

impl Registered {
    pub(crate) const fn none() -> Self {
        Self { key: None, x509: None }
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
    let refused = |error: PluginError| failure(&error);
    match choice {
        Ok(Choice::BuiltIn(proof)) => Ok(proof),
        Ok(Choice::Key(table, info)) => {
            let info = info.as_ref().map(|info| info.texts());
            // SAFETY: who registered the table has promised that it keeps the rules.
            #[allow(unsafe_code)]
            let plugin = unsafe { KeyPlugin::create(table, info) };
            plugin.map(Proof::KeyPlugin).map_err(refused)
        }
        Ok(Choice::X509(table)) => {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            let plugin = unsafe {
                match table {
                    Certified::Pem(table) => X509Plugin::create(table),
                    Certified::Signer(table) => X509Plugin::create_signer(table),
                }
            };
            plugin.map(Proof::X509Plugin).map_err(refused)
        }
        Err(reason) => Err(Failure::usage(ERROR, reason)),
    }
}

/// What a plug-in did, as the original answers it when it cannot get id, certificate or key.
pub(crate) fn failure(error: &PluginError) -> Failure {
    let told = Error::new(Stage::Hsm, ErrorKind::Hsm).with_detail(error.to_string());
    Failure::with_result(ERROR, &told)
}
