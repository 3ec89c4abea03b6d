//! A local Device Provisioning Service that checks credentials as the real one does.
//!
//! Programs that provision against it take the same path, down to error codes, as against the
//! service in the cloud; it must be indistinguishable from the real one to Microsoft's own
//! clients (`wire-protocol.md` section 9). It is a library first, so that a test can start one
//! on a free port in a few milliseconds:
//!
//! ```
//! use dps_emulator::{Emulator, EmulatorConfig};
//!
//! let mut config = EmulatorConfig::default();
//! config.mqtt_port = 0; // any free port
//! let emulator = Emulator::start(config)?;
//!
//! assert!(emulator.mqtt_address().port() != 0);
//! assert!(emulator.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
//! let group = &emulator.groups()[0];
//! let group_key = &group.symmetric_keys().unwrap().primary; // derive device keys from it
//! # let _ = group_key;
//! emulator.stop();
//! # Ok::<(), dps_emulator::EmulatorError>(())
//! ```
//!
//! # In scope
//!
//! * [`Emulator`]: the running service, with its own certificate authority and runtime
//! * [`EmulatorConfig`]: what it serves and how it behaves, from Rust or YAML
//! * [`Service`]: registration and polling without any protocol, time as an argument
//! * [`MqttConnection`]: the MQTT 3.1.1 door as a sans-I/O state machine
//! * [`serve_https`]: the HTTPS door, with WebSockets, over any stream of bytes
//! * [`AmqpConnection`]: the AMQP 1.0 door, likewise
//! * [`Hub`]: the hubs that devices are assigned to, behind the MQTT door, too
//! * [`Fault`]: misbehaviour on purpose, to test devices with
//! * [`tpm`]: what the service makes for TPMs
//! * the service API and an admin API of its own, behind the HTTPS door, and a state file
//!   (`EmulatorConfig::state_file`)
//! * [`sas`]: verification of SAS tokens; parsing and checks are independent of the code that makes them
//!
//! # Out of scope
//!
//! * anything the client side shares: of dps-core only keys, ids and wire types are used, so
//!   that a mistake in the client is not mirrored here
//! * of IoT hubs, everything but what a device needs to be at work: telemetry, messages, twin and
//!   methods over MQTT
//! * being safe to expose to a network: the certificate authority is made up at every start, or its key is in the state file
#![forbid(unsafe_code)]

mod certificates;
mod config;
mod doors;
mod emulator;
mod events;
mod faults;
mod hub;
mod model;
mod nesting;
mod random;
pub mod sas;
mod server;
mod service;
mod store;
mod summary;
mod timestamp;
pub mod tpm;
mod webhook;
mod x509;

pub use certificates::CertificateError;
pub use config::{
    AllocationPolicy, AttestationConfig, AttestationType, Capabilities, CertificateConfig,
    CertificatesConfig, ConfigError, CustomAllocationDefinition, DeviceNetworkConfig,
    DisabledReply, EmulatorConfig, EnrollmentGroupConfig, HubConfig, IndividualEnrollmentConfig,
    InitialTwin, InitialTwinProperties, Network, NetworkError, Permission, ProvisioningStatus,
    ReprovisionPolicy, SharedAccessPolicyConfig, SymmetricKeyConfig, TpmConfig, X509Config,
};
pub use doors::amqp::AmqpConnection;
pub use doors::https::serve_https;
pub use doors::mqtt::MqttConnection;
pub use doors::{Connection, Wake};
pub use emulator::{Emulator, EmulatorError};
pub use faults::{
    DeviceTransport, Disturbance, Fault, FaultConfig, FaultError, FaultKind, FaultOperation,
    FaultScope, FaultStatus, MalformedForm,
};
pub use hub::{Hub, HubError, Message, MethodReply, Properties, Telemetry, Twin};
pub use model::{
    Attestation, EnrollmentGroup, EnrollmentRef, HubDevice, IndividualEnrollment, Placement,
    RegistrationRecord, SymmetricKeys, Version, X509Certificates,
};
pub use random::{Random, RandomError};
pub use service::{
    Credentials, DeviceIdentity, OpenError, Reply, Service, WebhookAnswer, WebhookCall,
};
pub use store::StoreError;
pub use summary::{EndpointSummary, EnrollmentGroupSummary, IndividualEnrollmentSummary, Summary};
pub use x509::Certificate;
