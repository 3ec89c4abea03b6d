//! How a service comes to be: from a configuration, or from what an earlier one has left.

use super::operations::Operations;
use super::page_token::PageToken;
use super::policies::Policies;
use super::tpm::Tpms;
use super::{Service, Settings, State, identities};
use crate::certificates::Authority;
use crate::config::{ConfigError, EmulatorConfig};
use crate::events::Events;
use crate::faults::FaultList;
use crate::model::{
    EnrollmentGroup, Entity, HubDevices, Hubs, IndividualEnrollment, LinkRow, Model, RecordRow,
    Records, RegistrationRecord, Row, Secrets, Version,
};
use crate::nesting::read_row;
use crate::random::Random;
use crate::store::{Change, File, Saved, Store, StoreError, Table};
use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// What paths begin with that are no device's: those of the admin API, the service API and the page.
const OWN_PATHS: [&str; 5] = ["admin", "enrollments", "enrollmentgroups", "registrations", "page"];

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a service knows at first.
#[derive(Default)]
struct Known {
    model: Model,
    records: Records,
    devices: HubDevices,
    /// What the file is to have in place of rows of an earlier form.
    moved: Vec<Change>,
    links: Vec<LinkRow>,
    settings: HashMap<String, String>,
    authority: Option<Zeroizing<String>>,
}

impl Service {
    /// A service with the enrollments and hubs of `config`, in memory: `state_file` is not looked
    /// at. Keys that `config` leaves out, ids and etags come from `random`. The enrollments were
    /// created in 1970.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when parts of the configuration contradict each other.
    pub fn new(config: &EmulatorConfig, mut random: Random) -> Result<Self, ConfigError> {
        check_scope(config)?;
        let hubs = Hubs::new(config)?;
        let model = Model::new(config, &hubs, &mut random, Duration::ZERO)?;
        let known = Known { model, ..Known::default() };
        let policies = Policies::new(config, None, &mut random)?;
        Self::with(config, hubs, policies, known, random, Store::in_memory())
    }

    /// A service that keeps its state in the `state_file` of `config`, if that names one, and finds
    /// there what it knew before. The enrollments of `config` go into a new file only: what an
    /// existing one says has been changed on purpose since.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong with the configuration or the file.
    pub fn open(config: &EmulatorConfig, random: Random, now: Duration) -> Result<Self, OpenError> {
        Self::open_with(config, random, now, None)
    }

    /// The same with a new certificate authority. The state file keeps it, or one that it has kept
    /// takes its place.
    pub(crate) fn open_with(
        config: &EmulatorConfig,
        mut random: Random,
        now: Duration,
        authority: Option<&mut Authority>,
    ) -> Result<Self, OpenError> {
        check_scope(config)?;
        let hubs = Hubs::new(config)?;
        // Before a new file takes the configuration in.
        FaultList::new(config)?;
        // Checked even when the file goes before it.
        let model = Model::new(config, &hubs, &mut random, now)?;
        let Some(path) = &config.state_file else {
            let known = Known { model, ..Known::default() };
            let policies = Policies::new(config, None, &mut random)?;
            return Ok(Self::with(config, hubs, policies, known, random, Store::in_memory())?);
        };
        // What a new file starts with: it has all of it, or is no state file yet.
        let policies = Policies::new(config, None, &mut random)?;
        let mut first = vec![policies.change()];
        first.extend(model.enrollments().map(|item| kept_as(item.as_ref())));
        first.extend(model.groups().map(|item| kept_as(item.as_ref())));
        first.extend(authority.as_deref().map(Authority::change));
        let (mut file, saved) = File::open(path, &first)?;
        if saved.is_new {
            let known = Known { model, ..Known::default() };
            let store = Store::in_file(file)?;
            return Ok(Self::with(config, hubs, policies, known, random, store)?);
        }
        let mut known = Known::read(saved, path, &mut random)?;
        let kept = known.settings.get(Policies::KEY).map(String::as_str);
        let policies = Policies::new(config, kept, &mut random)?;
        let mut changes = vec![policies.change()];
        changes.append(&mut known.moved);
        if let Some(authority) = authority {
            changes.extend(known.authority(authority, path, now));
        }
        file.commit_at_once(path, &changes)?;
        let store = Store::in_file(file)?;
        tracing::info!(file = %path.display(),
            "enrollments come from the state file, not from the configuration");
        Ok(Self::with(config, hubs, policies, known, random, store)?)
    }

    fn with(
        config: &EmulatorConfig,
        mut hubs: Hubs,
        policies: Policies,
        known: Known,
        mut random: Random,
        store: Store,
    ) -> Result<Self, ConfigError> {
        let faults = FaultList::new(config)?;
        let page_token = PageToken::new(&mut random);
        known.links.into_iter().for_each(|row| hubs.restore(row));
        let events = Arc::new(Events::default());
        let iot_hubs = identities::hubs(&hubs, config.clock_skew, events.clone());
        identities::move_back(&iot_hubs, &known.model, &known.records, &known.devices);
        Ok(Self {
            settings: Settings::new(config),
            iot_hubs: Arc::new(iot_hubs),
            policies,
            model: RwLock::new(known.model),
            state: Mutex::new(State {
                hubs,
                records: known.records,
                devices: known.devices,
                operations: Operations::default(),
                waiting: HashMap::new(),
                calls: VecDeque::new(),
                random,
                tpms: Tpms::default(),
            }),
            faults: Mutex::new(faults),
            store,
            page_token,
            endpoints: OnceLock::new(),
            events,
            call_waiting: Notify::new(),
        })
    }
}

/// A device's path begins with its ID scope, which must not lead elsewhere.
fn check_scope(config: &EmulatorConfig) -> Result<(), ConfigError> {
    let id_scope = config.id_scope.as_str();
    let is_own = OWN_PATHS.iter().any(|first| id_scope.eq_ignore_ascii_case(first));
    if !is_own {
        return Ok(());
    }
    Err(ConfigError::ReservedIdScope { id_scope: id_scope.to_owned() })
}

impl Settings {
    fn new(config: &EmulatorConfig) -> Self {
        Self {
            id_scope: config.id_scope.as_str().to_owned(),
            address: config.address,
            server_names: config.server_names.clone(),
            retry_after_seconds: config.retry_after_seconds,
            assignment_delay: config.assignment_delay,
            clock_skew: config.clock_skew,
            reject_at_connect: config.reject_at_connect,
            disabled_reply: config.disabled_reply,
        }
    }
}

/// An enrollment as a state file keeps it.
pub(super) fn kept_as<T: Entity>(entity: &T) -> Change {
    let row = Row {
        document: entity.document(Secrets::Shown),
        created: entity.version().created,
        last_updated: entity.version().last_updated,
    };
    Change::put(T::TABLE, entity.key(), &row)
}

impl Known {
    fn read(saved: Saved, path: &Path, random: &mut Random) -> Result<Self, StoreError> {
        let mut known = Self::default();
        for (table, key, text) in saved.rows {
            let is_read = match table {
                Table::Enrollments => {
                    entity::<IndividualEnrollment>(&mut known.model, &text, random)
                }
                Table::EnrollmentGroups => {
                    entity::<EnrollmentGroup>(&mut known.model, &text, random)
                }
                Table::Registrations => read_row::<RecordRow>(&text)
                    .and_then(|row| RegistrationRecord::try_from(row).ok())
                    .map(|record| known.records.put(record)),
                Table::HubDevices => {
                    known.devices.restore(&key, &text).map(|changes| known.moved.extend(changes))
                }
                Table::LinkedHubs => read_row::<LinkRow>(&text).map(|row| known.links.push(row)),
                // One that cannot be read is no reason not to start: see below.
                Table::CertificateAuthorities => {
                    known.authority = Some(text.clone());
                    Some(())
                }
                Table::Settings => {
                    known.settings.insert(key.clone(), text.to_string());
                    Some(())
                }
            };
            if is_read.is_none() {
                let (path, table) = (path.to_owned(), table.name());
                return Err(StoreError::Damaged { path, table, key });
            }
        }
        Ok(known)
    }

    /// Puts the authority that was kept in the place of a new one; or gives what is to be kept.
    fn authority(&mut self, new: &mut Authority, path: &Path, now: Duration) -> Option<Change> {
        let file = path.display();
        match self.authority.take().map(|row| Authority::read(&row, now)) {
            Some(Ok(kept)) => {
                *new = kept;
                return None;
            }
            Some(Err(reason)) => tracing::warn!(%file, %reason,
                "the certificate authority of the state file is not used any more: clients must trust a new one"),
            None => tracing::info!(%file,
                "the state file keeps the certificate authority from now on"),
        }
        Some(new.change())
    }
}

fn entity<T: Entity>(model: &mut Model, text: &str, random: &mut Random) -> Option<()> {
    let Row { document, created, last_updated } = read_row(text)?;
    let etag = document.etag.clone()?;
    // Hubs that are not linked any more may stand in it: it was good when it was made, and its
    // devices are told that they have no hub.
    let entity = T::build(document, None, random).ok()?;
    let entity = entity.with_version(Version { etag, created, last_updated });
    T::all_mut(model).insert(entity.key(), Arc::new(entity));
    Some(())
}
