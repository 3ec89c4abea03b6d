//! Which enrollment, if any, lets a device in (`wire-protocol.md` sections 1.1, 1.4
//! and 7.4).

use super::refusal::Refusal;
use super::{Credentials, DeviceIdentity, Service};
use crate::config::ProvisioningStatus;
use crate::model::{EnrollmentGroup, EnrollmentRef, IndividualEnrollment};
use crate::sas::{SasError, SasToken};
use crate::x509::{Certificate, ChainProblem, PresentedChain};
use core::time::Duration;
use dps_core::wire::X509Result;

/// The enrollment that recognises a device. It may be disabled.
pub(super) struct Match<'a> {
    pub(super) enrollment: Enrollment<'a>,
    x509: Option<X509Result>,
}

/// Of one device or of many.
pub(super) enum Enrollment<'a> {
    /// The device's own.
    Individual(&'a IndividualEnrollment),
    /// A group's.
    Group(&'a EnrollmentGroup),
}

impl Match<'_> {
    pub(super) fn reference(&self) -> EnrollmentRef {
        match self.enrollment {
            Enrollment::Individual(item) => EnrollmentRef::Individual(item.registration_id.clone()),
            Enrollment::Group(group) => EnrollmentRef::Group(group.enrollment_group_id.clone()),
        }
    }

    pub(super) fn provisioning_status(&self) -> ProvisioningStatus {
        match self.enrollment {
            Enrollment::Individual(enrollment) => enrollment.provisioning_status,
            Enrollment::Group(group) => group.provisioning_status,
        }
    }

    pub(super) fn iot_hub_host_name(&self) -> Option<String> {
        match self.enrollment {
            Enrollment::Individual(enrollment) => enrollment.iot_hub_host_name.clone(),
            Enrollment::Group(group) => group.iot_hub_host_name.clone(),
        }
    }

    /// Only an individual enrollment names one (`wire-protocol.md` section 1.1).
    pub(super) fn device_id(&self) -> Option<&str> {
        match self.enrollment {
            Enrollment::Individual(enrollment) => enrollment.device_id.as_deref(),
            Enrollment::Group(_) => None,
        }
    }

    /// Whether the device proves itself with a TPM.
    pub(super) fn is_tpm(&self) -> bool {
        match self.enrollment {
            Enrollment::Individual(item) => item.attestation.endorsement_key().is_some(),
            Enrollment::Group(_) => false,
        }
    }

    /// What the result says about certificates; none when the proof was a key.
    pub(super) fn x509(&self) -> Option<X509Result> {
        self.x509.clone()
    }
}

/// Whether the expiry of a token matters.
#[derive(Clone, Copy)]
pub(super) enum Expiry {
    /// It must be good now.
    Checked,
    /// It was checked before.
    Ignored,
}

impl Service {
    /// Finds the enrollment that the credentials fit, and checks what else they must be.
    pub(super) fn authenticate(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        now: Duration,
        expiry: Expiry,
    ) -> Result<Match<'_>, Refusal> {
        self.check_scope(identity)?;
        let token = match credentials {
            Credentials::None => return Err(Refusal::NoCredentials),
            Credentials::Certificates(chain) => return self.find_by_chain(identity, chain, now),
            Credentials::ProvenTpm => return self.find_tpm(identity),
            Credentials::SasToken(token) => SasToken::parse(token)?,
        };
        let enrollment = self.find_by_token(identity, &token)?;
        token.verify_device(&self.settings.id_scope, identity.registration_id.as_str())?;
        if let Expiry::Checked = expiry {
            token.verify_expiry(now, self.settings.clock_skew)?;
        }
        Ok(Match { enrollment, x509: None })
    }

    /// The individual enrollment alone decides when there is one, even a disabled one. Otherwise
    /// the group whose derived key signed the token; an enabled one if there are several.
    fn find_by_token(
        &self,
        identity: &DeviceIdentity,
        token: &SasToken,
    ) -> Result<Enrollment<'_>, Refusal> {
        if let Some(enrollment) = self.model.enrollment(&identity.registration_id) {
            if enrollment.attestation.endorsement_key().is_some() {
                self.check_accepted(identity, token)?;
                return Ok(Enrollment::Individual(enrollment));
            }
            let keys = enrollment.symmetric_keys().ok_or(Refusal::OtherAttestation)?;
            return match keys.both().iter().any(|key| token.verify_signature(key).is_ok()) {
                true => Ok(Enrollment::Individual(enrollment)),
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
                ProvisioningStatus::Enabled if is_signer => return Ok(Enrollment::Group(group)),
                ProvisioningStatus::Disabled if is_signer => disabled = Some(group),
                _ => {}
            }
        }
        disabled.map(Enrollment::Group).ok_or(refusal)
    }

    /// The individual enrollment, which must still be by TPM.
    fn find_tpm(&self, identity: &DeviceIdentity) -> Result<Match<'_>, Refusal> {
        let enrollment = self.model.enrollment(&identity.registration_id);
        let enrollment = enrollment.ok_or(Refusal::NoEnrollment)?;
        match enrollment.attestation.endorsement_key() {
            Some(_) => Ok(Match { enrollment: Enrollment::Individual(enrollment), x509: None }),
            None => Err(Refusal::OtherAttestation),
        }
    }

    /// The individual enrollment alone decides when there is one: its certificate must be the
    /// device's. Otherwise the group whose signing certificate is nearest in the chain; an
    /// enabled one if there are several.
    fn find_by_chain(
        &self,
        identity: &DeviceIdentity,
        chain: &[Vec<u8>],
        now: Duration,
    ) -> Result<Match<'_>, Refusal> {
        let chain = PresentedChain::parse(chain)?;
        chain.verify_leaf(identity.registration_id.as_str(), now)?;
        let mut x509 =
            X509Result { certificate_info: Some(chain.leaf().info()), ..X509Result::default() };
        if let Some(enrollment) = self.model.enrollment(&identity.registration_id) {
            let enrolled = enrollment.attestation.x509_certificates();
            let is_enrolled = enrolled
                .ok_or(ChainProblem::OtherAttestation)?
                .all()
                .any(|certificate| certificate == chain.leaf());
            return match is_enrolled {
                true => {
                    Ok(Match { enrollment: Enrollment::Individual(enrollment), x509: Some(x509) })
                }
                false => Err(ChainProblem::NotEnrolled.into()),
            };
        }
        let mut refusal = ChainProblem::NoGroup;
        let mut best: Option<(bool, usize, &EnrollmentGroup, &Certificate)> = None;
        for group in self.model.groups() {
            let Some(enrolled) = group.attestation.x509_certificates() else { continue };
            let is_disabled = group.provisioning_status == ProvisioningStatus::Disabled;
            for signer in enrolled.all() {
                match chain.distance_to(signer, now) {
                    Ok(distance) => {
                        let nearer = best.as_ref().is_none_or(|(disabled, nearest, ..)| {
                            (is_disabled, distance) < (*disabled, *nearest)
                        });
                        if nearer {
                            best = Some((is_disabled, distance, group, signer));
                        }
                    }
                    Err(problem) => refusal = problem,
                }
            }
        }
        let (_, _, group, signer) = best.ok_or(refusal)?;
        x509.enrollment_group_id = Some(group.enrollment_group_id.clone());
        x509.signing_certificate_info = Some(signer.info());
        Ok(Match { enrollment: Enrollment::Group(group), x509: Some(x509) })
    }
}
