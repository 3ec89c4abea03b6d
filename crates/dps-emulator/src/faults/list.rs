//! The faults of a service in the order in which they were set, and which one strikes.

use super::{
    DeviceTransport, Fault, FaultConfig, FaultError, FaultOperation, FaultScope, FaultStatus,
};
use crate::config::{ConfigError, EmulatorConfig};
use crate::model::EnrollmentRef;
use dps_core::RegistrationId;

/// The most faults of a service.
const MOST_FAULTS: usize = 1_000;

/// Something that a fault may strike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion<'a> {
    pub(crate) operation: FaultOperation,
    /// None without any socket or state machine around.
    pub(crate) transport: Option<DeviceTransport>,
    /// Whom the device claims to be.
    pub(crate) registration_id: &'a RegistrationId,
    /// What lets the device in; not asked for unless a fault depends on it.
    pub(crate) enrollment: Option<&'a EnrollmentRef>,
}

/// All faults, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct FaultList(Vec<FaultStatus>);

impl FaultList {
    /// Those of a configuration: first the service's, then the enrollments', then the groups', each
    /// as they are written.
    pub(crate) fn new(config: &EmulatorConfig) -> Result<Self, ConfigError> {
        let mut all: Vec<FaultConfig> = config.faults.clone();
        for one in &config.enrollments {
            let scope = FaultScope::Enrollment(one.registration_id.clone());
            scoped(&mut all, one.registration_id.as_str(), &one.faults, &scope)?;
        }
        for group in &config.enrollment_groups {
            let scope = FaultScope::EnrollmentGroup(group.enrollment_group_id.clone());
            scoped(&mut all, &group.enrollment_group_id, &group.faults, &scope)?;
        }
        let named = |name: &str| {
            let is_it = |one: &FaultConfig| {
                one.name.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(name))
            };
            all.iter().filter(|one| is_it(one)).count()
        };
        let mut list = Self::default();
        let mut free = (1..).map(|n| format!("fault-{n}")).filter(|name| named(name) == 0);
        for FaultConfig { name, fault } in &all {
            let name = match name {
                Some(name) if named(name) > 1 => {
                    return Err(ConfigError::DuplicateFault { name: name.clone() });
                }
                Some(name) => name.clone(),
                None => free.next().unwrap_or_default(),
            };
            let set = list.set(&name, fault.clone());
            set.map_err(|problem| ConfigError::BadFault { name, problem })?;
        }
        Ok(list)
    }

    /// Adds a fault at the end, or in place of the one of this name.
    pub(crate) fn set(&mut self, name: &str, fault: Fault) -> Result<&FaultStatus, FaultError> {
        RegistrationId::new(name).map_err(FaultError::Name)?;
        fault.check()?;
        let status = FaultStatus { name: name.to_owned(), fault, struck: 0 };
        let index = match self.index(name) {
            Some(index) => index,
            None if self.0.len() >= MOST_FAULTS => return Err(FaultError::TooMany(MOST_FAULTS)),
            None => {
                self.0.push(status.clone());
                self.0.len() - 1
            }
        };
        match self.0.get_mut(index) {
            Some(place) => {
                *place = status;
                Ok(place)
            }
            None => Err(FaultError::TooMany(MOST_FAULTS)),
        }
    }

    /// Removes one; whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|one| !one.name.eq_ignore_ascii_case(name));
        self.0.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn all(&self) -> &[FaultStatus] {
        &self.0
    }

    /// Whether it must be known what lets the device in.
    pub(crate) fn depends_on_enrollment(&self, occasion: &Occasion<'_>) -> bool {
        let mut possible = self.0.iter().filter(|one| one.is_due(occasion));
        possible.any(|one| {
            matches!(one.fault.scope, FaultScope::Enrollment(_) | FaultScope::EnrollmentGroup(_))
        })
    }

    /// The first fault that fits strikes, and counts it.
    pub(crate) fn strike(&mut self, occasion: &Occasion<'_>) -> Option<&FaultStatus> {
        let fits =
            |one: &&mut FaultStatus| one.is_due(occasion) && one.fault.scope.covers(occasion);
        let struck = self.0.iter_mut().find(fits)?;
        struck.struck = struck.struck.saturating_add(1);
        tracing::info!(fault = struck.name, kind = ?struck.fault.kind, operation = ?occasion.operation,
            registration_id = %occasion.registration_id, times = struck.struck, "a fault strikes");
        Some(struck)
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|one| one.name.eq_ignore_ascii_case(name))
    }
}

impl FaultStatus {
    /// Whether it strikes here, whomever.
    fn is_due(&self, occasion: &Occasion<'_>) -> bool {
        let Fault { transport, operation, count, .. } = &self.fault;
        let is_place = match operation {
            Some(operation) => *operation == occasion.operation,
            None => occasion.operation != FaultOperation::Connect,
        };
        is_place
            && transport.is_none_or(|transport| occasion.transport == Some(transport))
            && count.is_none_or(|count| self.struck < count)
    }
}

impl FaultScope {
    fn covers(&self, occasion: &Occasion<'_>) -> bool {
        let is_same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        match (self, occasion.enrollment) {
            (Self::Everything, _) => true,
            (Self::RegistrationId(id), _) => {
                is_same(id.as_str(), occasion.registration_id.as_str())
            }
            (Self::Enrollment(id), Some(EnrollmentRef::Individual(found))) => {
                is_same(id.as_str(), found.as_str())
            }
            (Self::EnrollmentGroup(name), Some(EnrollmentRef::Group(found))) => {
                is_same(name, found)
            }
            (Self::Enrollment(_) | Self::EnrollmentGroup(_), _) => false,
        }
    }
}

/// Adds the faults that stand with an enrollment.
fn scoped(
    all: &mut Vec<FaultConfig>,
    enrollment: &str,
    faults: &[FaultConfig],
    scope: &FaultScope,
) -> Result<(), ConfigError> {
    for FaultConfig { name, fault } in faults {
        if fault.scope != FaultScope::Everything {
            return Err(ConfigError::ScopedFault { enrollment: enrollment.to_owned() });
        }
        let fault = fault.clone().for_scope(scope.clone());
        all.push(FaultConfig { name: name.clone(), fault });
    }
    Ok(())
}
