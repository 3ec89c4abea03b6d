//! TLS by rustls. Nothing outside this module names rustls.

mod clock;
mod failure;
mod identity;
mod pin;
mod provider;
mod served;
mod session;
mod verifier;
mod versions;

use crate::{Endpoint, TrustAnchors};
use clock::GivenClock;
use core::fmt;
use dps_core::{ClientIdentity, Error, ErrorKind, Now, Stage};
pub use pin::{PinError, PublicKeyPin};
use provider::provider;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
pub use served::ServedChain;
use session::TlsSession;
use std::sync::Arc;
use verifier::Verifier;
pub use versions::{TlsVersion, TlsVersions};

/// The operating system's trust anchors, read once by a driver.
#[derive(Clone)]
pub struct SystemAnchors(Arc<RootCertStore>);

impl SystemAnchors {
    /// Takes DER certificates. Those that are not certificate authorities of a known form are
    /// left out, as every TLS client does.
    pub fn from_der<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.into_iter().map(CertificateDer::from));
        Self(Arc::new(store))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SystemAnchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemAnchors({})", self.len())
    }
}

/// What a client brings to TLS beside its trust anchors.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// The certificate to present when the server asks for one; none by default.
    pub client_identity: Option<ClientIdentity>,
    /// The versions to offer.
    pub versions: TlsVersions,
    /// Public keys that must not be in the chain that the server presents, even if a trust anchor
    /// vouches for it; none by default.
    pub revoked_pins: Vec<PublicKeyPin>,
    /// Where to keep what the server presents, for a diagnosis; nowhere by default.
    pub served_chain: Option<ServedChain>,
}

/// What TLS connections need, made once and used for each of them.
#[derive(Clone)]
pub struct TlsSettings {
    config: Arc<ClientConfig>,
    clock: Arc<GivenClock>,
}

impl TlsSettings {
    /// Settings that trust `anchors`, without a client certificate.
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options).
    pub fn new(anchors: &TrustAnchors, system: Option<&SystemAnchors>) -> Result<Self, Error> {
        Self::with_options(anchors, system, &TlsOptions::default())
    }

    /// Settings that trust `anchors`; `system` is what the operating system trusts, and only
    /// looked at when `anchors` wants it.
    ///
    /// # Errors
    ///
    /// Stage tls: the PEM text holds no certificate or a bad one, or there is no anchor at all.
    /// Stage hsm: the client identity has no certificate.
    pub fn with_options(
        anchors: &TrustAnchors,
        system: Option<&SystemAnchors>,
        options: &TlsOptions,
    ) -> Result<Self, Error> {
        // Shared, not copied, unless there is something to add.
        let mut store = match system {
            Some(system) if anchors.uses_system() => system.0.clone(),
            _ => Arc::new(RootCertStore::empty()),
        };
        let refuse =
            |detail: String| Error::new(Stage::Tls, ErrorKind::TrustAnchors).with_detail(detail);
        let mut given = 0;
        for certificate in CertificateDer::pem_slice_iter(anchors.pem_text()) {
            let certificate = certificate
                // The reader's own words would quote the text.
                .map_err(|_| refuse(format!("certificate {} is not well-formed PEM", given + 1)))?;
            Arc::make_mut(&mut store).add(certificate).map_err(|error| {
                refuse(format!("trusted certificate {} cannot be used: {error}", given + 1))
            })?;
            given += 1;
        }
        let blank = anchors.pem_text().iter().all(u8::is_ascii_whitespace);
        if given == 0 && !(blank && anchors.uses_system()) {
            return Err(refuse("the trusted certificates' text holds no PEM certificate".into()));
        }
        if store.is_empty() {
            return Err(refuse("this machine has none, and none were given".into()));
        }
        let clock = Arc::new(GivenClock::default());
        let provider = provider();
        let verifier = Verifier::new(store, provider.signature_verification_algorithms, options);
        let builder = ClientConfig::builder_with_details(Arc::new(provider), clock.clone())
            .with_protocol_versions(&options.versions.supported())
            .map_err(|error| Error::new(Stage::Tls, ErrorKind::Tls).with_detail(error.to_string()))?
            // Stricter than the usual verifier, which it asks first.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &options.client_identity {
            Some(identity) => {
                builder.with_client_cert_resolver(Arc::new(identity::Resolver::new(identity)?))
            }
            None => builder.with_no_client_auth(),
        };
        // One service, a few connections: a small cache is enough to resume after a loss.
        config.resumption = Resumption::in_memory_sessions(2);
        Ok(Self { config: Arc::new(config), clock })
    }

    /// TLS with `endpoint`, whose errors are of `stage`.
    pub(crate) fn session(
        &self,
        now: Now,
        endpoint: &Endpoint,
        stage: Stage,
    ) -> Result<TlsSession, Error> {
        self.clock.set(now);
        let host = endpoint.host();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Error::new(stage, ErrorKind::InvalidConfig)
                .with_detail(format!("{host:?} cannot be a TLS server name"))
        })?;
        let connection = ClientConnection::new(self.config.clone(), name)
            .map_err(|error| failure::translate(&error, host).at_stage(stage))?;
        Ok(TlsSession::new(connection, self.clock.clone(), host.to_owned(), stage))
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsSettings")
    }
}

#[cfg(test)]
mod tests;
