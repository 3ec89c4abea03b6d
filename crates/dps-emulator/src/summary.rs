//! What a person or script needs to know to use a running emulator, keys included.

use crate::config::ProvisioningStatus;
use crate::model::{Attestation, EnrollmentGroup, IndividualEnrollment};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::net::SocketAddr;
use dps_core::SymmetricKey;
use dps_core::wire::X509CertificateInfo;
use serde::{Serialize, Serializer};

/// Everything a device or test needs, for printing as JSON. Serializing shows the keys, because
/// an emulator's keys are there to be used; `Debug` does not.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Summary {
    /// The ID scope.
    pub id_scope: String,
    /// Where the MQTT door is.
    pub mqtt: EndpointSummary,
    /// Where the HTTPS door is, which also takes WebSockets.
    pub https: EndpointSummary,
    /// Where the AMQP door is.
    pub amqp: EndpointSummary,
    /// The trust anchor for the server certificate, in PEM.
    pub ca_pem: String,
    /// The groups and their keys.
    pub enrollment_groups: Vec<EnrollmentGroupSummary>,
    /// The individual enrollments and their keys.
    pub enrollments: Vec<IndividualEnrollmentSummary>,
    /// The hubs' host names.
    pub hubs: Vec<String>,
    /// How to use the service API, with a key.
    pub connection_string: String,
    /// Where the service's page is.
    pub page_url: String,
    /// What opens it, the admin API and the service API: a new one at each start.
    pub page_token: String,
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summary")
            .field("id_scope", &self.id_scope)
            .field("mqtt", &self.mqtt)
            .field("https", &self.https)
            .field("amqp", &self.amqp)
            .field("enrollment_groups", &self.enrollment_groups)
            .field("enrollments", &self.enrollments)
            .field("hubs", &self.hubs)
            .finish_non_exhaustive()
    }
}

/// A door's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EndpointSummary {
    /// The IP address to connect to.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl EndpointSummary {
    /// Of a listening socket. One that listens everywhere is reached on the loopback address.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let host = match address.ip() {
            ip if !ip.is_unspecified() => ip.to_string(),
            ip if ip.is_ipv6() => "::1".to_owned(),
            _ => "127.0.0.1".to_owned(),
        };
        Self { host, port: address.port() }
    }

    /// Host and port as they stand in a URL; without the port if it is that of https.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        if *port == 443 { host } else { format!("{host}:{port}") }
    }
}

/// Where all doors are.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Endpoints {
    pub(crate) mqtt: EndpointSummary,
    pub(crate) https: EndpointSummary,
    pub(crate) amqp: EndpointSummary,
}

/// An enrollment group.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EnrollmentGroupSummary {
    /// The group's name.
    pub enrollment_group_id: String,
    /// Whether it lets devices in.
    pub provisioning_status: ProvisioningStatus,
    /// Device keys are derived from this one...
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<SymmetricKey>,
    /// ...or from this one.
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    pub secondary_key: Option<SymmetricKey>,
    /// The authorities that lead to the devices' certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signing_certificates: Vec<X509CertificateInfo>,
}

impl EnrollmentGroupSummary {
    pub(crate) fn new(group: &EnrollmentGroup) -> Self {
        let keys = group.symmetric_keys();
        Self {
            enrollment_group_id: group.enrollment_group_id.clone(),
            provisioning_status: group.provisioning_status,
            primary_key: keys.map(|keys| keys.primary.clone()),
            secondary_key: keys.map(|keys| keys.secondary.clone()),
            signing_certificates: certificates(&group.attestation),
        }
    }
}

/// An individual enrollment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IndividualEnrollmentSummary {
    /// The device's registration id.
    pub registration_id: String,
    /// The device's name in the hub, when it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Whether it lets the device in.
    pub provisioning_status: ProvisioningStatus,
    /// The device's key...
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<SymmetricKey>,
    /// ...and the other.
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    pub secondary_key: Option<SymmetricKey>,
    /// The device's own certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_certificates: Vec<X509CertificateInfo>,
    /// The endorsement key of the device's TPM, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endorsement_key: Option<String>,
}

impl IndividualEnrollmentSummary {
    pub(crate) fn new(enrollment: &IndividualEnrollment) -> Self {
        let keys = enrollment.symmetric_keys();
        Self {
            registration_id: enrollment.registration_id.to_string(),
            device_id: enrollment.device_id.clone(),
            provisioning_status: enrollment.provisioning_status,
            primary_key: keys.map(|keys| keys.primary.clone()),
            secondary_key: keys.map(|keys| keys.secondary.clone()),
            client_certificates: certificates(&enrollment.attestation),
            endorsement_key: (enrollment.attestation.endorsement_key())
                .map(|key| STANDARD.encode(key.as_bytes())),
        }
    }
}

fn certificates(attestation: &Attestation) -> Vec<X509CertificateInfo> {
    let certificates = attestation.x509_certificates().into_iter();
    certificates.flat_map(|given| given.all()).map(|certificate| certificate.info()).collect()
}

/// Writes a key in base64. Only documents that are there to show keys, or to keep them, use it.
pub(crate) fn shown<S: Serializer>(
    key: &Option<SymmetricKey>,
    output: S,
) -> Result<S::Ok, S::Error> {
    key.as_ref().map(|key| key.to_base64()).as_deref().serialize(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EmulatorConfig;
    use crate::random::Random;
    use crate::service::Service;

    #[test]
    fn json_shows_the_keys_and_debug_does_not() {
        let config = EmulatorConfig::default();
        let service = Service::new(&config, Random::from_seed([5; 32])).unwrap();
        let group = EnrollmentGroupSummary::new(&service.groups()[0]);
        let key = service.groups()[0].symmetric_keys().unwrap().primary.to_base64();
        let json = serde_json::to_value(&group).unwrap();
        assert_eq!(json["enrollmentGroupId"], "mylegacydevices");
        assert_eq!(json["provisioningStatus"], "enabled");
        assert_eq!(json["primaryKey"], *key);
        assert!(!format!("{group:?}").contains(&*key));
    }

    #[test]
    fn a_door_that_listens_everywhere_is_reached_on_loopback() {
        for (listening, host) in
            [("0.0.0.0:1", "127.0.0.1"), ("[::]:1", "::1"), ("10.1.2.3:1", "10.1.2.3")]
        {
            assert_eq!(EndpointSummary::new(listening.parse().unwrap()).host, host);
        }
    }
}
