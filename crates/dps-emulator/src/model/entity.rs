//! What individual enrollments and enrollment groups have in common for those who manage them.

use super::document::{DocumentError, EnrollmentDocument, Secrets};
use super::{
    Attestation, EnrollmentGroup, Hubs, IndividualEnrollment, Model, Placement, Version, build,
};
use crate::config::ProvisioningStatus;
use crate::random::Random;
use crate::store::Table;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An enrollment of either kind.
pub(crate) trait Entity: Clone {
    /// What the service API calls it in `x-ms-item-type`.
    const ITEM_TYPE: &'static str;
    /// The member of its document that holds its name.
    const NAME: &'static str;
    /// The member of a bulk request that lists several.
    const LIST: &'static str;
    /// Where it is kept in a state file.
    const TABLE: Table;

    /// Checks a document, and makes up the keys it lacks. The result has no version. Without
    /// `hubs`, it may name any.
    fn build(
        document: EnrollmentDocument,
        hubs: Option<&Hubs>,
        random: &mut Random,
    ) -> Result<Self, DocumentError>;
    /// The name that a document gives.
    fn stated_name(document: &mut EnrollmentDocument) -> &mut Option<String>;
    /// Its name.
    fn name(&self) -> &str;
    /// How its devices prove who they are.
    fn attestation(&self) -> &Attestation;
    /// Whether it lets devices in.
    fn provisioning_status(&self) -> ProvisioningStatus;
    /// Where it sends its devices.
    fn placement(&self) -> &Placement;
    /// Which state this is.
    fn version(&self) -> &Version;
    /// Sets which state this is.
    fn with_version(self, version: Version) -> Self;
    /// Writes what only one of the two kinds has.
    fn describe(&self, document: &mut EnrollmentDocument);
    /// All of its kind.
    fn all(model: &Model) -> &BTreeMap<String, Arc<Self>>;
    /// All of its kind, to change them.
    fn all_mut(model: &mut Model) -> &mut BTreeMap<String, Arc<Self>>;

    /// What all spellings of its name have in common.
    fn key(&self) -> String {
        self.name().to_ascii_lowercase()
    }

    /// Its document.
    fn document(&self, secrets: Secrets) -> EnrollmentDocument {
        let mut document = EnrollmentDocument::new(
            self.attestation(),
            self.provisioning_status(),
            self.placement(),
            self.version(),
            secrets,
        );
        self.describe(&mut document);
        document
    }
}

impl Entity for IndividualEnrollment {
    const ITEM_TYPE: &'static str = "enrollment";
    const NAME: &'static str = "registrationId";
    const LIST: &'static str = "enrollments";
    const TABLE: Table = Table::Enrollments;

    fn build(
        document: EnrollmentDocument,
        hubs: Option<&Hubs>,
        random: &mut Random,
    ) -> Result<Self, DocumentError> {
        Ok(build::enrollment(&document.individual()?, hubs, random)?)
    }

    fn stated_name(document: &mut EnrollmentDocument) -> &mut Option<String> {
        &mut document.registration_id
    }

    fn name(&self) -> &str {
        self.registration_id.as_str()
    }

    fn attestation(&self) -> &Attestation {
        &self.attestation
    }

    fn provisioning_status(&self) -> ProvisioningStatus {
        self.provisioning_status
    }

    fn placement(&self) -> &Placement {
        &self.placement
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn with_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    fn describe(&self, document: &mut EnrollmentDocument) {
        document.registration_id = Some(self.registration_id.to_string());
        document.device_id = self.device_id.clone();
        document.optional_device_information = self.optional_device_information.clone();
    }

    fn all(model: &Model) -> &BTreeMap<String, Arc<Self>> {
        &model.enrollments
    }

    fn all_mut(model: &mut Model) -> &mut BTreeMap<String, Arc<Self>> {
        &mut model.enrollments
    }
}

impl Entity for EnrollmentGroup {
    const ITEM_TYPE: &'static str = "enrollmentGroup";
    const NAME: &'static str = "enrollmentGroupId";
    const LIST: &'static str = "enrollmentGroups";
    const TABLE: Table = Table::EnrollmentGroups;

    fn build(
        document: EnrollmentDocument,
        hubs: Option<&Hubs>,
        random: &mut Random,
    ) -> Result<Self, DocumentError> {
        Ok(build::group(&document.group()?, hubs, random)?)
    }

    fn stated_name(document: &mut EnrollmentDocument) -> &mut Option<String> {
        &mut document.enrollment_group_id
    }

    fn name(&self) -> &str {
        &self.enrollment_group_id
    }

    fn attestation(&self) -> &Attestation {
        &self.attestation
    }

    fn provisioning_status(&self) -> ProvisioningStatus {
        self.provisioning_status
    }

    fn placement(&self) -> &Placement {
        &self.placement
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn with_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    fn describe(&self, document: &mut EnrollmentDocument) {
        document.enrollment_group_id = Some(self.enrollment_group_id.clone());
    }

    fn all(model: &Model) -> &BTreeMap<String, Arc<Self>> {
        &model.groups
    }

    fn all_mut(model: &mut Model) -> &mut BTreeMap<String, Arc<Self>> {
        &mut model.groups
    }
}
