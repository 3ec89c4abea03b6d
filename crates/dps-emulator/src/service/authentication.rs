//! Which enrollment, if any, lets a device in (`wire-protocol.md` sections 1.1, 1.4
//! and 7.4).

use super::refusal::Refusal;
use super::{Credentials, DeviceIdentity, Service};
use crate::config::ProvisioningStatus;
use crate::hub::HubIdentity;
use crate::model::{
    Attestation, EnrollmentDocument, EnrollmentGroup, EnrollmentRef, Entity as _,
    IndividualEnrollment, Model, Placement, Secrets,
};
use crate::sas::{SasError, SasToken};
use crate::tpm::PublicKey;
use crate::x509::{Certificate, ChainProblem, PresentedChain};
use core::time::Duration;
use dps_core::wire::X509Result;
use dps_core::{RegistrationId, SymmetricKey};
use std::sync::Arc;

/// The enrollment that recognises a device. It may be disabled.
#[derive(Clone, Debug)]
pub(super) struct Match {
    enrollment: Enrollment,
    x509: Option<X509Result>,
}

/// Of one device or of many, as it was when the device asked.
#[derive(Clone, Debug)]
enum Enrollment {
    /// The device's own.
    Individual(Arc<IndividualEnrollment>),
    /// A group's.
    Group(Arc<EnrollmentGroup>),
}

impl Match {
    pub(super) fn reference(&self) -> EnrollmentRef {
        match &self.enrollment {
            Enrollment::Individual(item) => EnrollmentRef::Individual(item.registration_id.clone()),
            Enrollment::Group(group) => EnrollmentRef::Group(group.enrollment_group_id.clone()),
        }
    }

    pub(super) fn provisioning_status(&self) -> ProvisioningStatus {
        match &self.enrollment {
            Enrollment::Individual(enrollment) => enrollment.provisioning_status,
            Enrollment::Group(group) => group.provisioning_status,
        }
    }

    /// Whether the enrollment is there as it was when it let the device in, and enabled, and none
    /// of the device's own has come before a group's.
    pub(super) fn still_stands(&self, model: &Model, id: &RegistrationId) -> bool {
        let own = model.enrollment(id);
        match &self.enrollment {
            Enrollment::Individual(then) => own.is_some_and(|now| now.version == then.version),
            Enrollment::Group(then) => {
                let now = EnrollmentGroup::all(model).get(&then.key());
                own.is_none() && now.is_some_and(|now| now.version == then.version)
            }
        }
    }

    pub(super) fn placement(&self) -> &Placement {
        match &self.enrollment {
            Enrollment::Individual(enrollment) => &enrollment.placement,
            Enrollment::Group(group) => &group.placement,
        }
    }

    /// Only an individual enrollment names one (`wire-protocol.md` section 1.1).
    pub(super) fn device_id(&self) -> Option<&str> {
        match &self.enrollment {
            Enrollment::Individual(enrollment) => enrollment.device_id.as_deref(),
            Enrollment::Group(_) => None,
        }
    }

    /// What proves the device to its hub, by the registration id as it states it: it is the keys
    /// derived with that one that have let it in. `None` for a TPM without a `hub_key`.
    pub(super) fn hub_identity(
        &self,
        id: &RegistrationId,
        hub_key: Option<&SymmetricKey>,
    ) -> Option<HubIdentity> {
        match &self.enrollment {
            Enrollment::Individual(enrollment) => {
                HubIdentity::of_device(&enrollment.attestation, hub_key)
            }
            Enrollment::Group(group) => HubIdentity::of_group(&group.attestation, id),
        }
    }

    /// Whether the device proves itself with a TPM.
    pub(super) fn is_tpm(&self) -> bool {
        match &self.enrollment {
            Enrollment::Individual(item) => item.attestation.endorsement_key().is_some(),
            Enrollment::Group(_) => false,
        }
    }

    /// What the result says about certificates; none when the proof was a key.
    pub(super) fn x509(&self) -> Option<X509Result> {
        self.x509.clone()
    }

    /// Whether the proof was a shared key.
    pub(super) fn is_by_symmetric_key(&self) -> bool {
        let attestation = match &self.enrollment {
            Enrollment::Individual(enrollment) => &enrollment.attestation,
            Enrollment::Group(group) => &group.attestation,
        };
        matches!(attestation, Attestation::SymmetricKey(_))
    }

    /// The enrollment for a webhook: an individual one, or a group.
    pub(super) fn documents(&self) -> (Option<EnrollmentDocument>, Option<EnrollmentDocument>) {
        match &self.enrollment {
            Enrollment::Individual(enrollment) => {
                (Some(enrollment.document(Secrets::Reduced)), None)
            }
            Enrollment::Group(group) => (None, Some(group.document(Secrets::Reduced))),
        }
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
    ) -> Result<Match, Refusal> {
        self.check_scope(identity)?;
        let token = match credentials {
            Credentials::None => return Err(Refusal::NoCredentials),
            Credentials::Certificates(chain) => {
                return find_by_chain(&self.model(), identity, chain, now);
            }
            Credentials::ProvenTpm(proven) => {
                return find_tpm(&self.model(), identity, proven);
            }
            Credentials::SasToken(token) => SasToken::parse(token)?,
        };
        let own = self.model().enrollment(&identity.registration_id).cloned();
        let enrollment = match own.filter(|own| own.attestation.endorsement_key().is_some()) {
            Some(own) => {
                self.check_accepted(identity, &token)?;
                Enrollment::Individual(own)
            }
            None => find_by_token(&self.model(), identity, &token)?,
        };
        token.verify_device(&self.settings.id_scope, identity.registration_id.as_str())?;
        if let Expiry::Checked = expiry {
            token.verify_expiry(now, self.settings.clock_skew)?;
        }
        Ok(Match { enrollment, x509: None })
    }
}

/// The individual enrollment alone decides when there is one, even a disabled one. Otherwise
/// the group whose derived key signed the token; an enabled one if there are several.
fn find_by_token(
    model: &Model,
    identity: &DeviceIdentity,
    token: &SasToken,
) -> Result<Enrollment, Refusal> {
    if let Some(enrollment) = model.enrollment(&identity.registration_id) {
        let keys = enrollment.symmetric_keys().ok_or(Refusal::OtherAttestation)?;
        return match keys.both().iter().any(|key| token.verify_signature(key).is_ok()) {
            true => Ok(Enrollment::Individual(enrollment.clone())),
            false => Err(SasError::Signature.into()),
        };
    }
    let mut refusal = Refusal::NoEnrollment;
    let mut disabled = None;
    for group in model.groups() {
        let Some(keys) = group.symmetric_keys() else { continue };
        refusal = SasError::Signature.into();
        let is_signer = keys
            .both()
            .iter()
            .any(|key| token.verify_signature(&key.derive(&identity.registration_id)).is_ok());
        match group.provisioning_status {
            ProvisioningStatus::Enabled if is_signer => {
                return Ok(Enrollment::Group(group.clone()));
            }
            ProvisioningStatus::Disabled if is_signer => disabled = Some(group),
            _ => {}
        }
    }
    disabled.cloned().map(Enrollment::Group).ok_or(refusal)
}

/// The individual enrollment, which must still be by the TPM that has proven itself.
fn find_tpm(
    model: &Model,
    identity: &DeviceIdentity,
    proven: &PublicKey,
) -> Result<Match, Refusal> {
    let enrollment = model.enrollment(&identity.registration_id).ok_or(Refusal::NoEnrollment)?;
    match enrollment.attestation.endorsement_key() {
        Some(enrolled) if enrolled == proven => {
            Ok(Match { enrollment: Enrollment::Individual(enrollment.clone()), x509: None })
        }
        Some(_) => Err(Refusal::OtherEndorsementKey),
        None => Err(Refusal::OtherAttestation),
    }
}

/// The individual enrollment alone decides when there is one: its certificate must be the
/// device's. Otherwise the group whose signing certificate is nearest in the chain; an
/// enabled one if there are several.
fn find_by_chain(
    model: &Model,
    identity: &DeviceIdentity,
    chain: &[Vec<u8>],
    now: Duration,
) -> Result<Match, Refusal> {
    let chain = PresentedChain::parse(chain)?;
    chain.verify_leaf(identity.registration_id.as_str(), now)?;
    let mut x509 =
        X509Result { certificate_info: Some(chain.leaf().info()), ..X509Result::default() };
    if let Some(enrollment) = model.enrollment(&identity.registration_id) {
        let enrolled = enrollment.attestation.x509_certificates();
        let is_enrolled = enrolled
            .ok_or(ChainProblem::OtherAttestation)?
            .all()
            .any(|certificate| certificate == chain.leaf());
        return match is_enrolled {
            true => Ok(Match {
                enrollment: Enrollment::Individual(enrollment.clone()),
                x509: Some(x509),
            }),
            false => Err(ChainProblem::NotEnrolled.into()),
        };
    }
    let mut refusal = ChainProblem::NoGroup;
    let mut best: Option<(bool, usize, &Arc<EnrollmentGroup>, &Certificate)> = None;
    for group in model.groups() {
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
    Ok(Match { enrollment: Enrollment::Group(group.clone()), x509: Some(x509) })
}
