//! SetOption (`c-abi.md` section 2).

use core::fmt;

/// The options this library knows, each with the C type that `value` points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// `const char*`
    RegistrationId,
    /// `bool*`
    LogTrace,
    /// `uint8_t*`, in seconds
    Timeout,
    /// `const char*`, PEM
    TrustedCerts,
    /// `uint16_t*`; the threaded client only
    DoWorkFrequency,
}

impl Name {
    /// The option of this name. Case matters.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "registration_id" => Self::RegistrationId,
            "logtrace" => Self::LogTrace,
            "provisioning_timeout" => Self::Timeout,
            "TrustedCerts" => Self::TrustedCerts,
            "do_work_freq_ms" => Self::DoWorkFrequency,
            _ => return None,
        })
    }
}

/// An option with its value, read from C.
pub(crate) enum Setting {
    RegistrationId(String),
    LogTrace(bool),
    /// Seconds; 0 for no limit.
    Timeout(u8),
    TrustedCerts(Vec<u8>),
    /// Milliseconds between two passes of the worker.
    DoWorkFrequency(u16),
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistrationId(id) => write!(f, "registration_id = {id:?}"),
            Self::LogTrace(on) => write!(f, "logtrace = {on}"),
            Self::Timeout(seconds) => write!(f, "provisioning_timeout = {seconds} s"),
            Self::TrustedCerts(pem) => write!(f, "TrustedCerts = {} bytes", pem.len()),
            Self::DoWorkFrequency(pause) => write!(f, "do_work_freq_ms = {pause}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        assert_eq!(Name::find("TrustedCerts"), Some(Name::TrustedCerts));
        for unknown in ["trustedcerts", "", "proxy_data", "x509certificate", "tls_version"] {
            assert_eq!(Name::find(unknown), None, "{unknown}");
        }
    }
}
