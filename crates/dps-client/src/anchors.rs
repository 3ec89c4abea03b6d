//! The operating system's trust anchors, read once per process.

use dps_transport::SystemAnchors;
use std::sync::OnceLock;

static ANCHORS: OnceLock<SystemAnchors> = OnceLock::new();

/// Those that were read already.
pub(crate) fn cached() -> Option<&'static SystemAnchors> {
    ANCHORS.get()
}

/// Reads them if need be. Does file I/O the first time.
pub(crate) fn load() -> &'static SystemAnchors {
    ANCHORS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some of the system's trust anchors cannot be read");
        }
        SystemAnchors::from_der(found.certs.iter().map(AsRef::as_ref))
    })
}
