//! How a link is put together.

use crate::proxy::Tunnel;
use crate::web_socket::WebSocket;
use crate::{Endpoint, Link, Proxy, ProxyScheme, TlsSettings, WebSocketProtocol};
use dps_core::{Error, Now, Stage};

/// Everything that stands between an engine and a socket: made once, used for each connection.
///
/// The layers are, from the wire upwards: TLS with an https proxy, the proxy's tunnel, TLS with
/// the service, a WebSocket. All but the third are there only when wanted.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    tls: TlsSettings,
    proxy: Option<(Proxy, TlsSettings)>,
    web_socket: Option<WebSocketProtocol>,
    route: Option<(Endpoint, u16)>,
}

impl LinkSettings {
    /// TLS and nothing else.
    pub fn new(tls: TlsSettings) -> Self {
        Self { tls, proxy: None, web_socket: None, route: None }
    }

    /// Goes through `proxy`. `tls` is for an https proxy; it should not have the device's
    /// certificate, which is no affair of the proxy's.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy, tls: TlsSettings) -> Self {
        self.proxy = Some((proxy, tls));
        self
    }

    /// Has the proxy lead to `endpoint` at `port`, where the host of the later
    /// [`link`](Self::link) is to be found if not by its name.
    #[must_use]
    pub fn route(mut self, endpoint: Endpoint, port: u16) -> Self {
        self.route = Some((endpoint, port));
        self
    }

    /// Puts a WebSocket on top.
    #[must_use]
    pub fn web_socket(mut self, protocol: WebSocketProtocol) -> Self {
        self.web_socket = Some(protocol);
        self
    }

    /// The link of one connection, whose wire leads to `endpoint` at `port`, or to the proxy.
    ///
    /// # Errors
    ///
    /// Stage tls or proxy: the host cannot stand in a certificate.
    pub fn link(&self, now: Now, endpoint: &Endpoint, port: u16) -> Result<Link, Error> {
        let mut link = Link::plain();
        if let Some((proxy, tls)) = &self.proxy {
            if proxy.scheme() == ProxyScheme::Https {
                link = link.with(tls.session(now, proxy.endpoint(), Stage::Proxy)?);
            }
            let (target, target_port) = match &self.route {
                Some((endpoint, port)) => (endpoint, *port),
                None => (endpoint, port),
            };
            link = link.with(Tunnel::new(proxy, target, target_port));
        }
        link = link.with(self.tls.session(now, endpoint, Stage::Tls)?);
        if let Some(protocol) = self.web_socket {
            link = link.with(WebSocket::new(protocol, endpoint, port));
        }
        Ok(link)
    }
}
