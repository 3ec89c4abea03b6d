//! Who asks, and what the request's body may say about it.

use super::refusal::Refusal;
use crate::faults::DeviceTransport;
use crate::tpm::PublicKey;
use core::fmt;
use core::net::IpAddr;
use dps_core::RegistrationId;
use dps_core::wire::DeviceRegistration;
use zeroize::Zeroizing;

/// The device that a request claims to come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceIdentity {
    /// The ID scope as the device states it.
    pub id_scope: String,
    /// The registration id as the device states it: a derived key depends on its case.
    pub registration_id: RegistrationId,
    /// The address that the request comes from, when it comes over a network.
    pub source: Option<IpAddr>,
    /// How the request has come, when a door has brought it.
    pub transport: Option<DeviceTransport>,
}

impl DeviceIdentity {
    /// A device of a scope.
    pub fn new(id_scope: impl Into<String>, registration_id: RegistrationId) -> Self {
        Self { id_scope: id_scope.into(), registration_id, source: None, transport: None }
    }

    /// The same device at an address, by which a near hub can be chosen for it.
    #[must_use]
    pub fn at(mut self, source: Option<IpAddr>) -> Self {
        self.source = source;
        self
    }

    /// The same device, come in by this transport, which faults may ask for.
    #[must_use]
    pub fn over(mut self, transport: DeviceTransport) -> Self {
        self.transport = Some(transport);
        self
    }
}

/// How the device proves that it is the one. `Debug` shows no token.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all.
    None,
    /// With a SAS token.
    SasToken(Zeroizing<String>),
    /// With a client certificate whose key it has shown to have: DER, the device's own first.
    Certificates(Vec<Vec<u8>>),
    /// With the TPM of this endorsement key, on a connection on which it has answered this
    /// service's challenge.
    ProvenTpm(PublicKey),
}

impl Credentials {
    /// A SAS token; an empty text is none, because some clients with a certificate send an empty
    /// password (`wire-protocol.md` section 2.1).
    pub fn sas_token(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        if text.is_empty() { Self::None } else { Self::SasToken(text) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::SasToken(_) => "SasToken(secret)",
            Self::ProvenTpm(_) => "ProvenTpm",
            Self::Certificates(chain) => return write!(f, "Certificates({})", chain.len()),
        })
    }
}

/// Checks the body of a register request: empty, white space, or a JSON object that names the
/// same device or none (`wire-protocol.md` section 2.4). Gives what it says.
pub(super) fn read_body(
    identity: &DeviceIdentity,
    body: &[u8],
) -> Result<DeviceRegistration, Refusal> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Ok(DeviceRegistration::default());
    }
    // The derived reader would take an array for an object.
    if !body.starts_with(b"{") {
        return Err(Refusal::BadBody);
    }
    let registration: DeviceRegistration =
        serde_json::from_slice(body).map_err(|_| Refusal::BadBody)?;
    match &registration.registration_id {
        Some(id) if !id.eq_ignore_ascii_case(identity.registration_id.as_str()) => {
            Err(Refusal::OtherDevice)
        }
        _ => Ok(registration),
    }
}
