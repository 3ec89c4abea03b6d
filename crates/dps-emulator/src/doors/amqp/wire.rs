//! The byte stream of a connection: protocol headers and frames, and the values in frames, by
//! serde_amqp.

use super::guard;
use bytes::{Buf as _, BufMut as _, BytesMut};
use serde_amqp::Value;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;

/// What a client must not do; the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("the client does not speak AMQP 1.0")]
    Header,
    #[error("the client sent a frame whose header makes no sense")]
    FrameHeader,
    #[error("the client sent a frame of {0} bytes")]
    FrameSize(u32),
    #[error("the client sent a value that is not well-formed")]
    Malformed,
    #[error("the client sent a value of too many parts")]
    TooComplex,
    #[error("the client sent a frame whose {0} is missing or of another type")]
    Field(&'static str),
    #[error("the client sent {0}")]
    Unexpected(&'static str),
    #[error("the client sent a message of more than 96 KB")]
    MessageSize,
}

pub(super) const AMQP: [u8; 8] = [b'A', b'M', b'Q', b'P', 0, 1, 0, 0];
pub(super) const SASL: [u8; 8] = [b'A', b'M', b'Q', b'P', 3, 1, 0, 0];

/// The largest frame that is taken, as the real service says (`wire-protocol.md` section 4.1).
pub(super) const MAX_FRAME_SIZE: u32 = 65_536;
/// SASL frames have at most 512 bytes; a client with a long token may need a few more.
const MAX_SASL_FRAME_SIZE: u32 = 8192;
/// What every implementation takes.
pub(super) const MIN_MAX_FRAME_SIZE: u32 = 512;

/// The next protocol header; `None` when it is not all there.
pub(super) fn read_header(stream: &mut BytesMut) -> Result<Option<[u8; 8]>, Violation> {
    let there = stream.len().min(4);
    if stream.get(..there) != AMQP.get(..there) {
        return Err(Violation::Header);
    }
    let Some(header) = stream.first_chunk::<8>().copied() else { return Ok(None) };
    if header != AMQP && header != SASL {
        return Err(Violation::Header);
    }
    stream.advance(header.len());
    Ok(Some(header))
}

/// A frame's channel, performative and payload.
pub(super) struct Frame {
    pub(super) channel: u16,
    /// None in a heartbeat.
    pub(super) performative: Option<Performative>,
    pub(super) payload: Vec<u8>,
}

/// A described list.
#[derive(Debug)]
pub(super) struct Performative {
    pub(super) code: u64,
    pub(super) fields: Fields,
}

/// The next whole frame; `None` when there is none yet.
pub(super) fn read_frame(stream: &mut BytesMut, is_sasl: bool) -> Result<Option<Frame>, Violation> {
    let mut header = stream.as_ref();
    if header.len() < 4 {
        return Ok(None);
    }
    let size = header.get_u32();
    let most = if is_sasl { MAX_SASL_FRAME_SIZE } else { MAX_FRAME_SIZE };
    if !(8..=most).contains(&size) {
        return Err(Violation::FrameSize(size));
    }
    if header.len() < 4 {
        return Ok(None);
    }
    let (start, kind) = (u32::from(header.get_u8()) * 4, header.get_u8());
    let channel = header.get_u16();
    if start < 8 || start > size || kind != u8::from(is_sasl) {
        return Err(Violation::FrameHeader);
    }
    let size = usize::try_from(size).map_err(|_| Violation::FrameHeader)?;
    if stream.len() < size {
        return Ok(None);
    }
    let mut body = stream.split_to(size);
    body.advance(usize::try_from(start).map_err(|_| Violation::FrameHeader)?);
    if body.is_empty() {
        return Ok(Some(Frame { channel, performative: None, payload: Vec::new() }));
    }
    let (value, length) = read_value(&body)?;
    let performative = Some(Performative::try_from(value)?);
    body.advance(length);
    Ok(Some(Frame { channel, performative, payload: body.to_vec() }))
}

/// The first value of `bytes`, and its length.
pub(super) fn read_value(bytes: &[u8]) -> Result<(Value, usize), Violation> {
    let length = guard::measure(bytes)?;
    let value = bytes.get(..length).unwrap_or_default();
    let value = serde_amqp::from_slice(value).map_err(|_| Violation::Malformed)?;
    Ok((value, length))
}

impl TryFrom<Value> for Performative {
    type Error = Violation;

    fn try_from(value: Value) -> Result<Self, Violation> {
        match value {
            Value::Described(described) => match *described {
                Described { descriptor: Descriptor::Code(code), value: Value::List(fields) } => {
                    Ok(Self { code, fields: Fields(fields) })
                }
                _ => Err(Violation::Malformed),
            },
            _ => Err(Violation::Malformed),
        }
    }
}

/// Appends a frame.
pub(super) fn write_frame(out: &mut BytesMut, is_sasl: bool, channel: u16, parts: &[&[u8]]) {
    let size = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    // Callers keep to the client's frame size.
    out.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
    out.put_slice(&[2, u8::from(is_sasl)]);
    out.put_u16(channel);
    parts.iter().for_each(|part| out.put_slice(part));
}

/// An encoded described list.
pub(super) fn list(code: u64, fields: Vec<Value>) -> Vec<u8> {
    bytes_of(&described(code, Value::List(fields)))
}

pub(super) fn described(code: u64, value: Value) -> Value {
    Value::Described(Box::new(Described { descriptor: Descriptor::Code(code), value }))
}

pub(super) fn bytes_of(value: &Value) -> Vec<u8> {
    // The values that are made here, and those that were read, can be written.
    serde_amqp::to_vec(value).unwrap_or_default()
}

/// Fields by position. Those that are left out are null.
#[derive(Debug)]
pub(super) struct Fields(pub(super) Vec<Value>);

impl Fields {
    pub(super) fn get(&self, index: usize) -> &Value {
        self.0.get(index).unwrap_or(&Value::Null)
    }

    pub(super) fn number(&self, index: usize) -> Option<u32> {
        match *self.get(index) {
            Value::Uint(number) => Some(number),
            Value::Ushort(number) => Some(number.into()),
            Value::Ubyte(number) => Some(number.into()),
            _ => None,
        }
    }

    pub(super) fn required(&self, index: usize, name: &'static str) -> Result<u32, Violation> {
        self.number(index).ok_or(Violation::Field(name))
    }

    pub(super) fn flag(&self, index: usize) -> bool {
        matches!(self.get(index), Value::Bool(true))
    }

    pub(super) fn text(&self, index: usize) -> Option<&str> {
        text_of(self.get(index))
    }
}

/// A text: string or symbol.
pub(super) fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Symbol(symbol) => Some(symbol.as_str()),
        _ => None,
    }
}
