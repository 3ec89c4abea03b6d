//! What the emulator serves and how it behaves.
//!
//! From Rust: take [`EmulatorConfig::default`] and set fields. From a file:
//! [`EmulatorConfig::from_yaml`], whose enrollments have the members of the service API's JSON
//! (`wire-protocol.md` section 7.3).

mod enrollment;
mod error;
mod hubs;
mod placement;
mod policy;
mod yaml;

pub(crate) use enrollment::some_parsed;
pub use enrollment::{
    AttestationConfig, AttestationType, CertificateConfig, CertificatesConfig,
    EnrollmentGroupConfig, IndividualEnrollmentConfig, ProvisioningStatus, SymmetricKeyConfig,
    TpmConfig, X509Config,
};
pub use error::ConfigError;
pub use hubs::{DeviceNetworkConfig, HubConfig, Network, NetworkError};
pub(crate) use placement::place_of;
pub use placement::{
    AllocationPolicy, Capabilities, CustomAllocationDefinition, InitialTwin, InitialTwinProperties,
    ReprovisionPolicy,
};
pub use policy::{Permission, SharedAccessPolicyConfig};

use crate::faults::FaultConfig;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use dps_core::IdScope;
use serde::Deserialize;
use std::path::PathBuf;

/// The ID scope when none is configured.
const DEFAULT_ID_SCOPE: &str = "0ne00111111";
/// The hub when none is configured. A `.localhost` name never leaves the machine (RFC 6761), and
/// the C client needs the dot (`wire-protocol.md` section 9).
const DEFAULT_HUB: &str = "contoso-hub.localhost";
/// The enrollment group when no enrollment is configured.
const DEFAULT_GROUP: &str = "mylegacydevices";

/// The emulator's configuration. The default serves one hub and one enrollment group with fresh
/// keys, on the loopback address and the service's own port.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EmulatorConfig {
    /// Where to listen. Default `127.0.0.1`: nothing outside this machine can connect.
    pub address: IpAddr,
    /// Port of the MQTT door; 0 takes any free one. Default 8883.
    pub mqtt_port: u16,
    /// Port of the HTTPS door, which also takes WebSockets; 0 takes any free one. Default 443, or
    /// any free one where only privileged programs may listen there, or when
    /// [`mqtt_port`](Self::mqtt_port) is 0: a service on free ports has all its doors on them.
    pub https_port: Option<u16>,
    /// Port of the AMQP door; 0 takes any free one. Default 5671, or any free one when
    /// [`mqtt_port`](Self::mqtt_port) is 0: a service on free ports has all its doors on such.
    pub amqp_port: Option<u16>,
    /// More host names or IP addresses for the server certificate. `localhost`, the loopback
    /// addresses and the service's own names are always in it.
    pub server_names: Vec<String>,
    /// The ID scope. Default `0ne00111111`. The first parts of the service's own paths are none:
    /// `admin`, `enrollments`, `enrollmentgroups`, `registrations` and `page`, in any case.
    pub id_scope: IdScope,
    /// The hubs that devices are assigned to, each name with a dot. Without any, devices are
    /// refused until one is linked.
    pub hubs: Vec<HubConfig>,
    /// How a hub is chosen for enrollments that do not say. Default `hashed`.
    pub allocation_policy: AllocationPolicy,
    /// How far devices are from the hubs, for the policy `geoLatency`.
    pub device_networks: Vec<DeviceNetworkConfig>,
    /// Who may use the service API. When empty: `provisioningserviceowner`, who may do everything,
    /// with fresh keys.
    pub shared_access_policies: Vec<SharedAccessPolicyConfig>,
    /// Enrollments of single devices.
    pub enrollments: Vec<IndividualEnrollmentConfig>,
    /// Enrollments of groups of devices. Default: one, `mylegacydevices`, with fresh keys.
    pub enrollment_groups: Vec<EnrollmentGroupConfig>,
    /// The retry-after of every reply that says `assigning`, in seconds. Default 2, which every
    /// known client accepts (`wire-protocol.md` section 2.5).
    pub retry_after_seconds: u32,
    /// How long a registration stays `assigning`. Default 1 s.
    pub assignment_delay: Duration,
    /// How long after its expiry a SAS token is still taken, for clocks that differ. Default
    /// 300 s, the service's own constant (`wire-protocol.md` section 1.4).
    pub clock_skew: Duration,
    /// Whether bad credentials are refused at CONNECT, which is easier to debug. Default false:
    /// CONNECT succeeds and the register request is answered with 401, as the real service does
    /// (`wire-protocol.md` section 2.6).
    pub reject_at_connect: bool,
    /// How a device with a disabled enrollment is answered.
    pub disabled_reply: DisabledReply,
    /// How long the webhook of a custom allocation may take, from 1 ms to 300 s. Default 10 s: some
    /// clients give up after 30 s (`wire-protocol.md` section 9).
    pub webhook_timeout: Duration,
    /// Certificates in PEM that an https webhook may lead to, besides those that the system
    /// trusts.
    pub webhook_trusted_certificates: Option<String>,
    /// Where enrollments and registrations are kept, so that they outlive the service; in memory
    /// only when absent. Enrollments of the configuration go into a new file only.
    pub state_file: Option<PathBuf>,
    /// How the service misbehaves on purpose. The enrollments may have faults of their own. None of
    /// them are kept in the state file.
    pub faults: Vec<FaultConfig>,
}

impl Default for EmulatorConfig {
    fn default() -> Self {
        let id_scope = match IdScope::new(DEFAULT_ID_SCOPE) {
            Ok(id_scope) => id_scope,
            Err(_) => unreachable!("the default ID scope is valid"),
        };
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mqtt_port: 8883,
            https_port: None,
            amqp_port: None,
            server_names: Vec::new(),
            id_scope,
            hubs: vec![HubConfig::new(DEFAULT_HUB)],
            allocation_policy: AllocationPolicy::Hashed,
            device_networks: Vec::new(),
            shared_access_policies: Vec::new(),
            enrollments: Vec::new(),
            enrollment_groups: vec![EnrollmentGroupConfig::new(DEFAULT_GROUP)],
            retry_after_seconds: 2,
            assignment_delay: Duration::from_secs(1),
            clock_skew: Duration::from_secs(300),
            reject_at_connect: false,
            disabled_reply: DisabledReply::Disabled,
            webhook_timeout: Duration::from_secs(10),
            webhook_trusted_certificates: None,
            state_file: None,
            faults: Vec::new(),
        }
    }
}

impl EmulatorConfig {
    /// Reads a YAML document. Absent keys have the values of [`EmulatorConfig::default`], except
    /// that the built-in enrollment group is absent when the document has `enrollments` or
    /// `enrollmentGroups`.
    ///
    /// ```
    /// let config = dps_emulator::EmulatorConfig::from_yaml(
    ///     "
    /// mqttPort: 0
    /// hubs: [hub-1.localhost, hub-2.localhost]
    /// enrollments:
    ///   - registrationId: my-symkey-device
    ///     deviceId: line-1
    ///     iotHubHostName: hub-2.localhost
    ///     attestation: {type: symmetricKey}   # keys are generated
    /// ",
    /// )?;
    /// assert_eq!(config.hubs.len(), 2);
    /// # Ok::<(), dps_emulator::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Yaml`], which names line and column, when the text is not YAML, has an
    /// unknown key, or has a value of the wrong form. What only shows when all parts are seen
    /// together, like a duplicate id or an unknown hub, is found by
    /// [`Service::new`](crate::Service::new) and [`Emulator::start`](crate::Emulator::start).
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        yaml::read(text)
    }

    /// The port of a door other than MQTT's: the given one, or the `usual` one, or any free one.
    pub(crate) fn port(&self, given: Option<u16>, usual: u16) -> u16 {
        given.unwrap_or(if self.mqtt_port == 0 { 0 } else { usual })
    }
}

/// How a device with a disabled enrollment is answered, after its credentials were checked.
///
/// The service says `disabled`, which the Node.js and Python clients and iot-identity-service
/// cannot represent (`wire-protocol.md` section 6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum DisabledReply {
    /// The registration ends with status `disabled`.
    #[default]
    Disabled,
    /// The registration ends with status `failed`, an errorCode and an errorMessage.
    Failed,
    /// The register request is answered with 401.
    Unauthorized,
}
