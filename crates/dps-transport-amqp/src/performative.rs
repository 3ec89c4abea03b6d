//! The performatives that we send (`wire-protocol.md` section 4.2).

use crate::frame::MAX_FRAME;
use crate::value::{binary, composite, encode, map, string, symbol};
use dps_core::wire::{API_VERSION, MAX_MESSAGE_BYTES};
use serde_amqp::Value;

pub(crate) const OPEN: u64 = 0x10;
pub(crate) const BEGIN: u64 = 0x11;
pub(crate) const ATTACH: u64 = 0x12;
pub(crate) const FLOW: u64 = 0x13;
pub(crate) const TRANSFER: u64 = 0x14;
pub(crate) const DISPOSITION: u64 = 0x15;
pub(crate) const DETACH: u64 = 0x16;
pub(crate) const END: u64 = 0x17;
pub(crate) const CLOSE: u64 = 0x18;
pub(crate) const ERROR: u64 = 0x1d;
pub(crate) const ACCEPTED: u64 = 0x24;
pub(crate) const REJECTED: u64 = 0x25;
pub(crate) const RELEASED: u64 = 0x26;
pub(crate) const MODIFIED: u64 = 0x27;
const SOURCE: u64 = 0x28;
const TARGET: u64 = 0x29;

/// The link that replies come on.
pub(crate) const RECEIVER: u32 = 0;
/// The link that requests go on.
pub(crate) const SENDER: u32 = 1;

/// The largest message that we take: body and everything around it.
pub(crate) const MAX_MESSAGE: usize = MAX_MESSAGE_BYTES + 4096;

/// In `role` fields: the sender is false.
const IS_RECEIVER: Value = Value::Bool(true);
const IS_SENDER: Value = Value::Bool(false);

/// The name of a link.
pub(crate) const fn link_name(handle: u32) -> &'static str {
    if handle == RECEIVER { "libdps-receiver" } else { "libdps-sender" }
}

pub(crate) fn open(container: &str, host: &str, idle_time_out_ms: u32) -> Vec<u8> {
    encode(&composite(
        OPEN,
        vec![
            string(container),
            string(host),
            Value::Uint(MAX_FRAME),
            Value::Null,
            Value::Uint(idle_time_out_ms),
        ],
    ))
}

pub(crate) fn begin(window: u32) -> Vec<u8> {
    let window = || Value::Uint(window);
    encode(&composite(BEGIN, vec![Value::Null, Value::Uint(0), window(), window()]))
}

pub(crate) fn attach(handle: u32, address: &str) -> Vec<u8> {
    let receives = handle == RECEIVER;
    let far = string(address);
    let (source, target) = if receives { (far, Value::Null) } else { (Value::Null, far) };
    let settle_mode = if receives { 2 } else { 0 };
    let version = concat!("libdps/", env!("CARGO_PKG_VERSION"));
    encode(&composite(
        ATTACH,
        vec![
            string(link_name(handle)),
            Value::Uint(handle),
            if receives { IS_RECEIVER } else { IS_SENDER },
            // Replies: settled or not. Requests: not, since the outcome is told by disposition.
            Value::Ubyte(settle_mode),
            Value::Ubyte(0),
            composite(SOURCE, vec![source]),
            composite(TARGET, vec![target]),
            Value::Null,
            Value::Null,
            if receives { Value::Null } else { Value::Uint(0) },
            Value::Ulong(MAX_MESSAGE as u64),
            Value::Null,
            Value::Null,
            map([
                (symbol("com.microsoft:api-version"), string(API_VERSION)),
                (symbol("com.microsoft:client-version"), string(version)),
            ]),
        ],
    ))
}

/// The session's counters, and for the receiving link its own.
pub(crate) struct Counters {
    pub(crate) next_incoming: Option<u32>,
    pub(crate) incoming_window: u32,
    pub(crate) next_outgoing: u32,
    pub(crate) outgoing_window: u32,
    /// Deliveries so far, and how many more may come.
    pub(crate) receiver: Option<(u32, u32)>,
}

pub(crate) fn flow(counters: &Counters) -> Vec<u8> {
    let mut fields = vec![
        counters.next_incoming.map_or(Value::Null, Value::Uint),
        Value::Uint(counters.incoming_window),
        Value::Uint(counters.next_outgoing),
        Value::Uint(counters.outgoing_window),
    ];
    if let Some((count, credit)) = counters.receiver {
        fields.extend([Value::Uint(RECEIVER), Value::Uint(count), Value::Uint(credit)]);
    }
    encode(&composite(FLOW, fields))
}

/// `more`: further transfers carry the rest. Only the first one names the delivery.
pub(crate) fn transfer(delivery: u32, is_first: bool, more: bool) -> Vec<u8> {
    let mut fields = vec![Value::Uint(SENDER)];
    if is_first {
        fields.extend([
            Value::Uint(delivery),
            binary(delivery.to_be_bytes()),
            Value::Uint(0),
            Value::Bool(false),
        ]);
    } else {
        fields.extend([Value::Null, Value::Null, Value::Null, Value::Null]);
    }
    fields.push(Value::Bool(more));
    encode(&composite(TRANSFER, fields))
}

/// A reply was taken.
pub(crate) fn accepted(delivery: u32) -> Vec<u8> {
    disposition(IS_RECEIVER, delivery, composite(ACCEPTED, Vec::new()))
}

/// What became of a request was noted.
pub(crate) fn settled(delivery: u32) -> Vec<u8> {
    disposition(IS_SENDER, delivery, Value::Null)
}

fn disposition(role: Value, delivery: u32, state: Value) -> Vec<u8> {
    let id = || Value::Uint(delivery);
    encode(&composite(DISPOSITION, vec![role, id(), id(), Value::Bool(true), state]))
}

pub(crate) fn end() -> Vec<u8> {
    encode(&composite(END, Vec::new()))
}

pub(crate) fn close() -> Vec<u8> {
    encode(&composite(CLOSE, Vec::new()))
}
