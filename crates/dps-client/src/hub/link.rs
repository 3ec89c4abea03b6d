//! What stands between a hub's engine and the socket.

use super::builder::HubBuilder;
use crate::signing;
use crate::transport::Transport;
use dps_core::{Error, Hsm, Now, Stage};
use dps_transport::{
    Endpoint, Link, LinkSettings, Proxy, SystemAnchors, TlsOptions, TlsSettings, TrustAnchors,
};

/// Where the hub is, and how to get there.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) hub: Endpoint,
    pub(super) connect_to: Option<Endpoint>,
    pub(super) transport: Transport,
}

impl Route {
    fn target(&self) -> (&Endpoint, u16) {
        let endpoint = self.connect_to.as_ref().unwrap_or(&self.hub);
        (endpoint, endpoint.port().unwrap_or(self.transport.default_port()))
    }

    /// Where the socket leads to: the hub, or the proxy.
    pub(super) fn first_hop<'a>(&'a self, proxy: Option<&'a Proxy>) -> (&'a Endpoint, u16) {
        proxy.map_or_else(|| self.target(), |proxy| (proxy.endpoint(), proxy.port()))
    }

    /// The link of a new connection.
    pub(super) fn link(&self, settings: &LinkSettings, now: Now) -> Result<Link, Error> {
        settings.link(now, &self.hub, self.target().1)
    }
}

/// Whether these settings need the system's anchors.
pub(super) fn wants_system_anchors(settings: &HubBuilder) -> bool {
    let of_proxy = settings.proxy.as_ref().and_then(Proxy::own_trust_anchors);
    let both = [Some(&settings.trust_anchors), of_proxy];
    both.into_iter().flatten().any(TrustAnchors::uses_system)
}

/// TLS with the hub, through the proxy if there is one, and the WebSocket if it is wanted.
pub(super) fn settings(
    settings: &HubBuilder,
    route: &Route,
    hsm: &mut dyn Hsm,
    now: Now,
    system: Option<&SystemAnchors>,
) -> Result<LinkSettings, Error> {
    let mut options = TlsOptions::default();
    options.versions = settings.tls_versions;
    options.revoked_pins = settings.revoked_pins.clone();
    let proxy = match &settings.proxy {
        None => None,
        Some(proxy) => {
            let anchors = proxy.own_trust_anchors().unwrap_or(&settings.trust_anchors);
            let tls = TlsSettings::with_options(anchors, system, &options)
                .map_err(|error| error.at_stage(Stage::Proxy))?;
            Some((proxy.clone(), tls))
        }
    };
    options.client_identity = signing::client_identity(hsm, now)?;
    let tls = TlsSettings::with_options(&settings.trust_anchors, system, &options)?;
    let mut link = LinkSettings::new(tls);
    if let Some((proxy, tls)) = proxy {
        let (endpoint, port) = route.target();
        link = link.proxy(proxy, tls).route(endpoint.clone(), port);
    }
    if let Some(protocol) = route.transport.web_socket() {
        link = link.web_socket(protocol);
    }
    Ok(link)
}
