//! Asking the security module: for signatures, certificates, and what a TPM does.

use dps_core::{
    ActivationBlob, Attestation, ClientIdentity, ClientKey, Error, ErrorKind, Hsm, HsmError, Mac,
    Now, RegistrationId, SignatureScheme, TpmKeys,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

// A module that panics has failed like any other, so that the registration still has its outcome.

pub(crate) fn sign(hsm: &mut dyn Hsm, text: &str) -> Result<Mac, HsmError> {
    guarded("sign", || hsm.sign(text.as_bytes()))
}

pub(crate) fn tpm_keys(hsm: &mut dyn Hsm) -> Result<TpmKeys, HsmError> {
    guarded("present the keys of a TPM", || hsm.tpm_keys())
}

pub(crate) fn activate(hsm: &mut dyn Hsm, blob: &ActivationBlob) -> Result<(), HsmError> {
    guarded("activate an identity key", || hsm.activate(blob.as_bytes()))
}

/// The certificate to present, if the module proves the identity with one. A key that panics
/// fails like any other.
pub(crate) fn client_identity(
    hsm: &mut dyn Hsm,
    now: Now,
) -> Result<Option<ClientIdentity>, HsmError> {
    if hsm.attestation() != Attestation::X509 {
        return Ok(None);
    }
    let identity = guarded("present its certificate", || hsm.client_identity(now))?;
    let key = Arc::new(Guarded(identity.key().clone()));
    let missing_issuer = identity.missing_issuer().map(str::to_owned);
    let guarded = ClientIdentity::new(identity.chain().to_vec(), key);
    Ok(Some(guarded.with_missing_issuer(missing_issuer)))
}

/// The registration id that the module knows, if it can say.
pub(crate) fn registration_id(hsm: &mut dyn Hsm) -> Option<RegistrationId> {
    guarded("tell its registration id", || hsm.registration_id()).ok().flatten()
}

/// A service only says that a certificate is invalid. What is known here: whether it names another
/// device than `id`, and what may be missing behind it.
pub(crate) fn explained(
    error: Error,
    id: &RegistrationId,
    common_name: Option<&RegistrationId>,
    missing_issuer: Option<&str>,
) -> Error {
    let is_about_chain =
        matches!(error.kind(), ErrorKind::Service { status: 401 } | ErrorKind::ClientCertificate);
    if !is_about_chain || error.detail().is_some() {
        return error;
    }
    match (common_name, missing_issuer) {
        (Some(name), _) if !name.as_str().eq_ignore_ascii_case(id.as_str()) => {
            error.with_detail(format!(
                "the registration id is {:?}, and the certificate's common name is {:?}; the service wants them equal",
                id.as_str(),
                name.as_str()
            ))
        }
        (_, Some(issuer)) => error.with_detail(format!(
            "unless {issuer:?} is enrolled itself, its certificate is missing behind those that were sent"
        )),
        _ => error,
    }
}

#[derive(Debug)]
struct Guarded(Arc<dyn ClientKey>);

impl ClientKey for Guarded {
    fn schemes(&self) -> Vec<SignatureScheme> {
        // None at all is reported as what it is.
        guarded("list its schemes", || Ok(self.0.schemes())).unwrap_or_default()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        guarded("sign", || self.0.sign(scheme, message))
    }

    fn works_in_place(&self) -> bool {
        self.0.works_in_place()
    }
}

fn guarded<T>(
    operation: &'static str,
    call: impl FnOnce() -> Result<T, HsmError>,
) -> Result<T, HsmError> {
    // Nothing of ours is touched in there; whether the module can be used again is its own
    // affair.
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(HsmError::Failed { operation, reason: "it panicked".into() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dps_core::{Stage, Timestamp};

    struct Broken;

    impl Hsm for Broken {
        fn attestation(&self) -> Attestation {
            Attestation::SymmetricKey
        }
        fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
            Ok(None)
        }
        fn sign(&mut self, _: &[u8]) -> Result<Mac, HsmError> {
            panic!("broken on purpose")
        }
    }

    #[test]
    fn a_module_that_panics_has_failed() {
        assert!(matches!(sign(&mut Broken, "x"), Err(HsmError::Failed { .. })));
    }

    #[derive(Debug)]
    struct BrokenKey;

    impl ClientKey for BrokenKey {
        fn schemes(&self) -> Vec<SignatureScheme> {
            panic!("broken on purpose")
        }
        fn sign(&self, _: SignatureScheme, _: &[u8]) -> Result<Vec<u8>, HsmError> {
            panic!("broken on purpose")
        }
    }

    struct WithCertificate;

    impl Hsm for WithCertificate {
        fn attestation(&self) -> Attestation {
            Attestation::X509
        }
        fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
            Ok(None)
        }
        fn client_identity(&mut self, _: Now) -> Result<ClientIdentity, HsmError> {
            Ok(ClientIdentity::new(vec![vec![1]], Arc::new(BrokenKey)))
        }
    }

    #[test]
    fn a_key_that_panics_has_failed() {
        let now = Now::new(Timestamp::default(), 0);
        let identity = client_identity(&mut WithCertificate, now).unwrap().unwrap();
        assert!(identity.key().schemes().is_empty());
        let result = identity.key().sign(SignatureScheme::EcdsaP256Sha256, b"x");
        assert!(matches!(result, Err(HsmError::Failed { .. })));
        assert!(client_identity(&mut Broken, now).unwrap().is_none(), "has no certificate");
    }

    #[test]
    fn a_refused_chain_is_explained_by_what_is_missing_behind_it() {
        let error = |kind| Error::new(Stage::Register, kind);
        for kind in [ErrorKind::Service { status: 401 }, ErrorKind::ClientCertificate] {
            let text = explained(error(kind), &id("device"), None, Some("CN=line")).to_string();
            assert!(text.contains("\"CN=line\""), "{text}");
        }
        for (kind, issuer) in
            [(ErrorKind::Service { status: 404 }, Some("CN=line")), (ErrorKind::Disabled, None)]
        {
            assert_eq!(explained(error(kind), &id("device"), None, issuer).detail(), None);
        }
    }

    #[test]
    fn a_certificate_of_another_device_is_said_to_be_one() {
        let error = || Error::new(Stage::Register, ErrorKind::Service { status: 401 });
        let explained = |name| explained(error(), &id("device"), Some(&id(name)), Some("CN=line"));
        let text = explained("other").to_string();
        assert!(text.contains("\"device\"") && text.contains("\"other\""), "{text}");
        // The service takes either case.
        assert!(explained("Device").to_string().contains("CN=line"));
    }

    fn id(text: &str) -> RegistrationId {
        RegistrationId::new(text).unwrap()
    }
}
