//! The two links and their session's counters: what may come, and what may go.

use crate::frame;
use crate::performative::{self as p, MAX_MESSAGE};
use crate::value::{self, Composite};
use crate::violation::Violation;
use core::ops::Range;

/// Transfers that may come before we say that more may.
pub(super) const WINDOW: u32 = 2048;
/// Replies that may come before we say that more may.
const CREDIT: u32 = 16;

/// Replies.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The peer's number for our session.
    pub(super) channel: u16,
    /// The peer's number for our receiving link.
    pub(super) handle: Option<u32>,
    /// The id of the next transfer.
    pub(super) next_id: u32,
    pub(super) window: u32,
    /// Deliveries so far, counted from where the peer's link began.
    pub(super) deliveries: u32,
    pub(super) credit: u32,
    /// A delivery of which more is to come.
    partial: Option<Delivery>,
}

/// A message, as far as it has come.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) id: u32,
    pub(super) settled: bool,
    pub(super) bytes: Vec<u8>,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            channel: 0,
            handle: None,
            next_id: 0,
            window: WINDOW,
            deliveries: 0,
            credit: 0,
            partial: None,
        }
    }
}

impl Incoming {
    pub(super) fn begin(&mut self, channel: u16, begin: &mut Composite) -> Result<(), Violation> {
        // Ours is channel 0.
        if value::number(&begin.take(0)) != Some(0) {
            return Err(Violation::Field("remote-channel"));
        }
        self.channel = channel;
        self.next_id = value::needed(&begin.take(1), "next-outgoing-id")?;
        Ok(())
    }

    /// Fills up what may come.
    pub(super) fn grant(&mut self) {
        self.credit = CREDIT;
        self.window = WINDOW;
    }

    pub(super) fn is_low(&self) -> bool {
        self.credit < CREDIT / 2 || self.window < WINDOW / 2
    }

    /// Takes a transfer; gives the delivery when this was all of it.
    pub(super) fn transfer(
        &mut self,
        mut transfer: Composite,
        payload: &[u8],
    ) -> Result<Option<Delivery>, Violation> {
        self.next_id = self.next_id.wrapping_add(1);
        self.window = self.window.checked_sub(1).ok_or(Violation::NoCredit)?;
        if value::number(&transfer.take(0)) != self.handle {
            return Err(Violation::UnknownLink);
        }
        let mut delivery = match self.partial.take() {
            Some(partial) => partial,
            None => {
                self.credit = self.credit.checked_sub(1).ok_or(Violation::NoCredit)?;
                self.deliveries = self.deliveries.wrapping_add(1);
                let id = value::needed(&transfer.take(1), "delivery-id")?;
                Delivery { id, settled: false, bytes: Vec::new() }
            }
        };
        delivery.settled |= value::is_true(&transfer.take(4));
        if delivery.bytes.len() + payload.len() > MAX_MESSAGE {
            return Err(Violation::MessageTooLarge(MAX_MESSAGE));
        }
        delivery.bytes.extend_from_slice(payload);
        let more = value::is_true(&transfer.take(5));
        if value::is_true(&transfer.take(9)) {
            // Aborted: as if it had never come.
            return Ok(None);
        }
        if more {
            self.partial = Some(delivery);
            return Ok(None);
        }
        Ok(Some(delivery))
    }
}

/// Requests.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The peer's number for our sending link.
    pub(super) handle: Option<u32>,
    /// The id of the next transfer.
    pub(super) next_id: u32,
    /// Transfers that the peer's session still takes.
    window: u32,
    /// Deliveries so far; the id of the next one.
    deliveries: u32,
    /// Deliveries that the peer's link still takes.
    credit: u32,
    message: Vec<u8>,
    /// How much of the message was sent.
    sent: usize,
}

impl Outgoing {
    pub(super) fn begin(&mut self, begin: &mut Composite) -> Result<(), Violation> {
        self.window = value::needed(&begin.take(2), "incoming-window")?;
        Ok(())
    }

    /// Takes a flow. Whether the peer wants ours.
    pub(super) fn flow(&mut self, flow: &mut Composite) -> Result<bool, Violation> {
        let window = value::needed(&flow.take(1), "incoming-window")?;
        let seen = value::number(&flow.take(0)).unwrap_or_default();
        self.window = window.saturating_sub(self.next_id.wrapping_sub(seen));
        let handle = value::number(&flow.take(4));
        if handle.is_some() && handle == self.handle {
            let seen = value::number(&flow.take(5)).unwrap_or_default();
            let credit = value::number(&flow.take(6)).unwrap_or_default();
            self.credit = credit.saturating_sub(self.deliveries.wrapping_sub(seen));
        }
        Ok(value::is_true(&flow.take(9)))
    }

    /// Whether the last message is out and a next one may go.
    pub(super) fn may_begin(&self) -> bool {
        self.credit > 0 && self.sent == self.message.len()
    }

    /// Begins to send a message; gives its delivery-id.
    pub(super) fn start(&mut self, message: Vec<u8>) -> u32 {
        self.message = message;
        self.sent = 0;
        self.credit = self.credit.saturating_sub(1);
        let delivery = self.deliveries;
        self.deliveries = delivery.wrapping_add(1);
        delivery
    }

    /// The next transfer, if one may go, and the part of the message that it carries.
    pub(super) fn next(&mut self, frame_size: u32) -> Option<(Vec<u8>, Range<usize>)> {
        let left = self.message.len() - self.sent;
        if left == 0 || self.window == 0 {
            return None;
        }
        let is_first = self.sent == 0;
        let delivery = self.deliveries.wrapping_sub(1);
        let transfer = p::transfer(delivery, is_first, false);
        let room = frame::room(frame_size, transfer.len());
        let (transfer, length) = if left > room {
            // As long as the other: only the value of one flag differs.
            (p::transfer(delivery, is_first, true), room)
        } else {
            (transfer, left)
        };
        let start = self.sent;
        self.sent += length;
        self.window -= 1;
        self.next_id = self.next_id.wrapping_add(1);
        Some((transfer, start..self.sent))
    }

    pub(super) fn payload(&self, range: Range<usize>) -> &[u8] {
        self.message.get(range).unwrap_or_default()
    }
}
