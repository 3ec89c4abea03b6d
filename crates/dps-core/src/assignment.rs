//! What a successful registration gives.

use crate::{RegistrationId, SymmetricKey};
use core::fmt;
use zeroize::Zeroizing;

/// Where the device belongs: its hub, and its name there.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// The id the device registered with.
    pub registration_id: RegistrationId,
    /// Host name of the assigned hub.
    pub hub: String,
    /// The device's id in that hub.
    pub device_id: String,
    /// `initialAssignment`, `deviceDataMigrated`, `deviceDataReset` or
    /// `reprovisionedToInitialAssignment`, when the service says.
    pub substatus: Option<String>,
    /// The enrollment group that let the device in, when the service says.
    pub enrollment_group_id: Option<String>,
    /// When the registration was created, ISO 8601.
    pub created: Option<String>,
    /// When it last changed, ISO 8601.
    pub last_updated: Option<String>,
    /// Version of the registration record.
    pub etag: Option<String>,
    /// JSON text that a custom allocation webhook returned, exactly as it came.
    pub payload: Option<String>,
}

impl Assignment {
    /// The connection string with which the device's hub client connects
    /// (`wire-protocol.md` section 8). It contains the key; zeroized when dropped.
    pub fn connection_string(&self, key: &SymmetricKey) -> Zeroizing<String> {
        let key = key.to_base64();
        Zeroizing::new(format!(
            "HostName={};DeviceId={};SharedAccessKey={}",
            self.hub,
            self.device_id,
            key.as_str()
        ))
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payload is the application's own and may be confidential.
        f.debug_struct("Assignment")
            .field("registration_id", &self.registration_id)
            .field("hub", &self.hub)
            .field("device_id", &self.device_id)
            .field("substatus", &self.substatus)
            .field("enrollment_group_id", &self.enrollment_group_id)
            .field("payload_bytes", &self.payload.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
}
