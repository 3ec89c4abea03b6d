//! SetOption (`c-abi.md` section 2): the names, and what they set.
//!
//! Three kinds of names: those with a meaning here, those that the original takes and that have
//! none ([`Name::CipherSuite`] and the like), and those that are refused with a reason
//! ([`refused`]). What is in none of them is unknown.

use crate::secret::SecretText;
use core::ffi::c_int;
use core::fmt;
use dps_client::{Proxy, TlsVersion, TlsVersions};

/// The options this library takes, each with the C type that `value` points to.
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
    /// `const char*`, PEM; the device's chain
    Certificate,
    /// `const char*`, PEM; the device's key
    PrivateKey,
    /// `const HTTP_PROXY_OPTIONS*`
    Proxy,
    /// `int*`
    TlsVersion,
    /// `const char*`; taken, without effect
    CipherSuite,
    /// `bool*`; taken, without effect
    Renegotiation,
    /// `OPTION_OPENSSL_KEY_TYPE*`; without effect: the key's text says what it is
    KeyType,
    /// `const char*`; only "pkcs11", in builds that have it, and without effect, too
    Engine,
    /// `const char*`; only IP is there
    AddressType,
    /// `bool*`; only false is there
    SkipNameCheck,
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
            "x509certificate" | "x509EccCertificate" => Self::Certificate,
            "x509privatekey" | "x509EccAliasKey" => Self::PrivateKey,
            "proxy_data" => Self::Proxy,
            "tls_version" => Self::TlsVersion,
            "CipherSuite" => Self::CipherSuite,
            "tls_renegotiation" => Self::Renegotiation,
            "x509PrivatekeyType" => Self::KeyType,
            "Engine" => Self::Engine,
            "ADDRESS_TYPE" => Self::AddressType,
            "ignore_host_name_check" => Self::SkipNameCheck,
            "do_work_freq_ms" => Self::DoWorkFrequency,
            _ => return None,
        })
    }
}

/// Why an option that the original has is not taken here.
pub(crate) fn refused(name: &str) -> Option<&'static str> {
    Some(match name {
        "tls_validation_callback" | "tls_validation_callback_data" => {
            "there is no OpenSSL for such a callback; give the CA certificate as TrustedCerts"
        }
        "tcp_keepalive" | "tcp_keepalive_time" | "tcp_keepalive_interval" => {
            "there is no socket yet; silence_ms of dps.h notices dead connections"
        }
        "net_interface_mac_address" => "choosing a network interface is not supported",
        "underlying_io_options" | "concreteOptions" | "WSIOOptions" | "uWSClientOptions" => {
            "it is for the C SDK's own use"
        }
        _ => return None,
    })
}

/// An option with its value, read from C.
pub(crate) enum Setting {
    RegistrationId(String),
    LogTrace(bool),
    /// Seconds; 0 for no limit.
    Timeout(u8),
    TrustedCerts(Vec<u8>),
    Certificate(Vec<u8>),
    PrivateKey(SecretText),
    Proxy(Proxy),
    TlsVersions(TlsVersions),
    /// Milliseconds between two passes of the worker.
    DoWorkFrequency(u16),
    /// Taken, without effect.
    NoEffect(Name),
}

/// The versions that a value of `tls_version` asks for: that one and newer ones. What is older than
/// TLS 1.2 is not to be had, and the original takes what it does not know for 1.2.
pub(crate) fn tls_versions(value: c_int) -> TlsVersions {
    match value {
        // Beyond the original.
        13 => TlsVersions::only(TlsVersion::V1_3),
        _ => TlsVersions::default(),
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistrationId(id) => write!(f, "registration_id = {id:?}"),
            Self::LogTrace(on) => write!(f, "logtrace = {on}"),
            Self::Timeout(seconds) => write!(f, "provisioning_timeout = {seconds} s"),
            Self::TrustedCerts(pem) => write!(f, "TrustedCerts = {} bytes", pem.len()),
            Self::Certificate(pem) => write!(f, "x509certificate = {} bytes", pem.len()),
            Self::PrivateKey(_) => write!(f, "x509privatekey = (secret)"),
            Self::Proxy(proxy) => write!(f, "proxy_data = {proxy:?}"),
            Self::TlsVersions(versions) => write!(f, "tls_version = {versions:?}"),
            Self::DoWorkFrequency(pause) => write!(f, "do_work_freq_ms = {pause}"),
            Self::NoEffect(name) => write!(f, "{name:?} is taken and has no effect"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn names_are_exact() {
        assert_eq!(Name::find("TrustedCerts"), Some(Name::TrustedCerts));
        assert_eq!(Name::find("x509EccAliasKey"), Some(Name::PrivateKey));
        for unknown in ["trustedcerts", "", "x509PrivateKeyType", "timeout", "engine"] {
            assert_eq!(Name::find(unknown), None, "{unknown}");
        }
        assert_eq!(Name::find("Engine"), Some(Name::Engine));
        assert!(refused("WSIOOptions").is_some() && refused("timeout").is_none());
    }

    #[test]
    fn tls_versions_are_lower_limits() {
        for value in [0, 10, 11, 12, 99, -1] {
            assert_eq!(tls_versions(value), TlsVersions::default(), "{value}");
        }
        assert_eq!(tls_versions(13), TlsVersions::only(TlsVersion::V1_3));
    }

    #[test]
    fn no_secret_is_shown() {
        let key = SecretText::new(&Zeroizing::new("hidden".to_owned()));
        let proxy = Proxy::http("proxy", 3128).unwrap().basic_auth("user", "hidden").unwrap();
        for setting in [Setting::Proxy(proxy), Setting::PrivateKey(key)] {
            assert!(!format!("{setting:?}").contains("hidden"));
        }
    }
}
