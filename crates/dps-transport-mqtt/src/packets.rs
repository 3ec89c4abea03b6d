//! The packets this engine sends and reads, by rumqttc's codec.

use bytes::BytesMut;
use core::fmt::Write as _;
use dps_core::sas::{HexCase, percent_encode};
use dps_core::wire::{API_VERSION, MAX_MESSAGE_BYTES};
use dps_core::{Credentials, Error, ErrorKind, Identity, Stage};
use rumqttc::mqttbytes::v4::{Connect, Login, Packet, PubAck, Publish, Subscribe};
use rumqttc::mqttbytes::{self, QoS};
use zeroize::Zeroize as _;

/// A message of the allowed size, with its topic.
pub(crate) const MAX_PACKET_BYTES: usize = MAX_MESSAGE_BYTES + 2048;

/// After this many seconds without a packet the service may drop us.
pub(crate) const KEEP_ALIVE_SECONDS: u16 = 60;

/// The packet id of our one subscription.
pub(crate) const SUBSCRIBE_ID: u16 = 1;

pub(crate) fn connect(
    out: &mut BytesMut,
    identity: &Identity,
    credentials: &Credentials,
) -> Result<(), Error> {
    let password = match credentials {
        Credentials::SasToken(token) => token.as_str(),
        // The codec leaves out an empty password and its flag (`wire-protocol.md` section 2.1).
        Credentials::ClientCertificate => "",
        _ => {
            return Err(Error::new(Stage::Authenticate, ErrorKind::InvalidConfig)
                .with_detail("these credentials cannot be used with MQTT"));
        }
    };
    let (scope, id) = (&identity.id_scope, &identity.registration_id);
    let mut username = format!("{scope}/registrations/{id}/api-version={API_VERSION}");
    let version = concat!("libdps/", env!("CARGO_PKG_VERSION"));
    // Writing to a String cannot fail.
    let _ = write!(username, "&ClientVersion={}", percent_encode(version, HexCase::Upper));
    let mut packet = Connect::new(id.as_str());
    packet.keep_alive = KEEP_ALIVE_SECONDS;
    packet.clean_session = true;
    packet.login = Some(Login::new(username, password));
    let mut packet = Packet::Connect(packet);
    let written = write(out, &packet, Stage::Authenticate);
    if let Packet::Connect(Connect { login: Some(login), .. }) = &mut packet {
        login.password.zeroize();
    }
    written
}

pub(crate) fn subscribe(out: &mut BytesMut, filter: &str) -> Result<(), Error> {
    let mut packet = Subscribe::new(filter, QoS::AtLeastOnce);
    packet.pkid = SUBSCRIBE_ID;
    write(out, &Packet::Subscribe(packet), Stage::Authenticate)
}

pub(crate) fn publish(
    out: &mut BytesMut,
    topic: String,
    body: String,
    stage: Stage,
) -> Result<(), Error> {
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(Error::new(stage, ErrorKind::TooLarge { limit: MAX_MESSAGE_BYTES })
            .with_detail(format!("the request has {} bytes", body.len())));
    }
    // QoS 0: within one TCP connection nothing is lost, and the reply is the acknowledgement.
    let packet = Publish::new(topic, QoS::AtMostOnce, body);
    write(out, &Packet::Publish(packet), stage)
}

pub(crate) fn acknowledge(out: &mut BytesMut, packet_id: u16, stage: Stage) -> Result<(), Error> {
    write(out, &Packet::PubAck(PubAck::new(packet_id)), stage)
}

pub(crate) fn ping(out: &mut BytesMut, stage: Stage) -> Result<(), Error> {
    write(out, &Packet::PingReq, stage)
}

pub(crate) fn disconnect(out: &mut BytesMut) {
    // Two constant bytes; nothing can go wrong, and the connection ends anyway.
    let _ = write(out, &Packet::Disconnect, Stage::Poll);
}

fn write(out: &mut BytesMut, packet: &Packet, stage: Stage) -> Result<(), Error> {
    packet.write(out, MAX_PACKET_BYTES).map(drop).map_err(|error| {
        Error::new(stage, ErrorKind::TooLarge { limit: MAX_PACKET_BYTES })
            .with_detail(error.to_string())
    })
}

/// The next whole packet, if there is one.
pub(crate) fn read(input: &mut BytesMut, stage: Stage) -> Result<Option<Packet>, Error> {
    match Packet::read(input, MAX_PACKET_BYTES) {
        Ok(packet) => Ok(Some(packet)),
        Err(mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
        Err(mqttbytes::Error::PayloadSizeLimitExceeded(size)) => {
            Err(Error::new(stage, ErrorKind::Protocol)
                .with_detail(format!("the service announces a packet of {size} bytes; at most {MAX_PACKET_BYTES} are accepted")))
        }
        Err(error) => Err(Error::new(stage, ErrorKind::Protocol)
            .with_detail(format!("not an MQTT packet: {error}"))),
    }
}
