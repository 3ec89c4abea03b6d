//! Enrollments (`wire-protocol.md` section 7.3).

use crate::attestation::AttestationMechanism;
use crate::collection::Resource;
use crate::registration::DeviceRegistrationState;
use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What devices can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// They are IoT Edge devices.
    pub iot_edge: bool,
}

/// What happens to a device that registers again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReprovisionPolicy {
    /// Whether its hub is chosen anew.
    pub update_hub_assignment: bool,
    /// Whether its twin goes with it to another hub.
    pub migrate_device_data: bool,
}

/// The webhook of the allocation policy `custom`. `Debug` leaves out what may be secret in the URL:
/// user and password, query and fragment.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomAllocationDefinition {
    /// Where the service asks.
    pub webhook_url: String,
    /// The version of the question.
    pub api_version: String,
}

impl fmt::Debug for CustomAllocationDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.webhook_url.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        f.debug_struct("CustomAllocationDefinition")
            .field("webhook_url", &format_args!("{scheme}://{host}/{path}"))
            .field("api_version", &self.api_version)
            .finish()
    }
}

/// What both kinds of enrollment have, but for their names.
macro_rules! enrollment {
    ($(#[$about:meta])* $name:ident { $(#[$id_about:meta])* $id:ident, $($(#[$more_about:meta])* $more:ident: $kind:ty,)* } at $path:literal) => {
        $(#[$about])*
        #[derive(Clone, Debug, Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        #[non_exhaustive]
        pub struct $name {
            $(#[$id_about])*
            pub $id: String,
            /// How devices prove who they are.
            pub attestation: AttestationMechanism,
            $(
                $(#[$more_about])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $more: Option<$kind>,
            )*
            /// What devices can do.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub capabilities: Option<Capabilities>,
            /// `hashed`, `geoLatency`, `static` or `custom`; as the service's settings say when
            /// absent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub allocation_policy: Option<String>,
            /// The hubs to choose from; all that are linked when absent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub iot_hubs: Option<Vec<String>>,
            /// The hub, whatever the policy.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub iot_hub_host_name: Option<String>,
            /// The webhook of the policy `custom`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub custom_allocation_definition: Option<CustomAllocationDefinition>,
            /// What a device's twin holds at first: `tags`, and `properties` with `desired`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub initial_twin: Option<Value>,
            /// What happens to a device that registers again.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub reprovision_policy: Option<ReprovisionPolicy>,
            /// `enabled` or `disabled`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub provisioning_status: Option<String>,
            /// Which state of the enrollment this is. From the service.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub etag: Option<String>,
            /// ISO 8601. From the service.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub created_date_time_utc: Option<String>,
            /// ISO 8601. From the service.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub last_updated_date_time_utc: Option<String>,
            /// Members that this version does not know.
            #[serde(flatten)]
            pub other: Map<String, Value>,
        }

        impl $name {
            /// An enrollment with the service's defaults for everything else.
            pub fn new(name: impl Into<String>, attestation: AttestationMechanism) -> Self {
                Self {
                    $id: name.into(),
                    attestation,
                    $($more: None,)*
                    capabilities: None,
                    allocation_policy: None,
                    iot_hubs: None,
                    iot_hub_host_name: None,
                    custom_allocation_definition: None,
                    initial_twin: None,
                    reprovision_policy: None,
                    provisioning_status: None,
                    etag: None,
                    created_date_time_utc: None,
                    last_updated_date_time_utc: None,
                    other: Map::new(),
                }
            }
        }

        impl Resource for $name {
            const PATH: &'static str = $path;

            fn name(&self) -> &str {
                &self.$id
            }

            fn etag(&self) -> Option<&str> {
                self.etag.as_deref()
            }
        }
    };
}

enrollment! {
    /// The enrollment of one device. `Debug` shows no key; serializing does.
    IndividualEnrollment {
        /// The device's registration id.
        registration_id,
        /// The device's name in the hub; the registration id when absent.
        device_id: String,
        /// What the enrollment's owner wants to know of the device.
        optional_device_information: Value,
        /// How the device's registration stands. From the service.
        registration_state: DeviceRegistrationState,
    } at "enrollments"
}

enrollment! {
    /// The enrollment of a group of devices. `Debug` shows no key; serializing does.
    EnrollmentGroup {
        /// The group's name.
        enrollment_group_id,
    } at "enrollmentGroups"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_secrets_are_not_shown() {
        for (url, shown) in [
            ("https://u:p4ss@a.test:1/api/x?code=k3y#f", "https://a.test:1/api/x"),
            ("http://u:p4ss@a.test?code=k3y", "http://a.test/"),
            ("http://a.test/@k?/b", "http://a.test/@k"),
        ] {
            let hook = CustomAllocationDefinition {
                webhook_url: url.into(),
                api_version: "2021-10-01".into(),
            };
            let text = format!("{hook:?}");
            assert!(text.contains(&format!("webhook_url: {shown},")), "{text}");
            assert!(!text.contains("p4ss") && !text.contains("k3y"), "{text}");
        }
    }
}
