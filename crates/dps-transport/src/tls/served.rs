//! What a server presented, for those who have to find out why it was not accepted.

use super::TlsVersion;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps what the server of the latest connection presented, accepted or not. Clones share it.
///
/// ```
/// use dps_transport::{ServedChain, TlsOptions};
/// let served = ServedChain::default();
/// let mut options = TlsOptions::default();
/// options.served_chain = Some(served.clone());
/// // ... after a handshake with these options:
/// assert!(served.certificates().is_empty()); // there was none
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServedChain(Arc<Mutex<Served>>);

#[derive(Debug, Default)]
struct Served {
    certificates: Vec<Vec<u8>>,
    version: Option<TlsVersion>,
}

impl ServedChain {
    /// The certificates in DER, the server's own first; empty if there was none yet.
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        self.get(|served| served.certificates.clone())
    }

    /// The version of TLS, once the server has proved that it has the certificate's key.
    pub fn version(&self) -> Option<TlsVersion> {
        self.get(|served| served.version)
    }

    pub(super) fn present(&self, certificates: Vec<Vec<u8>>) {
        self.get(|served| *served = Served { certificates, version: None });
    }

    pub(super) fn prove(&self, version: TlsVersion) {
        self.get(|served| served.version = Some(version));
    }

    fn get<T>(&self, look: impl FnOnce(&mut Served) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
