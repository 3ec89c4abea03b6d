//! Registration records (`wire-protocol.md` sections 7.2 and 7.6).

use super::page::Page;
use super::{ApiAnswer, ApiError, ApiRequest, matches};
use crate::model::device_key;
use crate::service::{Service, reply};
use crate::store::{Change, Table};
use core::time::Duration;
use dps_core::RegistrationId;

impl Service {
    /// GET.
    pub(super) fn registration(&self, id: &str, now: Duration) -> Result<ApiAnswer, ApiError> {
        let id = RegistrationId::new(id).map_err(|_| ApiError::NoRegistration)?;
        let state = self.state();
        let record = state.records.get(&id).ok_or(ApiError::NoRegistration)?;
        Ok(ApiAnswer::ok(&reply::state(&record.at(now))))
    }

    /// DELETE: the device's next registration is its first again. Its identity stays in the hub.
    pub(super) fn delete_registration(
        &self,
        id: &str,
        request: &ApiRequest<'_>,
    ) -> Result<ApiAnswer, ApiError> {
        let id = RegistrationId::new(id).map_err(|_| ApiError::NoRegistration)?;
        let mut state = self.state();
        let record = state.records.get(&id).ok_or(ApiError::NoRegistration)?;
        if request.if_match.is_some_and(|asked| !matches(asked, &record.etag)) {
            return Err(ApiError::EtagMismatch);
        }
        state.records.remove(&id);
        let change = Change::removed(Table::Registrations, device_key(&id));
        Ok(ApiAnswer::no_content(self.store.append([change])))
    }

    /// POST query: the devices that a group let in. A group that is gone may still have some.
    pub(super) fn registrations_of_group(
        &self,
        group: &str,
        page: &Page,
        now: Duration,
    ) -> Result<ApiAnswer, ApiError> {
        let state = self.state();
        let found = state.records.of_group(group, page.after.as_deref());
        let items = found.map(|(key, record)| (key.clone(), reply::state(&record.at(now))));
        Ok(page.answer("deviceRegistration", items))
    }
}
