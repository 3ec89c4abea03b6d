//! Enrollments of either kind, one at a time or listed (`wire-protocol.md` sections 7.2 and 7.3).

use super::page::Page;
use super::{ApiAnswer, ApiError, ApiRequest, matches};
use crate::config::ReprovisionPolicy;
use crate::model::members;
use crate::model::{AttestationDocument, EnrollmentDocument, Entity, RecordRow, Secrets, Version};
use crate::nesting::{DEEPEST, nesting};
use crate::service::opening::kept_as;
use crate::service::{Service, Ticket, reply};
use crate::store::{Change, Table};
use core::ops::Bound;
use core::time::Duration;
use dps_core::RegistrationId;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// From here on, enrollments have a reprovisioning policy whether they name one or not (section
/// 6.5).
const FIRST_WITH_REPROVISIONING: &str = "2018-09-01";

/// Which state an enrollment must be in to be written or deleted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition<'a> {
    /// There is none yet.
    IsNew,
    /// There is one.
    Exists,
    /// It has this etag.
    Etag(&'a str),
}

impl Service {
    /// GET, PUT or DELETE.
    pub(super) fn one<T: Entity>(
        &self,
        name: &str,
        request: &ApiRequest<'_>,
        version: &str,
        now: Duration,
    ) -> Result<ApiAnswer, ApiError> {
        let if_match = request.if_match;
        if request.method == Method::GET {
            let entity = self.find::<T>(name)?;
            return Ok(ApiAnswer::ok(&self.full_document(entity.as_ref(), now)));
        }
        if request.method == Method::DELETE {
            let condition = if_match.map_or(Condition::Exists, Condition::Etag);
            return Ok(ApiAnswer::no_content(self.delete::<T>(name, condition)?));
        }
        let mut document: EnrollmentDocument = parse(request.body)?;
        members::warn_of_unknown("an enrollment", request.body, &members::ENROLLMENT);
        let stated = T::stated_name(&mut document);
        match stated {
            Some(stated) if !stated.eq_ignore_ascii_case(name) => return Err(ApiError::OtherName),
            Some(_) => {}
            None => *stated = Some(name.to_owned()),
        }
        let condition = if_match.map_or(Condition::IsNew, Condition::Etag);
        let (entity, ticket) = self.write::<T>(document, condition, version, now)?;
        Ok(ApiAnswer::ok(&self.full_document(entity.as_ref(), now)).after(ticket))
    }

    /// Creates an enrollment, or puts another in its place.
    pub(super) fn write<T: Entity>(
        &self,
        mut document: EnrollmentDocument,
        condition: Condition<'_>,
        version: &str,
        now: Duration,
    ) -> Result<(Arc<T>, Ticket), ApiError> {
        let name = T::stated_name(&mut document).clone().unwrap_or_default();
        if document.reprovision_policy.is_none() && version >= FIRST_WITH_REPROVISIONING {
            document.reprovision_policy = Some(ReprovisionPolicy::default());
        }
        let mut model = self.model_mut();
        let all = T::all_mut(&mut model);
        let existing = all.get(&name.to_ascii_lowercase());
        check(condition, existing.map(|existing| existing.version()))?;
        if let Some(existing) = existing {
            document.keep_secrets_of(existing.attestation());
        }
        let mut guard = self.state();
        let state = &mut *guard;
        let entity = T::build(document, Some(&state.hubs), &mut state.random)?;
        let version = match existing {
            Some(existing) => existing.version().next(&mut state.random, now),
            None => Version::first(&mut state.random, now),
        };
        let endorsement_key = entity.attestation().endorsement_key();
        let is_same_tpm =
            existing.is_some_and(|old| old.attestation().endorsement_key() == endorsement_key);
        if T::TABLE == Table::Enrollments && !is_same_tpm {
            state.tpms.forget(&entity.key());
            // The hub's key of the TPM before is not for this one.
            if let Some(record) = state.records.drop_hub_key(&entity.key()) {
                let row = RecordRow::from(record);
                self.store.append([Change::put(Table::Registrations, entity.key(), &row)]);
            }
        }
        drop(guard);
        let entity = Arc::new(entity.with_version(version));
        all.insert(entity.key(), entity.clone());
        let ticket = self.store.append([kept_as(entity.as_ref())]);
        tracing::info!(kind = T::ITEM_TYPE, name, "enrollment written");
        Ok((entity, ticket))
    }

    /// Removes an enrollment. Its devices' records stay (section 7.6).
    pub(super) fn delete<T: Entity>(
        &self,
        name: &str,
        condition: Condition<'_>,
    ) -> Result<Ticket, ApiError> {
        let key = name.to_ascii_lowercase();
        let mut model = self.model_mut();
        let all = T::all_mut(&mut model);
        check(condition, all.get(&key).map(|existing| existing.version()))?;
        all.remove(&key);
        if T::TABLE == Table::Enrollments {
            self.state().tpms.forget(&key);
        }
        tracing::info!(kind = T::ITEM_TYPE, name, "enrollment deleted");
        Ok(self.store.append([Change::removed(T::TABLE, key)]))
    }

    /// POST attestationmechanism: the only answer that shows keys.
    pub(super) fn attestation_mechanism<T: Entity>(
        &self,
        name: &str,
    ) -> Result<ApiAnswer, ApiError> {
        let entity = self.find::<T>(name)?;
        Ok(ApiAnswer::ok(&AttestationDocument::new(entity.attestation(), Secrets::Shown)))
    }

    /// POST query. The text of the query selects nothing (section 7.2), but there must be one.
    pub(super) fn list<T: Entity>(
        &self,
        page: &Page,
        request: &ApiRequest<'_>,
    ) -> Result<ApiAnswer, ApiError> {
        #[derive(Deserialize)]
        struct Query {
            #[serde(rename = "query")]
            _query: String,
        }
        parse::<Query>(request.body)?;
        let model = self.model();
        let from = page.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let found = T::all(&model).range::<str, _>((from, Bound::Unbounded));
        let items = found.map(|(key, entity)| (key.clone(), entity.document(Secrets::Hidden)));
        Ok(page.answer(T::ITEM_TYPE, items))
    }

    fn find<T: Entity>(&self, name: &str) -> Result<Arc<T>, ApiError> {
        let model = self.model();
        T::all(&model).get(&name.to_ascii_lowercase()).cloned().ok_or(ApiError::NoEnrollment)
    }

    /// With the state of the device's registration, if it is the enrollment of one.
    fn full_document<T: Entity>(&self, entity: &T, now: Duration) -> EnrollmentDocument {
        let mut document = entity.document(Secrets::Hidden);
        if let Some(id) = &document.registration_id
            && let Ok(id) = RegistrationId::new(id.as_str())
        {
            let state = self.state();
            document.registration_state =
                state.records.get(&id).map(|record| reply::state(&record.at(now)));
        }
        document
    }
}

fn check(condition: Condition<'_>, existing: Option<&Version>) -> Result<(), ApiError> {
    match (condition, existing) {
        (Condition::IsNew, Some(_)) => Err(ApiError::Exists),
        (Condition::Exists | Condition::Etag(_), None) => Err(ApiError::NoEnrollment),
        (Condition::Etag(asked), Some(version)) if !matches(asked, &version.etag) => {
            Err(ApiError::EtagMismatch)
        }
        _ => Ok(()),
    }
}

/// Reads a JSON object. What the reader says of a key repeats no key.
pub(in crate::service) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // The derived reader would take an array for an object.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::BadBody("it is not a JSON object".to_owned()));
    }
    if nesting(body) > DEEPEST {
        return Err(ApiError::BadBody(format!("it is nested more than {DEEPEST} deep")));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::BadBody(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_is_nested_too_deep_for_a_state_file_is_refused_and_brackets_in_texts_do_not_count() {
        let lists = |count: usize| {
            format!("{{\"a\":{}{}}}", "[".repeat(count), "]".repeat(count)).into_bytes()
        };
        assert!(parse::<Value>(&lists(99)).is_ok());
        assert!(parse::<Value>(&lists(100)).is_err());
        let text = format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(500));
        assert!(parse::<Value>(text.as_bytes()).is_ok());
    }
}
