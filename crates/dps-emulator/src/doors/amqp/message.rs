//! Requests and responses as messages (`wire-protocol.md` sections 4.3 and 4.4).

use super::wire::{self, Fields, Violation, text_of};
use crate::service::Reply;
use dps_core::wire::MAX_MESSAGE_BYTES;
use serde_amqp::Value;
use serde_amqp::descriptor::Descriptor;
use serde_amqp::primitives::{Binary, OrderedMap, Symbol};

const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const SEQUENCE: u64 = 0x76;
const AMQP_VALUE: u64 = 0x77;
const CORRELATION_ID: usize = 5;

const ERROR: u64 = 0x1d;
const REJECTED: u64 = 0x25;

/// A delay under these keys: clients look for one or the other, in exactly this case.
const RETRY_KEYS: [&str; 2] = ["retry-after", "Retry-After"];

/// What a device asks.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) operation: Operation,
    /// Null when it has none.
    pub(super) correlation_id: Value,
}

#[derive(Debug, PartialEq)]
pub(super) enum Operation {
    Register {
        body: Vec<u8>,
    },
    Poll {
        operation_id: String,
    },
    /// What is wrong with it.
    Invalid(&'static str),
}

/// Reads a message. Bodies may be data, a text as value, or none.
pub(super) fn read(bytes: &[u8]) -> Result<Request, Violation> {
    let mut rest = bytes;
    let mut correlation_id = Value::Null;
    let (mut kind, mut operation_id) = (None, None);
    let mut body = Vec::new();
    while !rest.is_empty() {
        let (section, length) = wire::read_value(rest)?;
        rest = rest.get(length..).unwrap_or_default();
        let Value::Described(section) = section else { return Err(Violation::Malformed) };
        let Descriptor::Code(code) = section.descriptor else { continue };
        match (code, section.value) {
            (PROPERTIES, Value::List(fields)) => {
                correlation_id = Fields(fields).get(CORRELATION_ID).clone();
            }
            (APPLICATION_PROPERTIES, Value::Map(properties)) => {
                let find = |wanted: &str| {
                    let found = properties.iter().find(|(key, _)| text_of(key) == Some(wanted));
                    found.and_then(|(_, value)| text_of(value)).map(str::to_owned)
                };
                kind = find("iotdps-operation-type");
                operation_id = find("iotdps-operation-id");
            }
            (DATA, Value::Binary(data)) => body.extend_from_slice(&data),
            (AMQP_VALUE, Value::String(text)) => body.extend_from_slice(text.as_bytes()),
            (AMQP_VALUE, Value::Binary(data)) => body.extend_from_slice(&data),
            (DATA | SEQUENCE, _) => return Err(Violation::Malformed),
            _ => {}
        }
    }
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(Violation::MessageSize);
    }
    let operation = match (kind.as_deref(), operation_id) {
        (Some("iotdps-register"), _) => Operation::Register { body },
        (Some("iotdps-get-operationstatus"), Some(operation_id)) => {
            Operation::Poll { operation_id }
        }
        (Some("iotdps-get-operationstatus"), None) => {
            Operation::Invalid("The message has no iotdps-operation-id.")
        }
        (Some(_), _) => Operation::Invalid("The message has an unknown iotdps-operation-type."),
        (None, _) => Operation::Invalid("The message has no iotdps-operation-type."),
    };
    Ok(Request { operation, correlation_id })
}

/// The message of a response.
pub(super) fn response(reply: &Reply, correlation_id: Value) -> Vec<u8> {
    let mut message = Vec::new();
    if correlation_id != Value::Null {
        let mut fields = vec![Value::Null; CORRELATION_ID];
        fields.push(correlation_id);
        message.extend(wire::list(PROPERTIES, fields));
    }
    if let Some(seconds) = reply.retry_after {
        let keys = RETRY_KEYS.iter().map(|key| Value::String((*key).to_owned()));
        message.extend(wire::bytes_of(&wire::described(
            APPLICATION_PROPERTIES,
            retry_map(keys, seconds),
        )));
    }
    let body = Binary::from(reply.body.clone().into_bytes());
    message.extend(wire::bytes_of(&wire::described(DATA, Value::Binary(body))));
    message
}

/// The state of a request that was refused.
pub(super) fn rejected(reply: &Reply) -> Value {
    wire::described(REJECTED, Value::List(vec![error(reply)]))
}

/// A refusal as an error: the document is its description.
pub(super) fn error(reply: &Reply) -> Value {
    let condition = match reply.status {
        401 | 403 => "amqp:unauthorized-access",
        404 => "amqp:not-found",
        429 => "amqp:resource-limit-exceeded",
        500.. => "amqp:internal-error",
        _ => "amqp:not-allowed",
    };
    let info = match reply.retry_after {
        Some(seconds) => {
            let keys = RETRY_KEYS.iter().map(|key| Value::Symbol(Symbol::from(*key)));
            retry_map(keys, seconds)
        }
        None => Value::Null,
    };
    plain_error(condition, &reply.body, info)
}

pub(super) fn plain_error(condition: &str, description: &str, info: Value) -> Value {
    let condition = Value::Symbol(Symbol::from(condition));
    let description = Value::String(description.to_owned());
    wire::described(ERROR, Value::List(vec![condition, description, info]))
}

/// The C client reads an int only.
fn retry_map(keys: impl Iterator<Item = Value>, seconds: u32) -> Value {
    let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
    let mut map = OrderedMap::new();
    for key in keys {
        map.insert(key, Value::Int(seconds));
    }
    Value::Map(map)
}
