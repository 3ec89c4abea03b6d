//! Where the service is.

use core::fmt;
use core::str::FromStr;
use std::net::{IpAddr, Ipv6Addr};

/// The service's global device endpoint (`wire-protocol.md` section 0).
pub const GLOBAL_ENDPOINT: &str = "global.azure-devices-provisioning.net";

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no host.
    #[error("the endpoint has no host name")]
    NoHost,
    /// The host is neither a name nor an address.
    #[error(
        "{host:?} is not a host name: give host, host:port or [IPv6 address]:port, without https:// or a path"
    )]
    BadHost {
        /// What stands where the host should.
        host: String,
    },
    /// The port is not a number from 1 to 65535.
    #[error("{port:?} is not a port: give a number from 1 to 65535")]
    BadPort {
        /// What stands where the port should.
        port: String,
    },
}

/// A host name or address, and a port if it is not the transport's usual one.
///
/// ```
/// use dps_transport::Endpoint;
/// let endpoint: Endpoint = "127.0.0.1:18883".parse()?;
/// assert_eq!((endpoint.host(), endpoint.port()), ("127.0.0.1", Some(18883)));
/// let endpoint: Endpoint = "[::1]:8883".parse()?;
/// assert_eq!(endpoint.host(), "::1");
/// assert!("https://example.net".parse::<Endpoint>().is_err());
/// # Ok::<(), dps_transport::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: Option<u16>,
}

impl Endpoint {
    /// The service's global endpoint.
    pub fn global() -> Self {
        Self { host: GLOBAL_ENDPOINT.into(), port: None }
    }

    /// Reads `host`, `host:port`, an IP address, or `[IPv6]:port`.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EndpointError::NoHost);
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { host: text.into(), port: None });
        }
        let bad_host = || EndpointError::BadHost { host: text.into() };
        if text.contains("//") {
            return Err(bad_host());
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(bad_host)?;
            host.parse::<Ipv6Addr>().map_err(|_| bad_host())?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if rest.is_empty() => None,
                None => return Err(bad_host()),
            };
            return Ok(Self { host: host.into(), port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) if is_host_name(host) => (host, Some(parse_port(port)?)),
            Some(("", _)) => return Err(EndpointError::NoHost),
            Some(_) => return Err(bad_host()),
            None => (text, None),
        };
        if is_host_name(host) { Ok(Self { host: host.into(), port }) } else { Err(bad_host()) }
    }

    /// The host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The same host at this port.
    #[must_use]
    pub fn at(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port: Some(port) }
    }

    /// The host, in brackets if it is an IPv6 address, and `port` unless it is the `usual` one: as
    /// an HTTP Host field has it.
    pub(crate) fn authority(&self, port: u16, usual: u16) -> String {
        match self.host.contains(':') {
            _ if port != usual => self.at(port).to_string(),
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }

    /// The host as an address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

fn parse_port(text: &str) -> Result<u16, EndpointError> {
    match text.parse::<u16>() {
        // `parse` alone would take "+8883".
        Ok(port) if port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(EndpointError::BadPort { port: text.into() }),
    }
}

fn is_host_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && !text.contains("..")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
    }
}

impl From<EndpointError> for dps_core::Error {
    fn from(error: EndpointError) -> Self {
        Self::new(dps_core::Stage::Config, dps_core::ErrorKind::InvalidConfig)
            .with_detail(error.to_string())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets = self.host.contains(':');
        match self.port {
            Some(port) if brackets => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        for (text, host, port) in [
            ("global.azure-devices-provisioning.net", GLOBAL_ENDPOINT, None),
            ("localhost:18883", "localhost", Some(18883)),
            (" 127.0.0.1:1 ", "127.0.0.1", Some(1)),
            ("::1", "::1", None),
            ("[::1]", "::1", None),
            ("[fe80::1]:65535", "fe80::1", Some(65535)),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{text}");
            assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint));
        }
    }

    #[test]
    fn names_the_part_that_is_wrong() {
        use EndpointError::{BadHost, BadPort, NoHost};
        for (text, error) in [
            ("", NoHost),
            (":8883", NoHost),
            ("host:0", BadPort { port: "0".into() }),
            ("host:+1", BadPort { port: "+1".into() }),
            ("host:65536", BadPort { port: "65536".into() }),
            ("host:", BadPort { port: "".into() }),
            ("https://x", BadHost { host: "https://x".into() }),
            ("https://127.0.0.1:8883", BadHost { host: "https://127.0.0.1:8883".into() }),
            ("a b", BadHost { host: "a b".into() }),
            ("host/path", BadHost { host: "host/path".into() }),
            ("[::1", BadHost { host: "[::1".into() }),
            ("[::1]x", BadHost { host: "[::1]x".into() }),
            ("ho\u{0}st", BadHost { host: "ho\u{0}st".into() }),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text:?}");
        }
    }
}
