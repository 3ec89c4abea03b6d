//! Asking the security module.

use dps_core::{
    Attestation, ClientIdentity, ClientKey, Error, ErrorKind, Hsm, HsmError, Mac, Now,
    SignatureScheme,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Lets the module sign. One that panics has failed like any other, so that the registration
/// still has its outcome.
pub(crate) fn sign(hsm: &mut dyn Hsm, text: &str) -> Result<Mac, HsmError> {
    guarded("sign", || hsm.sign(text.as_bytes()))
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

/// A service only says that a certificate is invalid; what it may miss is known here.
pub(crate) fn explained(error: Error, missing_issuer: Option<&str>) -> Error {
    let is_about_chain =
        matches!(error.kind(), ErrorKind::Service { status: 401 } | ErrorKind::ClientCertificate);
    match missing_issuer {
        Some(issuer) if is_about_chain && error.detail().is_none() => error.with_detail(format!(
            "the certificate of {issuer:?}, which issued the last one that was sent, was not sent; it is missing unless it is the enrolled one"
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
    use dps_core::{RegistrationId, Stage, Timestamp};

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
            let text = explained(error(kind), Some("CN=line")).to_string();
            assert!(text.contains("the certificate of \"CN=line\""), "{text}");
        }
        for (kind, issuer) in
            [(ErrorKind::Service { status: 404 }, Some("CN=line")), (ErrorKind::Disabled, None)]
        {
            assert_eq!(explained(error(kind), issuer).detail(), None);
        }
    }
}
