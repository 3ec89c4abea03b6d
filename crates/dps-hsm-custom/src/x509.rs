//! A plug-in with a certificate.
#![allow(unsafe_code)]

use crate::module::{Given, Module};
use crate::{PluginError, Purpose, SignerInterface, X509Interface};
use core::ptr;
use dps_core::{
    Attestation, ClientIdentity, ClientKey, Hsm, HsmError, Now, RegistrationId, SignatureScheme,
};
use dps_hsm_x509::X509Hsm;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// More bytes than any signature has.
const MAX_SIGNATURE: usize = 16 * 1024;

/// A handle of a plug-in with a certificate. Clones share it; it ends with the last one.
#[derive(Clone, Debug)]
pub struct X509Plugin {
    functions: Functions,
    module: Arc<Mutex<Module>>,
}

#[derive(Clone, Copy, Debug)]
enum Functions {
    /// Gives its key.
    Pem(X509Interface),
    /// Signs.
    Signer(SignerInterface),
}

impl X509Plugin {
    /// Makes a handle of a plug-in that gives its key.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when a function is missing, or the plug-in refuses.
    ///
    /// # Safety
    ///
    /// The functions are those of a plug-in that keeps the rules in the crate's documentation.
    pub unsafe fn create(interface: X509Interface, purpose: Purpose) -> Result<Self, PluginError> {
        interface.check(purpose)?;
        let (create, destroy) =
            (interface.hsm_client_x509_create, interface.hsm_client_x509_destroy);
        // SAFETY: this function's contract.
        let module = unsafe { Module::create("hsm_client_x509_create", create, destroy) }?;
        let functions = Functions::Pem(interface);
        Ok(Self { functions, module: Arc::new(Mutex::new(module)) })
    }

    /// Makes a handle of a plug-in that signs, and keeps its key.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    ///
    /// # Safety
    ///
    /// As for [`create`](Self::create).
    pub unsafe fn create_signer(interface: SignerInterface) -> Result<Self, PluginError> {
        interface.check()?;
        // SAFETY: this function's contract.
        let module = unsafe { Module::create("create", interface.create, interface.destroy) }?;
        let functions = Functions::Signer(interface);
        Ok(Self { functions, module: Arc::new(Mutex::new(module)) })
    }

    /// The common name, which is the registration id unless the application sets one; not
    /// checked.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the plug-in gives none.
    pub fn common_name(&self) -> Result<String, PluginError> {
        let (slot, get) = match self.functions {
            Functions::Pem(table) => {
                ("hsm_client_get_common_name", table.hsm_client_get_common_name)
            }
            Functions::Signer(table) => ("get_common_name", table.get_common_name),
        };
        // SAFETY: `create`'s contract.
        Ok(unsafe { self.module().text(slot, get) }?.to_string())
    }

    /// The certificate, as the plug-in gives it.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the plug-in gives none.
    pub fn certificate_text(&self) -> Result<Zeroizing<String>, PluginError> {
        let (slot, get) = match self.functions {
            Functions::Pem(table) => ("hsm_client_get_cert", table.hsm_client_get_cert),
            Functions::Signer(table) => ("get_cert", table.get_cert),
        };
        // SAFETY: `create`'s contract.
        unsafe { self.module().text(slot, get) }
    }

    /// Its key, as the plug-in gives it.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the plug-in gives none; [`PluginError::KeyStaysInside`] when it only
    /// signs.
    pub fn key_text(&self) -> Result<Zeroizing<String>, PluginError> {
        let Functions::Pem(table) = self.functions else {
            return Err(PluginError::KeyStaysInside);
        };
        // SAFETY: `create`'s contract.
        unsafe { self.module().text("hsm_client_get_key", table.hsm_client_get_key) }
    }

    /// Reads the certificate, and with a plug-in that gives it the key.
    ///
    /// # Errors
    ///
    /// [`PluginError`] when the plug-in gives none, [`PluginError::Certificate`] when it cannot be
    /// used.
    pub fn load(&self) -> Result<X509Hsm, PluginError> {
        let certificate = self.certificate_text()?;
        if let Functions::Pem(_) = self.functions {
            return Ok(X509Hsm::from_pem(certificate.as_bytes(), self.key_text()?.as_bytes())?);
        }
        let plugin = self.clone();
        Ok(X509Hsm::from_pem_with_key(certificate.as_bytes(), |schemes| {
            Arc::new(SignerKey { plugin, schemes })
        })?)
    }

    fn module(&self) -> MutexGuard<'_, Module> {
        self.module.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sign(&self, scheme: u32, message: &[u8]) -> Result<Vec<u8>, PluginError> {
        let Functions::Signer(SignerInterface { sign: Some(sign), .. }) = self.functions else {
            return Err(PluginError::MissingSlot("sign"));
        };
        let (mut bytes, mut length) = (ptr::null_mut(), 0);
        let module = self.module();
        // SAFETY: `create`'s contract; all pointers are valid until it returns.
        let code = unsafe {
            sign(
                module.handle(),
                scheme,
                message.as_ptr(),
                message.len(),
                &raw mut bytes,
                &raw mut length,
            )
        };
        // SAFETY: `create`'s contract.
        let signature = unsafe { Given { code, bytes, length }.take("sign", MAX_SIGNATURE) }?;
        Ok(signature.to_vec())
    }
}

impl Hsm for X509Plugin {
    fn works_in_place(&self) -> bool {
        // The C functions are called on the thread that makes the call, as their authors know it.
        true
    }

    fn attestation(&self) -> Attestation {
        Attestation::X509
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        const OPERATION: &str = "name the device";
        let name = self.common_name().map_err(|error| error.during(OPERATION))?;
        RegistrationId::new(name).map(Some).map_err(|error| {
            let slot = match self.functions {
                Functions::Pem(_) => "hsm_client_get_common_name",
                Functions::Signer(_) => "get_common_name",
            };
            PluginError::RegistrationId { slot, error }.during(OPERATION)
        })
    }

    fn client_identity(&mut self, now: Now) -> Result<ClientIdentity, HsmError> {
        self.load().map_err(|error| error.during("present its certificate"))?.client_identity(now)
    }
}

/// A key that stays in the plug-in.
#[derive(Debug)]
struct SignerKey {
    plugin: X509Plugin,
    schemes: Vec<SignatureScheme>,
}

impl ClientKey for SignerKey {
    fn works_in_place(&self) -> bool {
        // The C functions are called on the thread that makes the call, as their authors know it.
        true
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        const NO_SCHEME: HsmError = HsmError::NotSupported { operation: "sign under this scheme" };
        /// The tag of a DER sequence.
        const SEQUENCE: u8 = 0x30;
        if !self.schemes.contains(&scheme) {
            return Err(NO_SCHEME);
        }
        let (number, is_ec) = number(scheme).ok_or(NO_SCHEME)?;
        let signed = self.plugin.sign(number, message).and_then(|signature| {
            let right = !is_ec || signature.first() == Some(&SEQUENCE);
            if right { Ok(signature) } else { Err(PluginError::SignatureForm) }
        });
        signed.map_err(|error| error.during("sign"))
    }
}

/// The number of TLS (RFC 8446 section 4.2.3), and whether the signature is a DER sequence.
fn number(scheme: SignatureScheme) -> Option<(u32, bool)> {
    Some(match scheme {
        SignatureScheme::RsaPkcs1Sha256 => (0x0401, false),
        SignatureScheme::RsaPkcs1Sha384 => (0x0501, false),
        SignatureScheme::RsaPkcs1Sha512 => (0x0601, false),
        SignatureScheme::RsaPssSha256 => (0x0804, false),
        SignatureScheme::RsaPssSha384 => (0x0805, false),
        SignatureScheme::RsaPssSha512 => (0x0806, false),
        SignatureScheme::EcdsaP256Sha256 => (0x0403, true),
        SignatureScheme::EcdsaP384Sha384 => (0x0503, true),
        _ => return None,
    })
}
