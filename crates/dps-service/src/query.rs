//! Answers in pages (`wire-protocol.md` section 7.2).

use crate::client::ServiceClient;
use crate::error::Error;
use core::marker::PhantomData;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::VecDeque;
use ureq::http::Method;

/// How many items a page has at most, whoever asks.
const MOST_OF_A_PAGE: u32 = 1000;

/// All items of a query, one after the other. Pages are asked for as they are needed, and in
/// smaller ones when one is too large to be taken; after an error there is nothing more.
#[derive(Debug)]
pub struct Query<'a, T> {
    client: &'a ServiceClient,
    path: String,
    body: Option<Value>,
    page_size: Option<u32>,
    continuation: Option<String>,
    ready: VecDeque<Value>,
    is_over: bool,
    kind: PhantomData<T>,
}

impl<'a, T: DeserializeOwned> Query<'a, T> {
    pub(crate) fn new(
        client: &'a ServiceClient,
        path: String,
        body: Option<Value>,
        page_size: Option<u32>,
    ) -> Self {
        Self {
            client,
            path,
            body,
            page_size,
            continuation: None,
            ready: VecDeque::new(),
            is_over: false,
            kind: PhantomData,
        }
    }

    fn next_page(&mut self) -> Result<(), Error> {
        let size = self.page_size.map(|size| size.to_string());
        let size = size.as_deref().map(|size| ("x-ms-max-item-count", size));
        let from = self.continuation.as_deref().map(|token| ("x-ms-continuation", token));
        let headers: Vec<(&str, &str)> = size.into_iter().chain(from).collect();
        let body = self.body.as_ref();
        let answer = self.client.call(Method::POST, &self.path, &headers, body)?;
        let continuation = answer.header("x-ms-continuation");
        // The same page again would never end.
        if continuation.is_some() && continuation == self.continuation {
            return Err(Error::Malformed { problem: "the pages of a query do not end".into() });
        }
        self.ready = answer.read()?;
        self.is_over = continuation.is_none();
        self.continuation = continuation;
        Ok(())
    }
}

impl<T: DeserializeOwned> Iterator for Query<'_, T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.is_over {
            let size = self.page_size.unwrap_or(MOST_OF_A_PAGE);
            match self.next_page() {
                Ok(()) => {}
                Err(Error::TooLarge { .. }) if size > 1 => self.page_size = Some(size / 2),
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        let item = serde_json::from_value(self.ready.pop_front()?);
        Some(item.map_err(|error| {
            (self.is_over, self.ready) = (true, VecDeque::new());
            Error::Malformed { problem: error.to_string() }
        }))
    }
}
