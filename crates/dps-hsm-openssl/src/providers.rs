//! Providers that are loaded by name.

use crate::OpensslError;
use crate::key::reason;
use openssl::md::Md;
use openssl::provider::Provider;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All that were loaded here, each once. Whoever uses OpenSSL in a way that may be new to it has this
/// alone, and whoever does what has worked before shares it: while OpenSSL 3.0 makes itself acquainted
/// with a provider or an algorithm, it tells other threads that there is none.
static LOADED: RwLock<BTreeMap<String, Provider>> = RwLock::new(BTreeMap::new());

/// Has OpenSSL alone.
pub(crate) fn alone() -> RwLockWriteGuard<'static, BTreeMap<String, Provider>> {
    LOADED.write().unwrap_or_else(PoisonError::into_inner)
}

/// Has OpenSSL as it is, with others.
pub(crate) fn shared() -> RwLockReadGuard<'static, BTreeMap<String, Provider>> {
    LOADED.read().unwrap_or_else(PoisonError::into_inner)
}

/// Providers that are loaded. They stay so for the rest of the process, whatever becomes of this:
/// OpenSSL 3.0 may crash when one is unloaded while another thread is at work.
#[derive(Debug)]
pub struct Providers(());

impl Providers {
    /// Loads these in addition to those that are in use: what OpenSSL's configuration names, or its
    /// own if that names none. A failure changes nothing for what is in use.
    ///
    /// # Errors
    ///
    /// [`OpensslError::Provider`].
    pub fn load(names: &[&str]) -> Result<Self, OpensslError> {
        let mut loaded = alone();
        // OpenSSL's own come into use when something is looked for the first time. Now, so that
        // they are not the ones that are loaded below.
        let _ = Md::fetch(None, "SHA2-256", None);
        for name in names {
            if loaded.contains_key(*name) {
                continue;
            }
            let provider = Provider::try_load(None, name, true).map_err(|error| {
                OpensslError::Provider { name: (*name).to_owned(), reason: reason(&error) }
            })?;
            loaded.insert((*name).to_owned(), provider);
        }
        Ok(Self(()))
    }
}
