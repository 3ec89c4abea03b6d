//! Several enrollments at once (`wire-protocol.md` section 7.2). Each stands for itself: what is
//! wrong with one does not keep the others from being done.

use super::enrollments::{Condition, parse};
use super::{ApiAnswer, ApiError, ApiRequest};
use crate::model::{EnrollmentDocument, Entity, members};
use crate::service::{Service, Ticket};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most items of a request.
const MOST: usize = 10;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mode {
    Create,
    Update,
    #[serde(rename = "updateIfMatchETag")]
    UpdateIfMatchETag,
    Delete,
}

#[derive(Deserialize)]
struct Bulk {
    mode: Mode,
    #[serde(default)]
    enrollments: Option<Vec<EnrollmentDocument>>,
    #[serde(default, rename = "enrollmentGroups")]
    enrollment_groups: Option<Vec<EnrollmentDocument>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    is_successful: bool,
    errors: Vec<Value>,
}

impl Service {
    pub(super) fn bulk<T: Entity>(
        &self,
        request: &ApiRequest<'_>,
        version: &str,
        now: Duration,
    ) -> Result<ApiAnswer, ApiError> {
        let mut bulk: Bulk = parse(request.body)?;
        members::warn_of_unknown("a bulk operation", request.body, &members::BULK);
        let list = match T::LIST {
            "enrollments" => bulk.enrollments.take(),
            _ => bulk.enrollment_groups.take(),
        };
        let items = list.ok_or_else(|| ApiError::BadBody(format!("it has no {}", T::LIST)))?;
        if items.is_empty() || items.len() > MOST {
            return Err(ApiError::BulkSize(items.len()));
        }
        let mut errors = Vec::new();
        let mut last = Ticket::default();
        for mut item in items {
            let name = T::stated_name(&mut item).clone().unwrap_or_default();
            match self.bulk_item::<T>(&name, item, bulk.mode, version, now) {
                Ok(ticket) => last = last.max(ticket),
                Err(error) => {
                    tracing::warn!(kind = T::ITEM_TYPE, name, reason = %error, "item refused");
                    errors.push(json!({
                        T::NAME: name,
                        "errorCode": error.error_code(),
                        "errorStatus": error.message(),
                    }));
                }
            }
        }
        Ok(ApiAnswer::ok(&Outcome { is_successful: errors.is_empty(), errors }).after(last))
    }

    fn bulk_item<T: Entity>(
        &self,
        name: &str,
        item: EnrollmentDocument,
        mode: Mode,
        version: &str,
        now: Duration,
    ) -> Result<Ticket, ApiError> {
        let etag = item.etag.clone();
        let condition = match mode {
            Mode::Create => Condition::IsNew,
            Mode::Update => Condition::Exists,
            Mode::UpdateIfMatchETag => Condition::Etag(etag.as_deref().unwrap_or_default()),
            Mode::Delete => return self.delete::<T>(name, Condition::Exists),
        };
        self.write::<T>(item, condition, version, now).map(|(_, ticket)| ticket)
    }
}
