//! What has come from the hub and was not received yet.

use super::client::Incoming;
use std::collections::VecDeque;

/// The most that waits; then the oldest go.
const MAX_COUNT: usize = 1000;
/// The most bytes of it.
const MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Inbox {
    waiting: VecDeque<Incoming>,
    bytes: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, incoming: Incoming) {
        self.bytes += size(&incoming);
        self.waiting.push_back(incoming);
        // The latest stays, whatever its size.
        while self.waiting.len() > MAX_COUNT || self.bytes > MAX_BYTES && self.waiting.len() > 1 {
            self.pop();
        }
    }

    pub(super) fn pop(&mut self) -> Option<Incoming> {
        let oldest = self.waiting.pop_front()?;
        self.bytes -= size(&oldest);
        Some(oldest)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What it takes, roughly.
fn size(incoming: &Incoming) -> usize {
    match incoming {
        Incoming::Desired(update) => update.patch.len(),
        Incoming::Message(message) => {
            let property = |(name, value): (&String, &Option<String>)| {
                size_of::<(String, Option<String>)>()
                    + name.len()
                    + value.as_ref().map_or(0, String::len)
            };
            message.body.len() + message.properties.iter().map(property).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dps_hub_mqtt::Message;

    fn message(body: usize, property: usize) -> Incoming {
        Incoming::Message(Message::new(vec![7; body]).property("p", "v".repeat(property)))
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        for (body, property, kept) in
            [(0, 0, 1000..=1000), (256 * 1024, 0, 15..=16), (0, 60_000, 60..=70)]
        {
            let mut inbox = Inbox::default();
            for _ in 0..1500 {
                inbox.push(message(body, property));
            }
            inbox.push(message(1, 0));
            let mut count = 0;
            let mut last = None;
            while let Some(incoming) = inbox.pop() {
                (count, last) = (count + 1, Some(incoming));
            }
            assert!(kept.contains(&count), "{count}");
            assert_eq!((last, inbox.bytes), (Some(message(1, 0)), 0));
        }
    }
}
