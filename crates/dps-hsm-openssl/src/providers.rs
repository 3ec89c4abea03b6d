//! Providers that are loaded by name.

use crate::OpensslError;
use crate::key::reason;
use openssl::md::Md;
use openssl::provider::Provider;
use parking_lot::{ArcRwLockReadGuard, ArcRwLockWriteGuard, RawRwLock, RwLock};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

type Turn = Arc<RwLock<()>>;

/// Whoever uses OpenSSL in a way that may be new to it has this alone, and whoever does what has worked
/// before shares it: while OpenSSL 3.0 makes itself acquainted with a provider or an algorithm, it tells
/// other threads that there is none.
static TURN: LazyLock<Mutex<Turn>> = LazyLock::new(Mutex::default);

/// How long others are waited for. A provider that hangs keeps its turn for ever, which must not keep
/// the keys of the others from being used: the first one who has waited in vain leaves it behind, and
/// from then on turns are taken without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has OpenSSL alone until this is dropped.
pub(crate) fn alone() -> ArcRwLockWriteGuard<RawRwLock, ()> {
    take(|turn| turn.try_write_arc_for(PATIENCE))
}

/// Has OpenSSL as it is until this is dropped, with others.
pub(crate) fn shared() -> ArcRwLockReadGuard<RawRwLock, ()> {
    take(|turn| turn.try_read_arc_for(PATIENCE))
}

fn take<G>(attempt: impl Fn(&Turn) -> Option<G>) -> G {
    let latest = || TURN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let turn = latest().clone();
        if let Some(guard) = attempt(&turn) {
            return guard;
        }
        let mut latest = latest();
        if Arc::ptr_eq(&turn, &latest) {
            *latest = Turn::default();
        }
    }
}

/// All that were loaded here, each once.
static LOADED: Mutex<BTreeMap<String, Provider>> = Mutex::new(BTreeMap::new());

/// Without the providers' code being run meanwhile.
fn with_loaded<T>(what: impl FnOnce(&mut BTreeMap<String, Provider>) -> T) -> T {
    what(&mut LOADED.lock().unwrap_or_else(PoisonError::into_inner))
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
        let _alone = alone();
        // OpenSSL's own come into use when something is looked for the first time. Now, so that
        // they are not the ones that are loaded below.
        let _ = Md::fetch(None, "SHA2-256", None);
        for name in names {
            if with_loaded(|loaded| loaded.contains_key(*name)) {
                continue;
            }
            let provider = Provider::try_load(None, name, true).map_err(|error| {
                OpensslError::Provider { name: (*name).to_owned(), reason: reason(&error) }
            })?;
            // Another thread's, when nobody waited for the other.
            if let Some(twice) = with_loaded(|loaded| loaded.insert((*name).to_owned(), provider)) {
                core::mem::forget(twice);
            }
        }
        Ok(Self(()))
    }
}
