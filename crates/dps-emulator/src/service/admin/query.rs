//! The parameters of a request's query.

use super::AdminError;
use crate::sas::percent_decode;
use core::time::Duration;
use std::collections::BTreeMap;

/// What comes after this number or name.
pub(super) const AFTER: &str = "after";
const LIMIT: &str = "limit";
const WAIT: &str = "waitSeconds";
/// What there is, and `api-version`, which the service API wants everywhere.
const KNOWN: [&str; 4] = [AFTER, LIMIT, WAIT, "api-version"];

/// The most items of an answer, and how many it has unless the request says.
const MOST_ITEMS: u64 = 1000;
/// The longest wait for something to happen.
const LONGEST_WAIT: u64 = 30;

/// The parameters by name, decoded.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads `name=value&name=value`.
    pub(super) fn read(text: &str) -> Result<Self, AdminError> {
        let mut all = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode(value).and_then(|value| String::from_utf8(value).ok());
            let Some(name) = KNOWN.iter().find(|known| **known == name) else {
                let name = name.chars().take(64).collect();
                return Err(AdminError::UnknownParameter { name });
            };
            let value = value.ok_or(AdminError::BadParameter { name, want: "percent-encoded" })?;
            all.insert((*name).to_owned(), value);
        }
        Ok(Self(all))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, name: &'static str, otherwise: u64) -> Result<u64, AdminError> {
        let want = "a number from 0 up";
        self.text(name).map_or(Ok(otherwise), |text| {
            text.parse().map_err(|_| AdminError::BadParameter { name, want })
        })
    }

    /// How many items the answer may have.
    pub(super) fn limit(&self) -> Result<usize, AdminError> {
        match self.number(LIMIT, MOST_ITEMS)? {
            limit @ 1..=MOST_ITEMS => Ok(limit.try_into().unwrap_or(usize::MAX)),
            _ => Err(AdminError::BadParameter { name: LIMIT, want: "a number from 1 to 1000" }),
        }
    }

    /// How long the answer may wait for something to tell.
    pub(super) fn wait(&self) -> Result<Duration, AdminError> {
        match self.number(WAIT, 0)? {
            seconds @ 0..=LONGEST_WAIT => Ok(Duration::from_secs(seconds)),
            _ => Err(AdminError::BadParameter { name: WAIT, want: "a number from 0 to 30" }),
        }
    }
}
