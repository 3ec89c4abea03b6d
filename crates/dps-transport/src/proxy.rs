//! A proxy between the device and the service.

mod tunnel;

use crate::{Endpoint, TrustAnchors};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::str::FromStr;
pub use tunnel::Tunnel;
use zeroize::Zeroizing;

/// How to speak to the proxy itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyScheme {
    /// In clear. What passes through the tunnel is still TLS; the proxy's credentials are not
    /// protected.
    Http,
    /// Over TLS.
    Https,
}

/// Why something is not a proxy. Never quotes user name or password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The URL's scheme is unknown.
    #[error("the proxy's scheme is neither http nor https: other kinds of proxy are not spoken")]
    Scheme,
    /// The host or port is wrong.
    #[error("the proxy's host or port is not valid: give http://host:port")]
    Host,
    /// The port is 0.
    #[error("the proxy's port is 0: give a number from 1 to 65535")]
    NoPort,
    /// There is something behind the host and port.
    #[error("the proxy's URL has a path, query or fragment: give http://host:port")]
    Path,
    /// The user name or password is malformed.
    #[error(
        "the proxy's user name or password cannot be used: no colon in the user name, no control characters, and in a URL other than letters and digits as %XX"
    )]
    Credentials,
}

impl From<ProxyError> for dps_core::Error {
    fn from(error: ProxyError) -> Self {
        Self::new(dps_core::Stage::Config, dps_core::ErrorKind::InvalidConfig)
            .with_detail(error.to_string())
    }
}

/// An HTTP proxy that opens tunnels by CONNECT (RFC 9110 section 9.3.6), with or without basic
/// authentication.
///
/// ```
/// use dps_transport::Proxy;
/// let proxy = Proxy::http("proxy.example", 3128)?.basic_auth("user", "secret")?;
/// assert_eq!(proxy, Proxy::parse("http://user:secret@proxy.example:3128")?);
/// assert_eq!(proxy.to_string(), "http://proxy.example:3128");
/// # Ok::<(), dps_transport::ProxyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: ProxyScheme,
    endpoint: Endpoint,
    port: u16,
    /// The value of the Proxy-Authorization field.
    authorization: Option<Zeroizing<String>>,
    anchors: Option<TrustAnchors>,
}

impl Proxy {
    /// A proxy that is spoken to in clear, at `host` (a name or an address) and `port`, 1 to
    /// 65535.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Host`], [`ProxyError::NoPort`].
    pub fn http(host: impl AsRef<str>, port: u16) -> Result<Self, ProxyError> {
        Self::new(ProxyScheme::Http, host.as_ref(), port)
    }

    /// A proxy that is spoken to over TLS.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Host`], [`ProxyError::NoPort`].
    pub fn https(host: impl AsRef<str>, port: u16) -> Result<Self, ProxyError> {
        Self::new(ProxyScheme::Https, host.as_ref(), port)
    }

    /// Reads `http://host:port` or `https://user:password@host:port`. Without a scheme it is
    /// http, without a port 80 for http and 443 for https; user name and password may hold
    /// `%XX`.
    ///
    /// # Errors
    ///
    /// [`ProxyError`] names the part that is wrong.
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let url = url.trim();
        let (scheme, rest) = match url.split_once("://") {
            None => (ProxyScheme::Http, url),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                (ProxyScheme::Http, rest)
            }
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
                (ProxyScheme::Https, rest)
            }
            Some(_) => return Err(ProxyError::Scheme),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        // Whatever stands behind the first of these is no host, even if there is an "@" in it.
        if authority.contains(['/', '?', '#']) {
            return Err(ProxyError::Path);
        }
        // A password may hold an "@" that is not escaped; a host may not.
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        // What is wrong is not quoted: it may be a misplaced password.
        let endpoint = Endpoint::parse(host).map_err(|_| ProxyError::Host)?;
        let port = endpoint.port().unwrap_or(match scheme {
            ProxyScheme::Http => 80,
            ProxyScheme::Https => 443,
        });
        let endpoint = endpoint.at(port);
        let proxy = Self { scheme, endpoint, port, authorization: None, anchors: None };
        match user_info {
            None | Some("") => Ok(proxy),
            Some(user_info) => {
                let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
                proxy.basic_auth(&*percent_decoded(user)?, &*percent_decoded(password)?)
            }
        }
    }

    fn new(scheme: ProxyScheme, host: &str, port: u16) -> Result<Self, ProxyError> {
        if port == 0 {
            return Err(ProxyError::NoPort);
        }
        let endpoint = Endpoint::parse(host).map_err(|_| ProxyError::Host)?;
        if endpoint.port().is_some() {
            return Err(ProxyError::Host);
        }
        let endpoint = endpoint.at(port);
        Ok(Self { scheme, endpoint, port, authorization: None, anchors: None })
    }

    /// Adds a user name and a password, to be sent with the first request (RFC 7617, in UTF-8).
    ///
    /// # Errors
    ///
    /// [`ProxyError::Credentials`]: there is a colon in the user name, or a control character.
    pub fn basic_auth(
        mut self,
        user: impl AsRef<str>,
        password: impl AsRef<str>,
    ) -> Result<Self, ProxyError> {
        let (user, password) = (user.as_ref(), password.as_ref());
        if user.contains(':')
            || user.contains(char::is_control)
            || password.contains(char::is_control)
        {
            return Err(ProxyError::Credentials);
        }
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        self.authorization = Some(Zeroizing::new(format!("Basic {}", *encoded)));
        Ok(self)
    }

    /// Whom to trust about an https proxy's certificate. Default: the anchors that vouch for the
    /// service.
    #[must_use]
    pub fn trust_anchors(mut self, anchors: TrustAnchors) -> Self {
        self.anchors = Some(anchors);
        self
    }

    /// How to speak to it.
    pub fn scheme(&self) -> ProxyScheme {
        self.scheme
    }

    /// Its host and port.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its own trust anchors, if it has any.
    pub fn own_trust_anchors(&self) -> Option<&TrustAnchors> {
        self.anchors.as_ref()
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(url: &str) -> Result<Self, ProxyError> {
        Self::parse(url)
    }
}

/// Without user name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.endpoint)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("url", &self.to_string())
            .field("has_credentials", &self.authorization.is_some())
            .finish_non_exhaustive()
    }
}

/// Resolves `%XX`.
fn percent_decoded(text: &str) -> Result<Zeroizing<String>, ProxyError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => return Err(ProxyError::Credentials),
        }
    }
    let text = core::str::from_utf8(&bytes).map_err(|_| ProxyError::Credentials)?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(url: &str) -> Option<String> {
        Proxy::parse(url).unwrap().authorization.map(|value| value.to_string())
    }

    #[test]
    fn urls_are_read_in_all_their_forms() {
        for (url, shown) in [
            ("proxy", "http://proxy:80"),
            ("proxy:3128", "http://proxy:3128"),
            (" HTTP://proxy:3128/ ", "http://proxy:3128"),
            ("https://proxy", "https://proxy:443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://user:secret@proxy:1", "http://proxy:1"),
            ("http://@proxy:1", "http://proxy:1"),
        ] {
            assert_eq!(Proxy::parse(url).unwrap().to_string(), shown, "{url}");
        }
        // RFC 7617 section 2's own example.
        let example = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
        assert_eq!(authorization("http://Aladdin:open%20sesame@p"), example);
        assert_eq!(authorization("http://p"), None);
        assert_eq!(authorization("http://a:b@c@p"), authorization("http://a:b%40c@p"));
    }

    #[test]
    fn what_is_wrong_is_named_without_the_secret() {
        for (url, error) in [
            ("socks5://user:secret@proxy", ProxyError::Scheme),
            ("http://user:secret@proxy/path", ProxyError::Path),
            ("http://user:secret@proxy:1/x@y", ProxyError::Path),
            ("http:/user:secret@proxy:1", ProxyError::Path),
            ("http://user:secret", ProxyError::Host),
            ("user:secret:proxy:3128", ProxyError::Host),
            ("http://user:secret@", ProxyError::Host),
            ("http://user:secret%zz@proxy", ProxyError::Credentials),
            ("http://us%3Aer:secret@proxy", ProxyError::Credentials),
            ("http://user:secret%0d%0a@proxy", ProxyError::Credentials),
            ("http://user:secret%ff@proxy", ProxyError::Credentials),
        ] {
            let found = Proxy::parse(url).unwrap_err();
            assert_eq!(found, error, "{url}");
            assert!(!found.to_string().contains("secret"), "{found}");
        }
        assert_eq!(Proxy::http("proxy", 0), Err(ProxyError::NoPort));
        assert!(Proxy::http("proxy:1", 2).is_err());
        assert!(Proxy::http("http://proxy", 2).is_err());
    }

    #[test]
    fn debug_output_shows_no_credentials() {
        let proxy = Proxy::parse("http://user:secret@proxy:1").unwrap();
        let shown = format!("{proxy:?}");
        assert!(shown.contains("has_credentials: true"), "{shown}");
        for secret in ["user", "secret", "dXNlcjpzZWNyZXQ"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
