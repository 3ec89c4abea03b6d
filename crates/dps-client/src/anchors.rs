//! The operating system's trust anchors, read once per process if they can be read well.

use dps_transport::SystemAnchors;
use std::sync::OnceLock;

static ANCHORS: OnceLock<SystemAnchors> = OnceLock::new();

/// Those that were read already.
pub(crate) fn cached() -> Option<SystemAnchors> {
    ANCHORS.get().cloned()
}

/// Reads them if need be. Does file I/O.
///
/// What could be read only in part, or not at all, is not kept: the next connection tries again,
/// since the reason (no file handles left, a folder mounted late) may have gone.
pub(crate) fn load() -> SystemAnchors {
    if let Some(anchors) = cached() {
        return anchors;
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's trust anchors cannot be read");
    }
    let anchors = SystemAnchors::from_der(found.certs.iter().map(AsRef::as_ref));
    if anchors.is_empty() || !found.errors.is_empty() {
        return anchors;
    }
    ANCHORS.get_or_init(|| anchors).clone()
}
