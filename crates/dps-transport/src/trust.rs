//! Which certificate authorities may vouch for the service.

/// The certificate authorities a client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchors {
    system: bool,
    pem: Vec<u8>,
}

impl TrustAnchors {
    /// Those of the operating system.
    pub fn system() -> Self {
        Self { system: true, pem: Vec::new() }
    }

    /// Only those in this PEM text. It is read when a connection is made; what is wrong with it
    /// is reported then.
    pub fn pem(pem: impl Into<Vec<u8>>) -> Self {
        Self { system: false, pem: pem.into() }
    }

    /// Those of the operating system, and those in this PEM text.
    pub fn system_and_pem(pem: impl Into<Vec<u8>>) -> Self {
        Self { system: true, pem: pem.into() }
    }

    /// Whether the operating system's are wanted.
    pub fn uses_system(&self) -> bool {
        self.system
    }

    /// The PEM text, empty if there is none.
    pub fn pem_text(&self) -> &[u8] {
        &self.pem
    }
}

impl Default for TrustAnchors {
    fn default() -> Self {
        Self::system()
    }
}
