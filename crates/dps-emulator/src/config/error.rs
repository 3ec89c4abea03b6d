//! What can be wrong with a configuration.

use crate::faults::FaultError;
use dps_core::IdError;

/// Why a configuration cannot be served. No message repeats a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not YAML of the expected form.
    #[error("the emulator's configuration file is wrong: {message}")]
    Yaml {
        /// What is wrong, with line and column.
        message: String,
    },
    /// The ID scope stands where devices' paths over HTTPS have the first part of paths of the
    /// service's own.
    #[error(
        "idScope: {id_scope:?} is the first part of the service's own paths, so no device with it could register over HTTPS; take another, for example 0ne00111111"
    )]
    ReservedIdScope {
        /// The ID scope.
        id_scope: String,
    },
    /// A hub's name cannot be used as one.
    #[error(
        "hubs: {name:?} is not a hub's host name; it needs a dot and has no port, for example contoso-hub.localhost"
    )]
    BadHubName {
        /// The name.
        name: String,
    },
    /// A hub is listed twice.
    #[error("hubs: {name:?} is listed twice")]
    DuplicateHub {
        /// The name.
        name: String,
    },
    /// Two enrollments have the same registration id (case does not matter).
    #[error("enrollments: the registration id {registration_id:?} is enrolled twice")]
    DuplicateEnrollment {
        /// The registration id.
        registration_id: String,
    },
    /// Two groups have the same name (case does not matter).
    #[error("enrollmentGroups: the enrollment group {enrollment_group_id:?} is listed twice")]
    DuplicateGroup {
        /// The group's name.
        enrollment_group_id: String,
    },
    /// A group's name breaks the rules, which are those of registration ids.
    #[error(
        "enrollmentGroups: the enrollment group {enrollment_group_id:?} has no valid name, which follows the rules of registration ids: {problem}"
    )]
    BadGroupId {
        /// The group's name.
        enrollment_group_id: String,
        /// The rule it breaks.
        problem: IdError,
    },
    /// A device id that no hub accepts.
    #[error(
        "enrollments: the device id {device_id:?} of {registration_id:?} is not one that a hub accepts: 1 to 128 ASCII letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '"
    )]
    BadDeviceId {
        /// The enrollment.
        registration_id: String,
        /// Its device id.
        device_id: String,
    },
    /// An enrollment has no usable certificate.
    #[error("{enrollment}: {member}: {problem}")]
    BadCertificate {
        /// The registration id or group name.
        enrollment: String,
        /// The member of `attestation.x509`.
        member: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// An enrollment has no usable endorsement key.
    #[error("{enrollment}: endorsementKey: {problem}")]
    BadEndorsementKey {
        /// The registration id or group name.
        enrollment: String,
        /// What is wrong.
        problem: String,
    },
    /// An enrollment names a hub that is not listed.
    #[error("{enrollment}: iotHubHostName or iotHubs: {hub:?} is not one of the hubs ({})", known.join(", "))]
    UnknownHub {
        /// The registration id or group name.
        enrollment: String,
        /// The hub it names.
        hub: String,
        /// The hubs there are.
        known: Vec<String>,
    },
    /// An enrollment's allocation contradicts itself.
    #[error("{enrollment}: {problem}")]
    BadAllocation {
        /// The registration id or group name.
        enrollment: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A shared access policy cannot be used.
    #[error("sharedAccessPolicies: {key_name:?}: {problem}")]
    BadPolicy {
        /// The policy's name.
        key_name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The time that webhooks are allowed is none, or too long.
    #[error("webhookTimeoutSeconds: not a number of seconds from 0.001 to 300")]
    BadWebhookTimeout,
    /// The certificates that webhooks may lead to cannot be read.
    #[error("webhookTrustedCertificates: there is no certificate in PEM, or one is broken")]
    BadWebhookTrust,
    /// A fault makes no sense.
    #[error("faults: {name:?}: {problem}")]
    BadFault {
        /// The fault's name.
        name: String,
        /// What is wrong.
        problem: FaultError,
    },
    /// Two faults have the same name (case does not matter).
    #[error("faults: there are two faults {name:?}")]
    DuplicateFault {
        /// The name.
        name: String,
    },
    /// A fault that stands with an enrollment names another scope.
    #[error(
        "{enrollment}: faults: one that stands with an enrollment is for its devices only, and has no registrationId, enrollment or enrollmentGroupId; put it under the faults of the service instead"
    )]
    ScopedFault {
        /// The registration id or group name.
        enrollment: String,
    },
    /// A table of latencies names a hub or region that there is not.
    #[error("deviceNetworks: {name:?} is neither a hub's host name nor a hub's region")]
    UnknownRegion {
        /// The name.
        name: String,
    },
}
