//! Settings of a client.

use crate::client::ProvisioningClient;
use crate::transport::Transport;
use dps_core::wire::MAX_MESSAGE_BYTES;
use dps_core::{Error, ErrorKind, Hsm, IdScope, Policy, RegistrationId, Stage};
use dps_transport::{Endpoint, Proxy, PublicKeyPin, TlsVersions, TrustAnchors};
use serde_json::value::RawValue;

/// Builds a [`ProvisioningClient`]. The ID scope and the security module are required; the order
/// of the settings does not matter.
#[must_use]
pub struct Builder {
    pub(crate) endpoint: Endpoint,
    pub(crate) id_scope: Option<IdScope>,
    pub(crate) hsm: Option<Box<dyn Hsm>>,
    pub(crate) registration_id: Option<RegistrationId>,
    pub(crate) trust_anchors: TrustAnchors,
    pub(crate) tls_versions: TlsVersions,
    pub(crate) revoked_pins: Vec<PublicKeyPin>,
    pub(crate) proxy: Option<Proxy>,
    payload: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) transport: Transport,
    pub(crate) conservative: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            endpoint: Endpoint::global(),
            id_scope: None,
            hsm: None,
            registration_id: None,
            trust_anchors: TrustAnchors::system(),
            tls_versions: TlsVersions::default(),
            revoked_pins: Vec::new(),
            proxy: None,
            payload: None,
            policy: Policy::default(),
            transport: Transport::default(),
            conservative: false,
        }
    }

    /// Where the service is. Default: the global endpoint, at the transport's port.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// The service instance. Required.
    pub fn id_scope(mut self, id_scope: IdScope) -> Self {
        self.id_scope = Some(id_scope);
        self
    }

    /// What proves the device's identity. Required.
    pub fn hsm(mut self, hsm: impl Hsm + 'static) -> Self {
        self.hsm = Some(Box::new(hsm));
        self
    }

    /// The registration id, if it is not to be the one that the security module knows.
    pub fn registration_id(mut self, id: RegistrationId) -> Self {
        self.registration_id = Some(id);
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

    /// Public keys of servers that are not to be trusted any more, even if a trust anchor vouches
    /// for them: no certificate in the chain that the service presents may have one. Default:
    /// none.
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

    /// Any JSON text to send along, for a custom allocation webhook. Sent byte for byte;
    /// [`build`](Self::build) refuses what is not JSON.
    pub fn payload_json(mut self, json: impl Into<String>) -> Self {
        self.payload = Some(json.into());
        self
    }

    /// Time-outs and retries.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The protocol. Default: MQTT.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Whether to wait for each acknowledgement of the opening instead of sending it in one
    /// flight. Default: no.
    pub fn conservative(mut self, conservative: bool) -> Self {
        self.conservative = conservative;
        self
    }

    /// Makes the client. Opens nothing yet.
    ///
    /// # Errors
    ///
    /// Stage config: a required setting is missing, the payload is not JSON, the security module is
    /// a TPM and the transport MQTT ([`Transport::supports`]), or there is no registration id. Stage hsm: the security module could not be asked for its id.
    pub fn build(mut self) -> Result<ProvisioningClient, Error> {
        let refuse = |detail: String| {
            Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(detail)
        };
        let id_scope =
            self.id_scope.take().ok_or_else(|| refuse("the ID scope is not set".into()))?;
        let mut hsm =
            self.hsm.take().ok_or_else(|| refuse("the security module is not set".into()))?;
        if !self.transport.supports(hsm.attestation()) {
            return Err(refuse(format!(
                "a TPM cannot prove itself over {}; choose http, amqp or amqp-ws",
                self.transport
            )));
        }
        let payload = self.payload.take().map(checked_payload).transpose()?;
        let registration_id = match self.registration_id.take() {
            Some(id) => id,
            None => hsm.registration_id()?.ok_or_else(|| {
                refuse(
                    "there is no registration id: the security module knows none and none was set"
                        .into(),
                )
            })?,
        };
        Ok(ProvisioningClient::new(self, id_scope, registration_id, hsm, payload))
    }
}

/// A payload that is JSON and fits into a message.
pub(crate) fn checked_payload(json: String) -> Result<Box<RawValue>, Error> {
    let refuse =
        |detail: String| Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(detail);
    if json.len() > MAX_MESSAGE_BYTES {
        return Err(refuse(format!(
            "the payload has {} bytes; the service accepts messages of {MAX_MESSAGE_BYTES}",
            json.len()
        )));
    }
    RawValue::from_string(json).map_err(|error| refuse(format!("the payload is not JSON: {error}")))
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("endpoint", &self.endpoint)
            .field("id_scope", &self.id_scope)
            .field("registration_id", &self.registration_id)
            .field("policy", &self.policy)
            .field("transport", &self.transport)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
