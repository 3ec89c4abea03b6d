//! Who asks the service API or the admin API, and what they may do: the bearer of a shared access
//! policy's SAS token (`wire-protocol.md` section 7.1), or of the page token, who may do everything.

use super::policies::Forbidden;
use super::{ApiRequest, Service};
use crate::config::Permission;
use core::time::Duration;

impl Service {
    /// Whether a request may do what `needed` is for. Gives all that whoever asks may do.
    pub(super) fn allow(
        &self,
        request: &ApiRequest<'_>,
        needed: Permission,
        now: Duration,
    ) -> Result<&[Permission], Forbidden> {
        match request.authorization.and_then(bearer) {
            Some(token) if self.page_token.is(token) => Ok(&Permission::ALL),
            Some(_) => Err(Forbidden::OtherPageToken),
            None => {
                let skew = self.settings.clock_skew;
                self.policies.allow(request.authorization, request.host, needed, now, skew)
            }
        }
    }
}

/// RFC 6750 section 2.1; the scheme's case does not matter.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
