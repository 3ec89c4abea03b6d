//! Frames: 8 bytes of header, then a performative, then a transfer's payload.

use crate::violation::Violation;
use bytes::{Buf as _, BytesMut};

/// Opens the SASL layer.
pub(crate) const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
/// Opens the AMQP layer.
pub(crate) const AMQP_HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";

/// The largest frame that we take; we say so in open.
pub(crate) const MAX_FRAME: u32 = 65_536;
/// The largest SASL frame that the protocol allows, and the largest that we send.
pub(crate) const SASL_FRAME: usize = 512;
/// The largest SASL frame that we take.
const MAX_SASL_FRAME: u32 = 4096;

pub(crate) const HEADER: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Amqp,
    Sasl,
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) channel: u16,
    /// Empty in a heartbeat.
    pub(crate) body: BytesMut,
}

/// The next whole frame of `input`, if it is there.
pub(crate) fn read(input: &mut BytesMut, layer: Layer) -> Result<Option<Frame>, Violation> {
    let Some(size) = input.first_chunk::<4>() else { return Ok(None) };
    let size = u32::from_be_bytes(*size);
    let limit = match layer {
        Layer::Amqp => MAX_FRAME,
        Layer::Sasl => MAX_SASL_FRAME,
    };
    // Said before the frame is complete: it never might be.
    let length = match usize::try_from(size) {
        Ok(length) if (HEADER..=limit as usize).contains(&length) => length,
        _ => return Err(Violation::FrameSize(size)),
    };
    let Some([_, _, _, _, offset, kind, high, low]) = input.first_chunk::<HEADER>().copied() else {
        return Ok(None);
    };
    let start = usize::from(offset) * 4;
    if start < HEADER || start > length {
        return Err(Violation::DataOffset(offset));
    }
    if kind != kind_of(layer) {
        return Err(Violation::FrameType(kind));
    }
    if input.len() < length {
        return Ok(None);
    }
    let mut body = input.split_to(length);
    body.advance(start);
    // Bytes 6 and 7 mean nothing in a SASL frame.
    Ok(Some(Frame { channel: u16::from_be_bytes([high, low]), body }))
}

/// Appends a frame on channel 0, the only one that we use.
pub(crate) fn write(out: &mut BytesMut, layer: Layer, parts: &[&[u8]]) {
    let length = HEADER + parts.iter().map(|part| part.len()).sum::<usize>();
    // Callers keep to the peer's frame size.
    let size = u32::try_from(length).unwrap_or(u32::MAX);
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&[2, kind_of(layer), 0, 0]);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// How many bytes of payload fit into a frame besides a performative of this length.
pub(crate) fn room(frame_size: u32, performative: usize) -> usize {
    (frame_size as usize).saturating_sub(HEADER + performative).max(1)
}

fn kind_of(layer: Layer) -> u8 {
    match layer {
        Layer::Amqp => 0,
        Layer::Sasl => 1,
    }
}
