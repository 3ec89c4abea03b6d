//! The packets this engine sends and reads, by rumqttc's codec.

use crate::message::MAX_MESSAGE_BYTES;
use bytes::BytesMut;
use dps_core::sas::{HexCase, percent_encode};
use dps_core::{Credentials, Error, ErrorKind, Stage};
use rumqttc::mqttbytes::v4::{Connect, Login, Packet, Subscribe, SubscribeFilter};
use rumqttc::mqttbytes::{self, QoS};
use zeroize::Zeroize as _;

/// A message of the allowed size, with its topic.
const MAX_PACKET_BYTES: usize = MAX_MESSAGE_BYTES + 16 * 1024;

/// After this many seconds without a packet the hub may drop us.
const KEEP_ALIVE_SECONDS: u16 = 60;

/// The packet id of the one SUBSCRIBE.
pub(crate) const SUBSCRIBE_ID: u16 = 1;

/// The version of the hub's interface that we speak.
const API_VERSION: &str = "2021-04-12";

pub(crate) fn connect(
    out: &mut BytesMut,
    hub: &str,
    device_id: &str,
    credentials: &Credentials,
) -> Result<(), Error> {
    let password = match credentials {
        Credentials::SasToken(token) => token.as_str(),
        // The codec leaves out an empty password and its flag.
        Credentials::ClientCertificate => "",
        _ => {
            return Err(Error::new(Stage::Hub, ErrorKind::InvalidConfig)
                .with_detail("these credentials cannot be used with a hub"));
        }
    };
    let client = concat!("libdps/", env!("CARGO_PKG_VERSION"));
    let client = percent_encode(client, HexCase::Upper);
    let username =
        format!("{hub}/{device_id}/?api-version={API_VERSION}&DeviceClientType={client}");
    let mut packet = Connect::new(device_id);
    packet.keep_alive = KEEP_ALIVE_SECONDS;
    // Messages for the device outlast a connection anyway, in its queue: only with a session of
    // an earlier one would they come before this one has subscribed.
    packet.clean_session = true;
    packet.login = Some(Login::new(username, password));
    let mut packet = Packet::Connect(packet);
    let written = write(out, &packet);
    if let Packet::Connect(Connect { login: Some(login), .. }) = &mut packet {
        login.password.zeroize();
    }
    written
}

pub(crate) fn subscribe(out: &mut BytesMut, filters: &[String]) -> Result<(), Error> {
    let filters = filters.iter().map(|path| SubscribeFilter::new(path.clone(), QoS::AtLeastOnce));
    let mut packet = Subscribe::new_many(filters);
    packet.pkid = SUBSCRIBE_ID;
    write(out, &Packet::Subscribe(packet))
}

pub(crate) fn write(out: &mut BytesMut, packet: &Packet) -> Result<(), Error> {
    packet.write(out, MAX_PACKET_BYTES).map(drop).map_err(|error| {
        Error::new(Stage::Hub, ErrorKind::TooLarge { limit: MAX_PACKET_BYTES })
            .with_detail(error.to_string())
    })
}

/// The next whole packet, if there is one.
pub(crate) fn read(input: &mut BytesMut) -> Result<Option<Packet>, Error> {
    let protocol = |detail: String| Error::new(Stage::Hub, ErrorKind::Protocol).with_detail(detail);
    match Packet::read(input, MAX_PACKET_BYTES) {
        Ok(packet) => Ok(Some(packet)),
        Err(mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
        Err(mqttbytes::Error::PayloadSizeLimitExceeded(size)) => Err(protocol(format!(
            "the hub announces a packet of {size} bytes; at most {MAX_PACKET_BYTES} are accepted"
        ))),
        Err(error) => Err(protocol(format!("not an MQTT packet: {error}"))),
    }
}
