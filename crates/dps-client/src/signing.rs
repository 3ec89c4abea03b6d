//! Asking the security module.

use dps_core::{Hsm, HsmError, Mac};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Lets the module sign. One that panics has failed like any other, so that the registration
/// still has its outcome.
pub(crate) fn sign(hsm: &mut dyn Hsm, text: &str) -> Result<Mac, HsmError> {
    // Nothing of ours is touched in there; whether the module can be used again is its own
    // affair.
    catch_unwind(AssertUnwindSafe(|| hsm.sign(text.as_bytes()))).unwrap_or_else(|_| {
        Err(HsmError::Failed { operation: "sign", reason: "it panicked".into() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dps_core::{Attestation, RegistrationId};

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
}
