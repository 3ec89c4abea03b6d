//! The choice of a protocol.

use core::fmt;
use core::str::FromStr;
use dps_core::Attestation;
use dps_transport::WebSocketProtocol;
use dps_transport_amqp::{AMQPS_PORT, AmqpTransport};
use dps_transport_http::{HTTPS_PORT, HttpTransport};
use dps_transport_mqtt::{MQTT_PORT, MqttTransport};

/// The protocols to reach the service by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// MQTT 3.1.1 over TLS, port 8883.
    #[default]
    Mqtt,
    /// MQTT 3.1.1 in a WebSocket, port 443.
    MqttWs,
    /// HTTPS, port 443.
    Http,
    /// AMQP 1.0 over TLS, port 5671.
    Amqp,
    /// AMQP 1.0 in a WebSocket, port 443.
    AmqpWs,
}

/// The text names no transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportError;

impl Transport {
    /// All there are.
    pub const ALL: [Transport; 5] =
        [Transport::Mqtt, Transport::MqttWs, Transport::Http, Transport::Amqp, Transport::AmqpWs];

    /// Its name in lower case, for settings and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Transport::Mqtt => "mqtt",
            Transport::MqttWs => "mqtt-ws",
            Transport::Http => "http",
            Transport::Amqp => "amqp",
            Transport::AmqpWs => "amqp-ws",
        }
    }

    /// Whether the service takes this kind of proof over it: MQTT has no way for the exchange that a
    /// TPM's proof is.
    pub const fn supports(self, attestation: Attestation) -> bool {
        match self {
            Transport::Mqtt | Transport::MqttWs => !matches!(attestation, Attestation::Tpm),
            Transport::Http | Transport::Amqp | Transport::AmqpWs => true,
        }
    }

    /// The port used when the endpoint names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Mqtt => MQTT_PORT,
            Transport::Amqp => AMQPS_PORT,
            Transport::MqttWs | Transport::Http | Transport::AmqpWs => HTTPS_PORT,
        }
    }

    /// What is spoken inside a WebSocket, for those that use one.
    pub(crate) const fn web_socket(self) -> Option<WebSocketProtocol> {
        match self {
            Transport::Mqtt | Transport::Http | Transport::Amqp => None,
            Transport::MqttWs => Some(WebSocketProtocol::Mqtt),
            Transport::AmqpWs => Some(WebSocketProtocol::Amqp),
        }
    }

    /// A protocol engine that speaks with `host` at `port`.
    pub(crate) fn engine(
        self,
        host: &str,
        port: u16,
        conservative: bool,
    ) -> Box<dyn dps_core::Transport> {
        match self {
            Transport::Mqtt | Transport::MqttWs => {
                Box::new(MqttTransport::new().conservative(conservative))
            }
            Transport::Http => Box::new(HttpTransport::new(host, port)),
            Transport::Amqp | Transport::AmqpWs => {
                Box::new(AmqpTransport::new(host).conservative(conservative))
            }
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the names that [`Transport::as_str`] gives.
impl FromStr for Transport {
    type Err = TransportError;

    fn from_str(text: &str) -> Result<Self, TransportError> {
        Self::ALL.into_iter().find(|transport| transport.as_str() == text).ok_or(TransportError)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a transport: give one of")?;
        Transport::ALL.iter().try_for_each(|transport| write!(f, " {transport}"))
    }
}

impl std::error::Error for TransportError {}
