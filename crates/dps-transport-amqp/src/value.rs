//! Untyped values: composites by descriptor and position, and what we need of their fields.

use crate::shape;
use crate::violation::Violation;
use serde_amqp::Value;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use serde_amqp::primitives::{Binary, OrderedMap, Symbol};

/// A described list: a performative, a terminus, an error...
#[derive(Debug)]
pub(crate) struct Composite {
    pub(crate) code: u64,
    fields: Vec<Value>,
}

impl Composite {
    pub(crate) fn from_value(value: Value) -> Option<Self> {
        match described(value)? {
            (code, Value::List(fields)) => Some(Self { code, fields }),
            _ => None,
        }
    }

    /// The field at `index`; null when it is left out.
    pub(crate) fn take(&mut self, index: usize) -> Value {
        self.fields.get_mut(index).map(core::mem::take).unwrap_or_default()
    }
}

/// Reads the value that `bytes` start with, and gives its length.
pub(crate) fn read(bytes: &[u8]) -> Result<(Value, usize), Violation> {
    let length = shape::length(bytes)?;
    let encoded = bytes.get(..length).unwrap_or_default();
    let value = serde_amqp::from_slice(encoded).map_err(|_| Violation::Malformed)?;
    Ok((value, length))
}

/// Encodes a value. Those that we make have nothing that could not be.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    serde_amqp::to_vec(value).unwrap_or_default()
}

pub(crate) fn composite(code: u64, fields: Vec<Value>) -> Value {
    describe(code, Value::List(fields))
}

pub(crate) fn describe(code: u64, value: Value) -> Value {
    Value::Described(Box::new(Described { descriptor: Descriptor::Code(code), value }))
}

/// Descriptor and value of a described value. Symbols as descriptors are none of ours.
pub(crate) fn described(value: Value) -> Option<(u64, Value)> {
    match value {
        Value::Described(described) => match *described {
            Described { descriptor: Descriptor::Code(code), value } => Some((code, value)),
            Described { descriptor: Descriptor::Name(_), .. } => None,
        },
        _ => None,
    }
}

pub(crate) fn map<const N: usize>(entries: [(Value, Value); N]) -> Value {
    let mut map = OrderedMap::new();
    for (key, value) in entries {
        map.insert(key, value);
    }
    Value::Map(map)
}

/// The value of a key that is a symbol or a string; its case does not matter.
pub(crate) fn lookup(map: &Value, key: &str) -> Option<Value> {
    let Value::Map(map) = map else { return None };
    let found = map.iter().find(|(name, _)| match name {
        Value::String(name) => name.eq_ignore_ascii_case(key),
        Value::Symbol(name) => name.as_str().eq_ignore_ascii_case(key),
        _ => false,
    });
    found.map(|(_, value)| value.clone())
}

pub(crate) fn symbol(text: &str) -> Value {
    Value::Symbol(Symbol::from(text))
}

pub(crate) fn string(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

pub(crate) fn binary(bytes: impl Into<Vec<u8>>) -> Value {
    Value::Binary(Binary::from(bytes.into()))
}

/// A number, of any unsigned type.
pub(crate) fn number(value: &Value) -> Option<u32> {
    match *value {
        Value::Ubyte(number) => Some(number.into()),
        Value::Ushort(number) => Some(number.into()),
        Value::Uint(number) => Some(number),
        Value::Ulong(number) => u32::try_from(number).ok(),
        _ => None,
    }
}

/// A number that must be there.
pub(crate) fn needed(value: &Value, name: &'static str) -> Result<u32, Violation> {
    number(value).ok_or(Violation::Field(name))
}

pub(crate) fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true)
}

/// A text, as string or symbol.
pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Symbol(symbol) => Some(symbol.into_inner()),
        _ => None,
    }
}

/// What stands for a whole number of any type, or for a date: digits or a text.
pub(crate) fn digits_or_text(value: Value) -> Option<String> {
    Some(match value {
        Value::Ubyte(number) => number.to_string(),
        Value::Ushort(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Ulong(number) => number.to_string(),
        Value::Byte(number) => number.to_string(),
        Value::Short(number) => number.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        other => return text(other),
    })
}
