//! One session: its links, and what may still come and go (AMQP 1.0 sections 2.5 and 2.6).

use super::wire::{self, Fields, Violation};
use bytes::BytesMut;
use dps_core::wire::MAX_MESSAGE_BYTES;
use serde_amqp::Value;
use std::collections::VecDeque;

const BEGIN: u64 = 0x11;
const ATTACH: u64 = 0x12;
const FLOW: u64 = 0x13;
const TRANSFER: u64 = 0x14;
const DISPOSITION: u64 = 0x15;
const DETACH: u64 = 0x16;
const ACCEPTED: u64 = 0x24;

/// The most links of one session; clients have two.
const MOST_LINKS: usize = 6;
/// What a client may send before it is told that it may send more.
const WINDOW: u32 = 5000;
const CREDIT: u32 = 100;
/// Responses that wait for a client which takes none.
const MOST_WAITING: usize = 32;
/// A message of the largest size and what is around its body.
const MOST_BYTES: usize = MAX_MESSAGE_BYTES + 8192;

/// Where frames go: they are cut to the client's size.
pub(super) struct Out<'a> {
    pub(super) bytes: &'a mut BytesMut,
    pub(super) frame_size: u32,
}

impl Out<'_> {
    fn send(&mut self, channel: u16, parts: &[&[u8]]) {
        wire::write_frame(self.bytes, false, channel, parts);
    }
}

#[derive(Debug)]
pub(super) struct Session {
    /// Of both directions.
    pub(super) channel: u16,
    next_incoming: u32,
    window: u32,
    next_outgoing: u32,
    /// Transfers that the client still takes.
    client_window: u32,
    links: Vec<Link>,
    deliveries: u32,
    waiting: VecDeque<Vec<u8>>,
    /// How much of the first one that waits is sent.
    sent: usize,
}

#[derive(Debug)]
struct Link {
    /// Of both directions.
    handle: u32,
    end: End,
}

/// What a link is to us.
#[derive(Debug)]
enum End {
    /// The client sends.
    Requests { count: u32, credit: u32, client_settles: bool, partial: Option<Delivery> },
    /// The client receives.
    Responses { count: u32, credit: u32, is_settled: bool },
}

/// A request's message.
#[derive(Debug)]
pub(super) struct Delivery {
    id: u32,
    is_settled: bool,
    /// The client settles after us.
    client_settles: bool,
    pub(super) bytes: Vec<u8>,
}

/// An attach, as far as it matters.
pub(super) struct Attach<'a> {
    fields: &'a Fields,
    name: &'a str,
    handle: u32,
    client_receives: bool,
    address: Option<String>,
}

impl<'a> Attach<'a> {
    pub(super) fn read(fields: &'a Fields) -> Result<Self, Violation> {
        let name = fields.text(0).ok_or(Violation::Field("name"))?;
        let handle = fields.required(1, "handle")?;
        let Value::Bool(client_receives) = *fields.get(2) else {
            return Err(Violation::Field("role"));
        };
        let terminus = fields.get(if client_receives { 5 } else { 6 });
        let address = match wire::Performative::try_from(terminus.clone()) {
            Ok(terminus) => terminus.fields.text(0).map(str::to_owned),
            Err(_) => None,
        };
        Ok(Self { fields, name, handle, client_receives, address })
    }

    /// The address at our end.
    pub(super) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Whether its properties state a version of the API, as all known clients' do.
    pub(super) fn states_api_version(&self) -> bool {
        let Value::Map(properties) = self.fields.get(13) else { return false };
        properties.iter().any(|(key, version)| {
            wire::text_of(key) == Some("com.microsoft:api-version")
                && wire::text_of(version).is_some_and(|version| !version.is_empty())
        })
    }

    /// Our attach to the client's; `accepts` or not.
    fn answer(&self, accepts: bool) -> Vec<u8> {
        let terminus = |index| match accepts {
            true => self.fields.get(index).clone(),
            false => Value::Null,
        };
        let properties = match accepts {
            true => self.fields.get(13).clone(),
            false => Value::Null,
        };
        wire::list(
            ATTACH,
            vec![
                Value::String(self.name.to_owned()),
                Value::Uint(self.handle),
                Value::Bool(!self.client_receives),
                self.fields.get(3).clone(),
                self.fields.get(4).clone(),
                terminus(5),
                terminus(6),
                Value::Null,
                Value::Null,
                if self.client_receives { Value::Uint(0) } else { Value::Null },
                Value::Ulong(MAX_MESSAGE_BYTES as u64),
                Value::Null,
                Value::Null,
                properties,
            ],
        )
    }
}

impl Session {
    /// Answers a client's begin.
    pub(super) fn begin(
        channel: u16,
        fields: &Fields,
        out: &mut Out<'_>,
    ) -> Result<Self, Violation> {
        let begin = wire::list(
            BEGIN,
            vec![
                Value::Ushort(channel),
                Value::Uint(1),
                Value::Uint(WINDOW),
                Value::Uint(WINDOW),
                Value::Uint(MOST_LINKS as u32 - 1),
            ],
        );
        out.send(channel, &[&begin]);
        Ok(Self {
            channel,
            next_incoming: fields.required(1, "next-outgoing-id")?,
            window: WINDOW,
            next_outgoing: 1,
            client_window: fields.required(2, "incoming-window")?,
            links: Vec::new(),
            deliveries: 0,
            waiting: VecDeque::new(),
            sent: 0,
        })
    }

    /// Answers an attach that is refused with `error`.
    pub(super) fn refuse(&mut self, attach: &Attach<'_>, error: Value, out: &mut Out<'_>) {
        out.send(self.channel, &[&attach.answer(false)]);
        let fields = vec![Value::Uint(attach.handle), Value::Bool(true), error];
        out.send(self.channel, &[&wire::list(DETACH, fields)]);
    }

    /// Answers an attach that is accepted, and lets requests come at once.
    pub(super) fn attach(
        &mut self,
        attach: &Attach<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Violation> {
        let handle = attach.handle;
        if self.links.iter().any(|link| link.handle == handle) {
            return Err(Violation::Unexpected("an attach with a handle in use"));
        }
        if self.links.len() >= MOST_LINKS || handle >= MOST_LINKS as u32 {
            return Err(Violation::Unexpected("more links than are allowed"));
        }
        out.send(self.channel, &[&attach.answer(true)]);
        let end = if attach.client_receives {
            let is_settled = attach.fields.number(3) == Some(1);
            End::Responses { count: 0, credit: 0, is_settled }
        } else {
            End::Requests {
                count: attach.fields.number(9).unwrap_or_default(),
                credit: CREDIT,
                client_settles: attach.fields.number(4) == Some(1),
                partial: None,
            }
        };
        self.links.push(Link { handle, end });
        if !attach.client_receives {
            self.flow(Some(handle), out);
        }
        Ok(())
    }

    /// Forgets a link and says so.
    pub(super) fn detach(&mut self, fields: &Fields, out: &mut Out<'_>) -> Result<(), Violation> {
        let handle = fields.required(0, "handle")?;
        let before = self.links.len();
        self.links.retain(|link| link.handle != handle);
        // A link that was refused is gone on our side.
        if self.links.len() < before {
            let fields = vec![Value::Uint(handle), fields.get(1).clone()];
            out.send(self.channel, &[&wire::list(DETACH, fields)]);
        }
        Ok(())
    }

    /// Tells how things stand, of one link if there is a handle.
    fn flow(&self, handle: Option<u32>, out: &mut Out<'_>) {
        let mut fields = vec![
            Value::Uint(self.next_incoming),
            Value::Uint(self.window),
            Value::Uint(self.next_outgoing),
            Value::Uint(WINDOW),
        ];
        if let Some(link) = self.links.iter().find(|link| Some(link.handle) == handle) {
            let (count, credit) = match &link.end {
                End::Requests { count, credit, .. } | End::Responses { count, credit, .. } => {
                    (*count, *credit)
                }
            };
            fields.extend([Value::Uint(link.handle), Value::Uint(count), Value::Uint(credit)]);
        }
        out.send(self.channel, &[&wire::list(FLOW, fields)]);
    }

    /// Takes the client's word on how things stand.
    pub(super) fn flowed(&mut self, fields: &Fields, out: &mut Out<'_>) -> Result<(), Violation> {
        let window = fields.required(1, "incoming-window")?;
        let seen = fields.number(0).unwrap_or(1);
        self.client_window = window.saturating_sub(self.next_outgoing.wrapping_sub(seen));
        let handle = fields.number(4);
        let mut drained = false;
        if let Some(link) = self.links.iter_mut().find(|link| Some(link.handle) == handle)
            && let End::Responses { count, credit, .. } = &mut link.end
        {
            let granted = fields.number(6).unwrap_or_default();
            let behind = count.wrapping_sub(fields.number(5).unwrap_or_default());
            *credit = granted.saturating_sub(behind);
            if fields.flag(8) && self.waiting.is_empty() {
                // Drain: what there is no response for is used up.
                *count = count.wrapping_add(core::mem::take(credit));
                drained = true;
            }
        }
        if drained || fields.flag(9) {
            self.flow(handle, out);
        }
        self.pump(out);
        Ok(())
    }

    /// Takes a transfer; gives the message when this was all of it.
    pub(super) fn transfer(
        &mut self,
        fields: &Fields,
        payload: &[u8],
        out: &mut Out<'_>,
    ) -> Result<Option<Delivery>, Violation> {
        let handle = fields.required(0, "handle")?;
        self.next_incoming = self.next_incoming.wrapping_add(1);
        self.window =
            self.window.checked_sub(1).ok_or(Violation::Unexpected("more than the window"))?;
        let link = self.links.iter_mut().find(|link| link.handle == handle);
        let Some(Link { end: End::Requests { count, credit, client_settles, partial }, .. }) = link
        else {
            return Err(Violation::Unexpected("a transfer on no link of requests"));
        };
        let mut delivery = match partial.take() {
            Some(delivery) => delivery,
            None => {
                *credit =
                    credit.checked_sub(1).ok_or(Violation::Unexpected("more than the credit"))?;
                *count = count.wrapping_add(1);
                Delivery {
                    id: fields.required(1, "delivery-id")?,
                    is_settled: false,
                    client_settles: *client_settles,
                    bytes: Vec::new(),
                }
            }
        };
        delivery.is_settled |= fields.flag(4);
        if delivery.bytes.len() + payload.len() > MOST_BYTES {
            return Err(Violation::MessageSize);
        }
        delivery.bytes.extend_from_slice(payload);
        let complete = match (fields.flag(9), fields.flag(5)) {
            (true, _) => None,
            (false, true) => {
                *partial = Some(delivery);
                None
            }
            (false, false) => Some(delivery),
        };
        let is_low = *credit < CREDIT / 2 || self.window < WINDOW / 2;
        if is_low {
            *credit = CREDIT;
            self.window = WINDOW;
            self.flow(Some(handle), out);
        }
        Ok(complete)
    }

    /// Tells what became of a request; nothing, if the client does not want to know.
    pub(super) fn settle(&mut self, delivery: &Delivery, outcome: Value, out: &mut Out<'_>) {
        if delivery.is_settled {
            return;
        }
        let id = || Value::Uint(delivery.id);
        let settles = Value::Bool(!delivery.client_settles);
        let fields = vec![Value::Bool(true), id(), id(), settles, outcome];
        out.send(self.channel, &[&wire::list(DISPOSITION, fields)]);
    }

    pub(super) fn accepted() -> Value {
        wire::described(ACCEPTED, Value::List(Vec::new()))
    }

    /// Sends a response as soon as the client takes it. Whether there is a link for it.
    pub(super) fn respond(&mut self, message: Vec<u8>, out: &mut Out<'_>) -> bool {
        let has_link = self.links.iter().any(|link| matches!(link.end, End::Responses { .. }));
        if !has_link || self.waiting.len() >= MOST_WAITING {
            return false;
        }
        self.waiting.push_back(message);
        self.pump(out);
        true
    }

    fn pump(&mut self, out: &mut Out<'_>) {
        let channel = self.channel;
        let link = self.links.iter_mut().rev().find_map(|link| match &mut link.end {
            End::Responses { count, credit, is_settled } => {
                Some((link.handle, count, credit, *is_settled))
            }
            End::Requests { .. } => None,
        });
        let Some((handle, count, credit, is_settled)) = link else { return };
        while let Some(message) = self.waiting.front() {
            let is_first = self.sent == 0;
            if self.client_window == 0 || (is_first && *credit == 0) {
                return;
            }
            if is_first {
                *credit -= 1;
                *count = count.wrapping_add(1);
                self.deliveries = self.deliveries.wrapping_add(1);
            }
            let head = |more| {
                let id = self.deliveries;
                let mut fields = vec![Value::Uint(handle), Value::Uint(id)];
                fields.push(Value::Binary(id.to_be_bytes().to_vec().into()));
                fields.extend([Value::Uint(0), Value::Bool(is_settled), Value::Bool(more)]);
                wire::list(TRANSFER, fields)
            };
            let rest = message.get(self.sent..).unwrap_or_default();
            let room = (out.frame_size as usize).saturating_sub(8 + head(false).len()).max(1);
            let (part, later) = rest.split_at(rest.len().min(room));
            out.send(channel, &[&head(!later.is_empty()), part]);
            self.client_window -= 1;
            self.next_outgoing = self.next_outgoing.wrapping_add(1);
            self.sent += part.len();
            if later.is_empty() {
                self.waiting.pop_front();
                self.sent = 0;
            }
        }
    }
}
