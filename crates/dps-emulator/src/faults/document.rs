//! Faults as documents: in the configuration and in the admin API.

use super::{
    DeviceTransport, Fault, FaultError, FaultKind, FaultOperation, FaultScope, FaultStatus,
    MalformedForm,
};
use dps_core::RegistrationId;
use serde::{Deserialize, Serialize};

/// A fault of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "FaultDocument")]
#[non_exhaustive]
pub struct FaultConfig {
    /// Its name; `fault-1` and so on when absent.
    pub name: Option<String>,
    /// What it does.
    pub fault: Fault,
}

impl FaultConfig {
    /// A fault with a name.
    pub fn new(name: impl Into<String>, fault: Fault) -> Self {
        Self { name: Some(name.into()), fault }
    }
}

/// All members that a fault of any kind may have.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FaultDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrollment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrollment_group_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transport: Option<DeviceTransport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<FaultOperation>,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_bytes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<MalformedForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    /// Only in answers. What a client read can be written again: it is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) struck: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    #[default]
    Delay,
    Throttle,
    ServerError,
    Drop,
    NeverAnswer,
    Malformed,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Throttle => "throttle",
            Self::ServerError => "serverError",
            Self::Drop => "drop",
            Self::NeverAnswer => "neverAnswer",
            Self::Malformed => "malformed",
        }
    }
}

impl FaultDocument {
    /// What it says, which must make sense.
    pub(crate) fn fault(&self) -> Result<Fault, FaultError> {
        let kind = self.kind.name();
        let given = [
            ("delayMs", self.delay_ms.is_some(), matches!(self.kind, Kind::Delay)),
            ("status", self.status.is_some(), matches!(self.kind, Kind::ServerError)),
            (
                "retryAfterSeconds",
                self.retry_after_seconds.is_some(),
                matches!(self.kind, Kind::Throttle | Kind::ServerError),
            ),
            ("afterBytes", self.after_bytes.is_some(), matches!(self.kind, Kind::Drop)),
            ("form", self.form.is_some(), matches!(self.kind, Kind::Malformed)),
        ];
        if let Some((member, ..)) = given.iter().find(|(_, is_there, fits)| *is_there && !fits) {
            return Err(FaultError::Misplaced { member, kind });
        }
        let retry_after_seconds = self.retry_after_seconds;
        let kind = match self.kind {
            Kind::Delay => FaultKind::Delay {
                milliseconds: self
                    .delay_ms
                    .ok_or(FaultError::Missing { member: "delayMs", kind })?,
            },
            Kind::Throttle => FaultKind::Throttle { retry_after_seconds },
            Kind::ServerError => {
                FaultKind::ServerError { status: self.status.unwrap_or(500), retry_after_seconds }
            }
            Kind::Drop => FaultKind::Drop { after_bytes: self.after_bytes.unwrap_or_default() },
            Kind::NeverAnswer => FaultKind::NeverAnswer,
            Kind::Malformed => FaultKind::Malformed { form: self.form.unwrap_or_default() },
        };
        let scope = match (&self.registration_id, &self.enrollment, &self.enrollment_group_id) {
            (None, None, None) => FaultScope::Everything,
            (Some(id), None, None) => FaultScope::RegistrationId(named("registrationId", id)?),
            (None, Some(id), None) => FaultScope::Enrollment(named("enrollment", id)?),
            (None, None, Some(name)) => FaultScope::EnrollmentGroup(name.clone()),
            _ => return Err(FaultError::SeveralScopes),
        };
        let (transport, operation, count) = (self.transport, self.operation, self.count);
        let fault = Fault { scope, transport, operation, kind, count };
        fault.check()?;
        Ok(fault)
    }
}

fn named(member: &'static str, id: &str) -> Result<RegistrationId, FaultError> {
    RegistrationId::new(id).map_err(|problem| FaultError::ScopeName { member, problem })
}

impl TryFrom<FaultDocument> for FaultConfig {
    type Error = FaultError;

    fn try_from(document: FaultDocument) -> Result<Self, FaultError> {
        Ok(Self { fault: document.fault()?, name: document.name })
    }
}

impl From<&FaultStatus> for FaultDocument {
    fn from(status: &FaultStatus) -> Self {
        let FaultStatus { name, fault, struck } = status;
        let mut document = Self {
            name: Some(name.clone()),
            transport: fault.transport,
            operation: fault.operation,
            count: fault.count,
            struck: Some(*struck),
            ..Self::default()
        };
        match &fault.scope {
            FaultScope::Everything => {}
            FaultScope::RegistrationId(id) => document.registration_id = Some(id.to_string()),
            FaultScope::Enrollment(id) => document.enrollment = Some(id.to_string()),
            FaultScope::EnrollmentGroup(name) => document.enrollment_group_id = Some(name.clone()),
        }
        match fault.kind {
            FaultKind::Delay { milliseconds } => {
                document.kind = Kind::Delay;
                document.delay_ms = Some(milliseconds);
            }
            FaultKind::Throttle { retry_after_seconds } => {
                document.kind = Kind::Throttle;
                document.retry_after_seconds = retry_after_seconds;
            }
            FaultKind::ServerError { status, retry_after_seconds } => {
                document.kind = Kind::ServerError;
                document.status = Some(status);
                document.retry_after_seconds = retry_after_seconds;
            }
            FaultKind::Drop { after_bytes } => {
                document.kind = Kind::Drop;
                document.after_bytes = Some(after_bytes);
            }
            FaultKind::NeverAnswer => document.kind = Kind::NeverAnswer,
            FaultKind::Malformed { form } => {
                document.kind = Kind::Malformed;
                document.form = Some(form);
            }
        }
        document
    }
}
