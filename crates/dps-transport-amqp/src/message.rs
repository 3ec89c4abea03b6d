//! Requests and replies as messages (`wire-protocol.md` section 4.3).

use crate::value::{self, Composite, binary, composite, describe, map, string};
use crate::violation::Violation;
use core::time::Duration;
use dps_core::wire::{
    ErrorDocument, MAX_MESSAGE_BYTES, RegistrationOperationStatus, RegistrationStatus,
};
use dps_core::{Error, ErrorKind, Reply, Request, Stage, parse_retry_after};
use serde_amqp::Value;

const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const VALUE: u64 = 0x77;

/// The index of correlation-id in the properties.
const CORRELATION_ID: usize = 5;

pub(crate) fn stage_of(request: &Request) -> Stage {
    match request {
        Request::Register { .. } => Stage::Register,
        Request::Poll { .. } => Stage::Poll,
    }
}

/// Whether the service takes a request of this size.
pub(crate) fn check_size(request: &Request) -> Result<(), Error> {
    match request {
        Request::Register { body } if body.len() > MAX_MESSAGE_BYTES => {
            let kind = ErrorKind::TooLarge { limit: MAX_MESSAGE_BYTES };
            Err(Error::new(stage_of(request), kind)
                .with_detail(format!("the request has {} bytes", body.len())))
        }
        _ => Ok(()),
    }
}

/// The message of a request. `id` comes back as the reply's correlation-id.
pub(crate) fn request(request: Request, id: &str) -> Vec<u8> {
    let operation_type = |name| (string("iotdps-operation-type"), string(name));
    let (properties, body) = match request {
        Request::Register { body } => (map([operation_type("iotdps-register")]), body),
        Request::Poll { operation_id } => (
            map([
                operation_type("iotdps-get-operationstatus"),
                (string("iotdps-operation-id"), string(operation_id)),
            ]),
            String::new(),
        ),
    };
    let mut ids = vec![Value::Null; CORRELATION_ID + 1];
    for index in [0, CORRELATION_ID] {
        if let Some(field) = ids.get_mut(index) {
            *field = string(id);
        }
    }
    let mut message = value::encode(&composite(PROPERTIES, ids));
    message.extend(value::encode(&describe(APPLICATION_PROPERTIES, properties)));
    message.extend(value::encode(&describe(DATA, binary(body))));
    message
}

/// A message of the service.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// None when the service did not copy ours, or not as it was.
    pub(crate) correlation: Correlation,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Correlation {
    #[default]
    Absent,
    Text(String),
    /// Of a type that we never use.
    Other,
}

/// Reads a message. Sections and fields that we do not use may hold anything.
pub(crate) fn read(mut bytes: &[u8], unix_seconds: u64) -> Result<Incoming, Violation> {
    let mut message = Incoming::default();
    while !bytes.is_empty() {
        let (section, length) = value::read(bytes)?;
        bytes = bytes.get(length..).unwrap_or_default();
        match value::described(section) {
            Some((PROPERTIES, Value::List(fields))) => {
                let Some(mut properties) = Composite::from_value(composite(PROPERTIES, fields))
                else {
                    continue;
                };
                message.correlation = match properties.take(CORRELATION_ID) {
                    Value::Null => Correlation::Absent,
                    Value::String(text) => Correlation::Text(text),
                    _ => Correlation::Other,
                };
            }
            Some((APPLICATION_PROPERTIES, properties)) => {
                message.retry_after = retry_after(&properties, unix_seconds);
            }
            Some((DATA, Value::Binary(data))) => message.body.extend_from_slice(&data),
            Some((VALUE, Value::String(text))) => message.body.extend_from_slice(text.as_bytes()),
            Some((VALUE, Value::Binary(data))) => message.body.extend_from_slice(&data),
            Some(_) => {}
            None => return Err(Violation::Malformed),
        }
    }
    if message.body.len() > MAX_MESSAGE_BYTES {
        return Err(Violation::MessageTooLarge(MAX_MESSAGE_BYTES));
    }
    Ok(message)
}

/// The pause that a map asks for, whatever the key's case and the number's type.
pub(crate) fn retry_after(map: &Value, unix_seconds: u64) -> Option<Duration> {
    let value = value::lookup(map, "retry-after")?;
    parse_retry_after(&value::digits_or_text(value)?, unix_seconds)
}

impl Incoming {
    pub(crate) fn into_reply(self) -> Reply {
        Reply { status: status(&self.body), retry_after: self.retry_after, body: self.body }
    }
}

/// AMQP replies have no status; their body tells.
fn status(body: &[u8]) -> u16 {
    if let Ok(RegistrationOperationStatus { status: Some(status), .. }) =
        serde_json::from_str(text(body))
    {
        return if status == RegistrationStatus::Assigning { 202 } else { 200 };
    }
    error_status(body).unwrap_or(200)
}

/// JSON's text; none if it is not UTF-8, which is no JSON either.
fn text(body: &[u8]) -> &str {
    core::str::from_utf8(body).unwrap_or_default()
}

/// The status of an error document.
pub(crate) fn error_status(body: &[u8]) -> Option<u16> {
    let document: ErrorDocument = serde_json::from_str(text(body)).ok()?;
    u16::try_from(document.error_code? / 1000).ok().filter(|status| (400..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(sections: &[Value]) -> Vec<u8> {
        sections.iter().flat_map(value::encode).collect()
    }

    #[test]
    fn requests_carry_operation_ids_and_a_data_section() {
        let register = request(Request::Register { body: "{}".into() }, "7");
        let expected = sections(&[
            composite(
                PROPERTIES,
                vec![string("7"), Value::Null, Value::Null, Value::Null, Value::Null, string("7")],
            ),
            describe(
                APPLICATION_PROPERTIES,
                map([(string("iotdps-operation-type"), string("iotdps-register"))]),
            ),
            describe(DATA, binary(b"{}".to_vec())),
        ]);
        assert_eq!(register, expected);
        let poll = request(Request::Poll { operation_id: "4.a.b".into() }, "8");
        let (_, length) = value::read(&poll).unwrap();
        let (section, _) = value::read(&poll[length..]).unwrap();
        let (_, properties) = value::described(section).unwrap();
        assert_eq!(
            value::lookup(&properties, "iotdps-operation-type"),
            Some(string("iotdps-get-operationstatus"))
        );
        assert_eq!(value::lookup(&properties, "iotdps-operation-id"), Some(string("4.a.b")));
    }

    #[test]
    fn the_pause_is_read_from_any_number_under_either_key() {
        let seconds = |key, value| {
            let map = map([(key, value)]);
            retry_after(&map, 0).map(|pause| pause.as_secs())
        };
        let key = || string("retry-after");
        for three in [
            Value::Ubyte(3),
            Value::Ushort(3),
            Value::Uint(3),
            Value::Ulong(3),
            Value::Byte(3),
            Value::Short(3),
            Value::Int(3),
            Value::Long(3),
            string("3"),
            value::symbol("3"),
        ] {
            assert_eq!(seconds(key(), three.clone()), Some(3), "{three:?}");
            assert_eq!(seconds(string("Retry-After"), three.clone()), Some(3));
            assert_eq!(seconds(value::symbol("Retry-After"), three), Some(3));
        }
        assert_eq!(seconds(key(), Value::Ulong(u64::MAX)), Some(300));
        assert_eq!(seconds(key(), Value::Uint(0)), Some(1));
        assert_eq!(seconds(key(), Value::Int(-1)), None);
        assert_eq!(seconds(key(), Value::Bool(true)), None);
        assert_eq!(seconds(string("other"), Value::Int(3)), None);
    }

    #[test]
    fn the_body_tells_the_status() {
        for (body, expected) in [
            (r#"{"operationId":"4.a","status":"assigning"}"#, 202),
            (r#"{"operationId":"4.a","status":"assigned"}"#, 200),
            (r#"{"status":"failed"}"#, 200),
            (r#"{"errorCode":401002,"message":"x"}"#, 401),
            (r#"{"errorCode":429001}"#, 429),
            (r#"{"errorCode":7}"#, 200),
            ("", 200),
            ("no JSON", 200),
        ] {
            assert_eq!(status(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn bodies_are_data_in_pieces_or_a_value_and_unknown_sections_do_not_matter() {
        let odd = describe(0x72, map([(value::symbol("x-opt-a"), Value::Ulong(7))]));
        let data = |text: &str| describe(DATA, binary(text.as_bytes().to_vec()));
        let bytes = sections(&[odd, data("{\"a\""), data(":1}")]);
        assert_eq!(read(&bytes, 0).unwrap().body, b"{\"a\":1}");
        let bytes = sections(&[describe(VALUE, string("{}"))]);
        assert_eq!(read(&bytes, 0).unwrap().body, b"{}");
        assert!(read(&sections(&[Value::Null]), 0).is_err());
        assert!(read(&[], 0).unwrap().body.is_empty());
        let large = sections(&[data(&"x".repeat(60_000)), data(&"x".repeat(60_000))]);
        assert_eq!(read(&large, 0).unwrap_err(), Violation::MessageTooLarge(MAX_MESSAGE_BYTES));
    }
}
