//! Settings of a hub's client.

use super::client::HubClient;
use crate::transport::Transport;
use dps_core::{Error, ErrorKind, Hsm, Stage};
use dps_transport::{Endpoint, Proxy, PublicKeyPin, TlsVersions, TrustAnchors};
use std::time::Duration;

/// Builds a [`HubClient`]. The security module is required.
#[must_use]
pub struct HubBuilder {
    hub: String,
    pub(super) device_id: String,
    pub(super) hsm: Option<Box<dyn Hsm>>,
    pub(super) transport: Transport,
    pub(super) connect_to: Option<Endpoint>,
    pub(super) trust_anchors: TrustAnchors,
    pub(super) tls_versions: TlsVersions,
    pub(super) revoked_pins: Vec<PublicKeyPin>,
    pub(super) proxy: Option<Proxy>,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) token_lifetime: Duration,
}

impl HubBuilder {
    pub(super) fn new(hub: String, device_id: String) -> Self {
        Self {
            hub,
            device_id,
            hsm: None,
            transport: Transport::Mqtt,
            connect_to: None,
            trust_anchors: TrustAnchors::system(),
            tls_versions: TlsVersions::default(),
            revoked_pins: Vec::new(),
            proxy: None,
            connect_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(30),
            token_lifetime: Duration::from_secs(3600),
        }
    }

    /// What proves the device's identity: the module that it registered with. Required.
    pub fn hsm(mut self, hsm: impl Hsm + 'static) -> Self {
        self.hsm = Some(Box::new(hsm));
        self
    }

    /// The protocol: [`Transport::Mqtt`], the default, or [`Transport::MqttWs`].
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Where the hub is to be found, if not by its name at the transport's port: a gateway, or a
    /// local service on another port. The server must still prove to be the hub by its
    /// certificate. Names below `localhost` need no such help: they lead to this machine.
    pub fn connect_to(mut self, endpoint: impl Into<Option<Endpoint>>) -> Self {
        self.connect_to = endpoint.into();
        self
    }

    /// Whom to trust. Default: the operating system's certificate authorities.
    pub fn trust_anchors(mut self, anchors: TrustAnchors) -> Self {
        self.trust_anchors = anchors;
        self
    }

    /// The versions of TLS to offer. Default: 1.2 and 1.3.
    pub fn tls_versions(mut self, versions: TlsVersions) -> Self {
        self.tls_versions = versions;
        self
    }

    /// Public keys of servers that are not to be trusted any more. Default: none.
    pub fn revoked_pins(mut self, pins: impl IntoIterator<Item = PublicKeyPin>) -> Self {
        self.revoked_pins = pins.into_iter().collect();
        self
    }

    /// A proxy to go through, `None` for none, which is the default. No environment variable is
    /// looked at.
    pub fn proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// How long it may take until the device is connected. Default: 60 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the hub may take to answer one request. Default: 30 s.
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }

    /// How long a SAS token is good, in whole seconds; a hub ends a connection whose token has
    /// expired. Default: one hour.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Makes the client. Opens nothing yet.
    ///
    /// # Errors
    ///
    /// Stage config: there is no security module, the hub is no host name, there is no device
    /// id, or hubs are not reached by this transport here.
    pub fn build(mut self) -> Result<HubClient, Error> {
        let refuse = |detail: String| {
            Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(detail)
        };
        let hsm = self.hsm.take().ok_or_else(|| refuse("the security module is not set".into()))?;
        if !matches!(self.transport, Transport::Mqtt | Transport::MqttWs) {
            let name = self.transport;
            return Err(refuse(format!("hubs are reached by mqtt or mqtt-ws, not by {name}")));
        }
        // A slash would make it another part of the user name, and no id has one. Wild cards of MQTT
        // may be in an id: topics have it encoded.
        if self.device_id.is_empty() || self.device_id.contains(['/', '&', '\0']) {
            return Err(refuse(format!("{:?} is not a device id", self.device_id)));
        }
        let hub = Endpoint::parse(&self.hub)?;
        if hub.port().is_some() {
            return Err(refuse("a hub's host name has no port: use connect_to".into()));
        }
        Ok(HubClient::new(self, hub, hsm))
    }
}

impl std::fmt::Debug for HubBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubBuilder")
            .field("hub", &self.hub)
            .field("device_id", &self.device_id)
            .field("transport", &self.transport)
            .field("connect_to", &self.connect_to)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
