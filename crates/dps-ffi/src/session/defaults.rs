//! The policy that new handles begin with, which a program may choose once for all of them.

use super::Settings;
use crate::abi::DPS_POLICY;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `None` until the program chooses.
static CHOSEN: Mutex<Option<DPS_POLICY>> = Mutex::new(None);

fn chosen() -> MutexGuard<'static, Option<DPS_POLICY>> {
    CHOSEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new handle's settings.
pub(super) fn settings() -> Settings {
    let mut settings = Settings::default();
    if let Some(policy) = *chosen() {
        // It was good when it was chosen.
        let _ = settings.set_policy(&policy);
    }
    settings
}

/// The policy that new handles begin with.
pub(crate) fn default_policy() -> DPS_POLICY {
    settings().policy()
}

/// Chooses it.
///
/// # Errors
///
/// Which values are out of range.
pub(crate) fn set_default_policy(new: &DPS_POLICY) -> Result<(), &'static str> {
    let mut settings = Settings::default();
    settings.set_policy(new)?;
    *chosen() = Some(settings.policy());
    Ok(())
}
