//! Which versions of TLS a client speaks.

use rustls::SupportedProtocolVersion;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2, the oldest that the service accepts.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// The versions a client offers. The default is all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsVersions {
    min: TlsVersion,
    max: TlsVersion,
}

impl TlsVersions {
    /// From `min` to `max`, both included; `None` when that is nothing.
    pub fn new(min: TlsVersion, max: TlsVersion) -> Option<Self> {
        (min <= max).then_some(Self { min, max })
    }

    /// One version and no other.
    pub const fn only(version: TlsVersion) -> Self {
        Self { min: version, max: version }
    }

    pub(super) fn supported(self) -> Vec<&'static SupportedProtocolVersion> {
        [(TlsVersion::V1_3, &rustls::version::TLS13), (TlsVersion::V1_2, &rustls::version::TLS12)]
            .into_iter()
            .filter(|(version, _)| (self.min..=self.max).contains(version))
            .map(|(_, supported)| supported)
            .collect()
    }
}

impl Default for TlsVersions {
    fn default() -> Self {
        Self { min: TlsVersion::V1_2, max: TlsVersion::V1_3 }
    }
}
