//! `GET /admin/events?after=N&waitSeconds=S`: what happened lately.

use super::query::{self, Query};
use super::{AdminError, Asked};
use crate::events::Entry;
use crate::service::{ApiAnswer, Service};
use core::time::Duration;
use serde::Serialize;

#[derive(Serialize)]
struct Answer {
    events: Vec<Entry>,
    /// The number of the last event there is.
    last: u64,
}

pub(super) fn answer(
    service: &Service,
    asked: &Asked<'_>,
    _: Duration,
) -> Result<ApiAnswer, AdminError> {
    asked.only_get()?;
    let query = Query::read(asked.request.query)?;
    let after = query.number(query::AFTER, 0)?;
    let limit = query.limit()?;
    let wait = query.wait()?;
    let (events, last) = service.events().after(after, limit);
    // A number of an earlier start is greater than all: then there is something to tell.
    let is_idle = events.is_empty() && after <= last;
    let answer = ApiAnswer::ok(&Answer { events, last });
    Ok(if is_idle { answer.unless_within(wait) } else { answer })
}
