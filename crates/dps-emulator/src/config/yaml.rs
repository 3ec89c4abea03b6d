//! The YAML form of the configuration.

use super::enrollment::some_parsed;
use super::{
    AllocationPolicy, ConfigError, DeviceNetworkConfig, DisabledReply, EmulatorConfig,
    EnrollmentGroupConfig, HubConfig, IndividualEnrollmentConfig, SharedAccessPolicyConfig,
};
use crate::faults::FaultConfig;
use core::net::IpAddr;
use core::time::Duration;
use dps_core::IdScope;
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};
use std::borrow::Cow;
use std::path::PathBuf;

/// The longest time that a configuration may state, in seconds.
const LONGEST_SECONDS: f64 = 86_400.0;

/// The document. Every key may be absent.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Document {
    address: Option<IpAddr>,
    mqtt_port: Option<u16>,
    https_port: Option<u16>,
    amqp_port: Option<u16>,
    server_names: Option<Vec<String>>,
    #[serde(deserialize_with = "some_parsed")]
    id_scope: Option<IdScope>,
    hubs: Option<Vec<HubConfig>>,
    allocation_policy: Option<AllocationPolicy>,
    device_networks: Option<Vec<DeviceNetworkConfig>>,
    shared_access_policies: Option<Vec<SharedAccessPolicyConfig>>,
    enrollments: Option<Vec<IndividualEnrollmentConfig>>,
    enrollment_groups: Option<Vec<EnrollmentGroupConfig>>,
    retry_after_seconds: Option<u32>,
    #[serde(deserialize_with = "some_seconds")]
    assignment_delay_seconds: Option<Duration>,
    #[serde(deserialize_with = "some_seconds")]
    clock_skew_seconds: Option<Duration>,
    reject_at_connect: Option<bool>,
    disabled_reply: Option<DisabledReply>,
    #[serde(deserialize_with = "some_seconds")]
    webhook_timeout_seconds: Option<Duration>,
    webhook_trusted_certificates: Option<String>,
    state_file: Option<PathBuf>,
    faults: Vec<FaultConfig>,
}

/// Reads a document and fills in the defaults.
pub(super) fn read(text: &str) -> Result<EmulatorConfig, ConfigError> {
    // An error must not quote the lines around it: they may hold keys.
    let options = serde_saphyr::options! { with_snippet: false };
    // A file with nothing but comments is an empty document.
    let document: Option<Document> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| ConfigError::Yaml { message: error.render_with_formatter(&Words) })?;
    let document = document.unwrap_or_default();
    let default = EmulatorConfig::default();
    let built_in_groups = match document.enrollments {
        Some(_) => Vec::new(),
        None => default.enrollment_groups,
    };
    Ok(EmulatorConfig {
        address: document.address.unwrap_or(default.address),
        mqtt_port: document.mqtt_port.unwrap_or(default.mqtt_port),
        https_port: document.https_port,
        amqp_port: document.amqp_port.or(default.amqp_port),
        server_names: document.server_names.unwrap_or(default.server_names),
        id_scope: document.id_scope.unwrap_or(default.id_scope),
        hubs: document.hubs.unwrap_or(default.hubs),
        allocation_policy: document.allocation_policy.unwrap_or(default.allocation_policy),
        device_networks: document.device_networks.unwrap_or(default.device_networks),
        shared_access_policies: document
            .shared_access_policies
            .unwrap_or(default.shared_access_policies),
        enrollments: document.enrollments.unwrap_or(default.enrollments),
        enrollment_groups: document.enrollment_groups.unwrap_or(built_in_groups),
        retry_after_seconds: document.retry_after_seconds.unwrap_or(default.retry_after_seconds),
        assignment_delay: document.assignment_delay_seconds.unwrap_or(default.assignment_delay),
        clock_skew: document.clock_skew_seconds.unwrap_or(default.clock_skew),
        reject_at_connect: document.reject_at_connect.unwrap_or(default.reject_at_connect),
        disabled_reply: document.disabled_reply.unwrap_or(default.disabled_reply),
        webhook_timeout: document.webhook_timeout_seconds.unwrap_or(default.webhook_timeout),
        webhook_trusted_certificates: document
            .webhook_trusted_certificates
            .or(default.webhook_trusted_certificates),
        state_file: document.state_file.or(default.state_file),
        faults: document.faults,
    })
}

/// The reader's errors for those who write such files: its usual words are for programmers.
struct Words;

impl MessageFormatter for Words {
    fn format_message<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        match error {
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                format!("the key {key} stands here twice; put what is under both under one").into()
            }
            Error::DuplicateMappingKey { key: None, .. } => {
                "a key stands here twice; put what is under both under one".into()
            }
            error => UserMessageFormatter.format_message(error),
        }
    }
}

/// Seconds, with a fraction if need be.
fn some_seconds<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
    match Option::<f64>::deserialize(input)? {
        None => Ok(None),
        Some(seconds) if (0.0..=LONGEST_SECONDS).contains(&seconds) => {
            Ok(Some(Duration::from_secs_f64(seconds)))
        }
        Some(_) => Err(serde::de::Error::custom(format_args!(
            "not a number of seconds from 0 to {LONGEST_SECONDS}"
        ))),
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
