//! Connection strings (`wire-protocol.md` section 7.1):
//! `HostName=...;SharedAccessKeyName=...;SharedAccessKey=...`.

use core::fmt;
use core::str::FromStr;
use dps_core::sas::{HexCase, UnsignedToken, percent_encode};
use dps_core::{KeyError, SymmetricKey};

/// Where the service API is, and with which policy's key it is used. `Debug` leaves out the key.
#[derive(Clone)]
pub struct ConnectionString {
    host_name: String,
    key_name: String,
    key: SymmetricKey,
}

/// Why a text is no connection string. Never repeats it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionStringError {
    /// A part is missing or empty.
    #[error("the connection string has no {part}")]
    Missing {
        /// The part.
        part: &'static str,
    },
    /// A part is there twice.
    #[error("the connection string has {part} twice")]
    Twice {
        /// The part.
        part: &'static str,
    },
    /// The host is none.
    #[error("HostName in the connection string is not a host name, with a port or without")]
    BadHost,
    /// The key cannot be used.
    #[error("SharedAccessKey in the connection string: {0}")]
    BadKey(#[from] KeyError),
}

impl ConnectionString {
    /// The service's host, with a port unless that is 443.
    pub fn host_name(&self) -> &str {
        &self.host_name
    }

    /// The service's port.
    pub fn port(&self) -> u16 {
        let port = self.host_name.strip_prefix(host_of(&self.host_name));
        port.and_then(|port| port.strip_prefix(':')?.parse().ok()).unwrap_or(443)
    }

    /// The policy's name.
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// The value of Authorization for requests until `expiry`, in seconds since 1970.
    pub(crate) fn token(&self, expiry: u64) -> dps_core::sas::SasToken {
        // The resource is the host alone.
        let resource = percent_encode(host_of(&self.host_name), HexCase::Upper);
        UnsignedToken::new(resource, expiry).key_name(self.key_name.as_str()).sign(&self.key)
    }

    /// The service's host without its port, and without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        host_of(&self.host_name).trim_start_matches('[').trim_end_matches(']')
    }
}

fn host_of(host_name: &str) -> &str {
    match host_name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host_name,
    }
}

/// A host and perhaps a port, and nothing that would make it another part of a URL.
fn is_host(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let host = host_of(text);
    let port = text.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    text.bytes().all(is_allowed) && !host.is_empty() && is_port
}

impl FromStr for ConnectionString {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        let parts = text.trim().split(';').filter_map(|part| part.split_once('='));
        let (mut host, mut name, mut key) = (None, None, None);
        for (part, value) in parts {
            let (part, slot) = match part.trim() {
                part if part.eq_ignore_ascii_case("HostName") => ("HostName", &mut host),
                part if part.eq_ignore_ascii_case("SharedAccessKeyName") => {
                    ("SharedAccessKeyName", &mut name)
                }
                part if part.eq_ignore_ascii_case("SharedAccessKey") => {
                    ("SharedAccessKey", &mut key)
                }
                _ => continue,
            };
            if slot.replace(value.trim()).is_some() {
                return Err(ConnectionStringError::Twice { part });
            }
        }
        let given = |value: Option<&str>, part| match value {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            _ => Err(ConnectionStringError::Missing { part }),
        };
        let host_name = given(host, "HostName")?;
        let key_name = given(name, "SharedAccessKeyName")?;
        if !is_host(&host_name) {
            return Err(ConnectionStringError::BadHost);
        }
        match key {
            Some(key) if !key.is_empty() => {
                Ok(Self { host_name, key_name, key: SymmetricKey::from_base64(key)? })
            }
            _ => Err(ConnectionStringError::Missing { part: "SharedAccessKey" }),
        }
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionString")
            .field("host_name", &self.host_name)
            .field("key_name", &self.key_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn the_documented_form_is_read_whatever_the_order_and_case() {
        for text in [
            format!("HostName=d.x;SharedAccessKeyName=owner;SharedAccessKey={KEY}"),
            format!(" sharedaccesskey={KEY};HOSTNAME=d.x;SharedAccessKeyName=owner;Other=1;\n"),
        ] {
            let read: ConnectionString = text.parse().unwrap();
            assert_eq!((read.host_name(), read.key_name(), read.host()), ("d.x", "owner", "d.x"));
            assert_eq!(read.port(), 443);
            let shown = format!("{read:?}");
            assert!(!shown.contains("AAEC"), "{shown}");
        }
    }

    /// `wire-protocol.md` section 1.5.
    #[test]
    fn a_token_is_the_documented_one() {
        let host = "contosodps.azure-devices-provisioning.net";
        for host_name in [host.to_owned(), format!("{host}:8443")] {
            let text = format!("HostName={host_name};SharedAccessKeyName=p;SharedAccessKey={KEY}");
            let token = text.parse::<ConnectionString>().unwrap().token(1_893_456_000);
            assert_eq!(
                token.as_str(),
                format!(
                    "SharedAccessSignature sr={host}&sig=Am%2FAiahIMDZ9Ptb6pgsmimgkJbtb4xdUu3esreMwzQY%3D&se=1893456000&skn=p"
                )
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_the_key_is_not_repeated() {
        for (text, words) in [
            ("", "no HostName"),
            ("HostName=;SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0", "no HostName"),
            ("HostName=a.b;SharedAccessKey=c2VjcmV0", "no SharedAccessKeyName"),
            ("HostName=a.b;SharedAccessKeyName=a", "no SharedAccessKey"),
            ("HostName=a.b;HostName=a.b", "HostName twice"),
            ("HostName=a/b;SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0", "not a host name"),
            ("HostName=u@b;SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0", "not a host name"),
            ("HostName=a.b;SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0", "SharedAccessKey in"),
            ("HostName=a.b;SharedAccessKeyName=a;SharedAccessKey=secret!", "SharedAccessKey in"),
        ] {
            let error = text.parse::<ConnectionString>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains("c2Vj") && !error.contains("secret!"), "{error}");
        }
    }

    #[test]
    fn host_and_port_are_told_apart() {
        for (host_name, host, port) in
            [("a.test:8443", "a.test", 8443), ("[::1]:1", "::1", 1), ("[::1]", "::1", 443)]
        {
            let text = format!("HostName={host_name};SharedAccessKeyName=p;SharedAccessKey={KEY}");
            let read: ConnectionString = text.parse().unwrap();
            assert_eq!((read.host(), read.port()), (host, port));
        }
    }

    #[test]
    fn a_port_is_a_number_that_a_port_can_have() {
        for (host, is_good) in [
            ("a.test", true),
            ("a.test:443", true),
            ("[::1]:8443", true),
            ("[::1]", true),
            ("a.test:65536", false),
            ("a.test:0", false),
            ("a.test:", false),
        ] {
            assert_eq!(is_host(host), is_good, "{host}");
        }
    }
}
