//! Which enrollment, if any, lets a device in (`wire-protocol.md` sections 1.4 and 7.4).

use super::refusal::Refusal;
use super::{Credentials, DeviceIdentity, Service};
use crate::config::ProvisioningStatus;
use crate::model::{EnrollmentGroup, EnrollmentRef, IndividualEnrollment};
use crate::sas::{SasError, SasToken};
use core::time::Duration;

/// The enrollment that recognises a device. It may be disabled.
pub(super) enum Match<'a> {
    /// The device's own.
    Individual(&'a IndividualEnrollment),
    /// A group's.
    Group(&'a EnrollmentGroup),
}

impl Match<'_> {
    pub(super) fn reference(&self) -> EnrollmentRef {
        match self {
            Self::Individual(item) => EnrollmentRef::Individual(item.registration_id.clone()),
            Self::Group(group) => EnrollmentRef::Group(group.enrollment_group_id.clone()),
        }
    }

    pub(super) fn provisioning_status(&self) -> ProvisioningStatus {
        match self {
            Self::Individual(enrollment) => enrollment.provisioning_status,
            Self::Group(group) => group.provisioning_status,
        }
    }

    pub(super) fn iot_hub_host_name(&self) -> Option<String> {
        match self {
            Self::Individual(enrollment) => enrollment.iot_hub_host_name.clone(),
            Self::Group(group) => group.iot_hub_host_name.clone(),
        }
    }

    /// Only an individual enrollment names one (`wire-protocol.md` section 1.1).
    pub(super) fn device_id(&self) -> Option<&str> {
        match self {
            Self::Individual(enrollment) => enrollment.device_id.as_deref(),
            Self::Group(_) => None,
        }
    }
}

/// Whether the expiry of a token matters.
#[derive(Clone, Copy)]
pub(super) enum Expiry {
    /// It must be good at this time.
    CheckedAt(Duration),
    /// It was checked before.
    Ignored,
}

impl Service {
    /// Finds the enrollment whose key signed the token, and checks what else a token must be.
    pub(super) fn authenticate(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        expiry: Expiry,
    ) -> Result<Match<'_>, Refusal> {
        self.check_scope(identity)?;
        let Credentials::SasToken(token) = credentials else {
            return Err(Refusal::NoCredentials);
        };
        let token = SasToken::parse(token)?;
        let found = self.find_enrollment(identity, &token)?;
        token.verify_device(&self.settings.id_scope, identity.registration_id.as_str())?;
        if let Expiry::CheckedAt(now) = expiry {
            token.verify_expiry(now, self.settings.clock_skew)?;
        }
        Ok(found)
    }

    /// The individual enrollment alone decides when there is one, even a disabled one. Otherwise
    /// the group whose derived key signed the token; an enabled one if there are several.
    fn find_enrollment(
        &self,
        identity: &DeviceIdentity,
        token: &SasToken,
    ) -> Result<Match<'_>, Refusal> {
        if let Some(enrollment) = self.model.enrollment(&identity.registration_id) {
            let keys = enrollment.symmetric_keys().ok_or(Refusal::NoEnrollment)?;
            return match keys.both().iter().any(|key| token.verify_signature(key).is_ok()) {
                true => Ok(Match::Individual(enrollment)),
                false => Err(SasError::Signature.into()),
            };
        }
        let mut refusal = Refusal::NoEnrollment;
        let mut disabled = None;
        for group in self.model.groups() {
            let Some(keys) = group.symmetric_keys() else { continue };
            refusal = SasError::Signature.into();
            let is_signer = keys
                .both()
                .iter()
                .any(|key| token.verify_signature(&key.derive(&identity.registration_id)).is_ok());
            match group.provisioning_status {
                ProvisioningStatus::Enabled if is_signer => return Ok(Match::Group(group)),
                ProvisioningStatus::Disabled if is_signer => disabled = Some(group),
                _ => {}
            }
        }
        disabled.map(Match::Group).ok_or(refusal)
    }
}
