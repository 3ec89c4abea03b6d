//! The server certificate, which is made anew when there are more hubs: a device that is sent to a
//! hub that was linked a moment ago finds it by its name.

use super::{Authority, server_params, valid_until};
use crate::hub::Hubs;
use core::fmt;
use core::time::Duration;
use rcgen::KeyPair;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The certificate and all that it takes to make another.
pub(super) struct Leaf {
    issuer: LeafIssuer,
    hubs: OnceLock<Arc<Hubs>>,
    issued: Mutex<Issued>,
}

/// Makes the certificate for any hubs, always with the same key.
struct LeafIssuer {
    authority: Authority,
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    own_names: Vec<String>,
    now: Duration,
}

struct Issued {
    certified: Arc<CertifiedKey>,
    /// How many hubs there had been.
    hubs: Option<u64>,
}

impl Leaf {
    /// A certificate for the service and some hubs.
    pub(super) fn new(
        authority: Authority,
        own_names: Vec<String>,
        hubs: Vec<String>,
        now: Duration,
    ) -> Result<Self, Box<dyn core::error::Error>> {
        let key = KeyPair::generate()?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = rustls::crypto::ring::sign::any_supported_type(&der)?;
        let issuer = LeafIssuer { authority, key, signer, own_names, now };
        let issued = Mutex::new(Issued { certified: issuer.issue(hubs)?, hubs: None });
        Ok(Self { issuer, hubs: OnceLock::new(), issued })
    }

    /// Says whose names are to be in it, once.
    pub(super) fn follow(&self, hubs: Arc<Hubs>) {
        let _ = self.hubs.set(hubs);
    }

    /// The certificate, with the names of all hubs that there are now.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        // A panic elsewhere cannot leave it half-changed: it is changed by one assignment.
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hubs) = self.hubs.get() {
            // Read before the names: one that is added meanwhile leads to another certificate.
            let changes = hubs.changes();
            if issued.hubs != Some(changes) {
                match self.issuer.issue(hubs.names()) {
                    Ok(certified) => *issued = Issued { certified, hubs: Some(changes) },
                    // The names of hubs were checked when they were linked.
                    Err(error) => {
                        tracing::error!(%error, "the new hubs are not in the server certificate");
                        issued.hubs = Some(changes);
                    }
                }
            }
        }
        issued.certified.clone()
    }
}

impl LeafIssuer {
    fn issue(&self, hubs: Vec<String>) -> Result<Arc<CertifiedKey>, rcgen::Error> {
        let names = self.own_names.iter().cloned().chain(hubs).collect();
        let until = self.authority.expires().min(valid_until(self.now));
        let params = server_params(names, self.now, until)?;
        let certificate = params.signed_by(&self.key, self.authority.issuer())?;
        let chain = vec![certificate.der().clone()];
        Ok(Arc::new(CertifiedKey::new(chain, self.signer.clone())))
    }
}

impl ResolvesServerCert for Leaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("own_names", &self.issuer.own_names).finish_non_exhaustive()
    }
}
