//! Arguments of `dps simulate`.

use super::Register;
use crate::exit;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use dps_client::Transport;

#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(crate) struct SimulateDevice {
    #[command(flatten)]
    pub(crate) register: Register,

    #[command(flatten)]
    pub(crate) work: Work,
}

/// What the device does at its hub.
#[derive(Args, Debug)]
pub(crate) struct Work {
    /// How many messages to send
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    pub(crate) messages: u32,

    /// Seconds between two messages; fractions are allowed
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) interval: f64,

    /// The protocol to reach the hub by; unless given, that of --transport, or mqtt for amqp and
    /// mqtt-ws for http and amqp-ws
    #[arg(long, value_parser = hub_transport())]
    pub(crate) hub_transport: Option<Transport>,

    /// Where the hub is, if not at its name. The hubs of a local service, whose names end in
    /// .localhost, are looked for at the port of --endpoint
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) hub_endpoint: Option<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("give a number from 0 to 86400".into()),
    }
}

fn hub_transport() -> impl TypedValueParser<Value = Transport> {
    let names = [Transport::Mqtt, Transport::MqttWs].map(Transport::as_str);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Transport>())
}
