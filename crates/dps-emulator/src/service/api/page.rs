//! Answers in pages: the headers `x-ms-max-item-count` and `x-ms-continuation` (`wire-protocol.md`
//! section 7.2).

use super::{ApiAnswer, ApiError, ApiRequest};
use crate::service::reply::ascii_json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// The most items of a page, and how many it has when the request does not say.
const MOST: usize = 1000;

/// With this many bytes a page is full: clients keep a whole one in memory.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The page that a request asks for.
#[derive(Debug)]
pub(super) struct Page {
    /// The key of the last item of the page before.
    pub(super) after: Option<String>,
    /// The most items.
    size: usize,
    /// Whether the request has said so.
    is_sized: bool,
}

impl Page {
    pub(super) fn of(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        let after = match request.continuation.filter(|token| !token.is_empty()) {
            Some(token) => {
                let key =
                    URL_SAFE_NO_PAD.decode(token).ok().and_then(|k| String::from_utf8(k).ok());
                Some(key.ok_or(ApiError::BadPage("x-ms-continuation"))?)
            }
            None => None,
        };
        // Clients send an empty header, or 0, when they leave it to the service.
        let asked = request.max_item_count.filter(|count| !count.is_empty());
        let asked = asked.map(|count| count.parse::<usize>()).transpose();
        let asked = asked.map_err(|_| ApiError::BadPage("x-ms-max-item-count"))?;
        let asked = asked.filter(|count| *count > 0);
        Ok(Self { after, size: asked.unwrap_or(MOST).min(MOST), is_sized: asked.is_some() })
    }

    /// The answer with the first of the items, which come with their keys and are those behind
    /// `after`.
    pub(super) fn answer<T: Serialize>(
        &self,
        item_type: &str,
        mut items: impl Iterator<Item = (String, T)>,
    ) -> ApiAnswer {
        let mut last = None;
        let mut shown = String::from("[");
        for (key, item) in items.by_ref().take(self.size) {
            let separator = if last.is_some() { "," } else { "" };
            shown.push_str(separator);
            shown.push_str(&ascii_json(&item));
            last = Some(key);
            // A page may have fewer items than were asked for.
            if shown.len() >= MOST_BYTES {
                break;
            }
        }
        shown.push(']');
        let mut answer = ApiAnswer::json(shown);
        answer.headers.push(("x-ms-item-type", item_type.to_owned()));
        if self.is_sized {
            answer.headers.push(("x-ms-max-item-count", self.size.to_string()));
        }
        if let Some(last) = last.filter(|_| items.next().is_some()) {
            answer.headers.push(("x-ms-continuation", URL_SAFE_NO_PAD.encode(last)));
        }
        answer
    }
}
