//! Cutting the byte stream into packets: rumqttc's codec, and the checks of MQTT 3.1.1 that it
//! leaves out.

use bytes::BytesMut;
use dps_core::wire::MAX_MESSAGE_BYTES;
use rumqttc::mqttbytes::v4::Packet;
use rumqttc::mqttbytes::{Error, PacketType, check};

/// The largest packet of the provisioning service after its fixed header: a message of the largest
/// size and its topic.
pub(super) const MAX_PACKET_BYTES: usize = MAX_MESSAGE_BYTES + 1024;

/// A whole packet.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Of MQTT 3.1.1.
    Packet(Packet),
    /// A CONNECT of MQTT 3.1 or 5. The codec would misread it: its form is another.
    ConnectOfOtherVersion,
}

/// What a client must not do; the connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Violation {
    #[error("the client sent what is no MQTT 3.1.1 packet: {0}")]
    Codec(Error),
    #[error("the client sent a packet with wrong flags")]
    Flags,
    #[error("the client sent a larger packet than is allowed")]
    TooLarge,
    #[error("the client sent {0}")]
    Unexpected(&'static str),
    #[error("the client published to a topic that the service does not have: {0:?}")]
    Topic(String),
}

/// Takes the next whole packet off `stream`, of `limit` bytes at most; `None` when there is none
/// yet.
pub(super) fn read(stream: &mut BytesMut, limit: usize) -> Result<Option<Incoming>, Violation> {
    // The first byte tells what is no MQTT, without waiting for the length it seems to state.
    let Some(first) = stream.first() else { return Ok(None) };
    check_first_byte(*first)?;
    let header = match check(stream.iter(), limit) {
        Ok(header) => header,
        Err(Error::InsufficientBytes(_)) => return Ok(None),
        Err(Error::PayloadSizeLimitExceeded(_)) => return Err(Violation::TooLarge),
        Err(error) => return Err(Violation::Codec(error)),
    };
    if header.packet_type().map_err(Violation::Codec)? == PacketType::Connect {
        let frame = stream.get(..header.frame_length()).unwrap_or_default();
        if is_other_version(frame)? {
            let _ = stream.split_to(header.frame_length());
            return Ok(Some(Incoming::ConnectOfOtherVersion));
        }
    }
    let packet = Packet::read(stream, limit).map_err(Violation::Codec)?;
    Ok(Some(Incoming::Packet(packet)))
}

/// Types 0 and 15 do not exist, and the low four bits are fixed for all but PUBLISH (MQTT
/// 3.1.1, 2.2.1 and 2.2.2).
fn check_first_byte(byte: u8) -> Result<(), Violation> {
    let (packet_type, flags) = (byte >> 4, byte & 0x0f);
    let is_good = match packet_type {
        0 | 15 => return Err(Violation::Codec(Error::InvalidPacketType(packet_type))),
        3 => true,
        6 | 8 | 10 => flags == 0b0010, // PUBREL, SUBSCRIBE, UNSUBSCRIBE
        _ => flags == 0,
    };
    match is_good {
        true => Ok(()),
        false => Err(Violation::Flags),
    }
}

/// Whether a CONNECT is of another protocol version than 3.1.1. Also checks its flags (MQTT
/// 3.1.1, 3.1.2.3 and 3.1.2.9).
fn is_other_version(frame: &[u8]) -> Result<bool, Violation> {
    let malformed = || Violation::Codec(Error::MalformedPacket);
    // The remaining length ends with the first byte whose high bit is clear.
    let length_bytes = frame.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let body = frame.get(1 + length_bytes..).ok_or_else(malformed)?;
    let (name_length, rest) = body.split_first_chunk::<2>().ok_or_else(malformed)?;
    let (name, rest) = rest
        .split_at_checked(usize::from(u16::from_be_bytes(*name_length)))
        .ok_or_else(malformed)?;
    let level = *rest.first().ok_or_else(malformed)?;
    match (name, level) {
        (b"MQTT", 4) => {}
        (b"MQTT" | b"MQIsdp", _) => return Ok(true),
        _ => return Err(Violation::Codec(Error::InvalidProtocol)),
    }
    let flags = *rest.get(1).ok_or_else(malformed)?;
    let is_reserved_set = flags & 0b0000_0001 != 0;
    let is_password_alone = flags & 0b1100_0000 == 0b0100_0000;
    match is_reserved_set || is_password_alone {
        true => Err(Violation::Flags),
        false => Ok(false),
    }
}
