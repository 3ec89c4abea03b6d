//! Arguments of `dps hub`, named as those of `az iot dps linked-hub` and `az iot hub` are where these
//! have them.

use super::service::Login;
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub(crate) enum Hub {
    /// Link a hub, so that devices are assigned to it, or change how it is linked
    Link(Link),
    /// Unlink a hub: it gets no more devices, and those that are in it stay
    Unlink(OneHub),
    /// List the hubs
    List(Listed),
    /// Show a hub
    Show(OneHub),
    /// List the devices of a hub
    ///
    /// Columns: its name in the hub and the registration id it was made for; whether it is connected
    /// now; how many messages it has sent, and how many wait for it; how it proves itself.
    Devices(HubDevices),
    /// Delete a device from a hub. What lets it register stays: it may come again, as a new one
    DeleteDevice(HubDevice),
    /// Print what a device has sent, and with --follow what it sends
    Messages(Messages),
    /// Send a message to a device. It waits until the device is there
    Send(Send),
    /// Show a device with its twin, or change the twin
    Twin(Twin),
}

/// A hub by its name.
#[derive(Args, Debug)]
pub(crate) struct OneHub {
    /// The hub's host name
    #[arg(long, visible_alias = "linked-hub", value_name = "HOST")]
    pub(crate) hub_name: String,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct Link {
    #[command(flatten)]
    pub(crate) hub: OneHub,

    /// How many devices it gets, compared with the other hubs; 0 is none
    #[arg(long, value_name = "NUMBER")]
    pub(crate) allocation_weight: Option<u32>,

    /// Whether enrollments that name no hub may use it
    #[arg(long, value_name = "BOOL")]
    pub(crate) apply_allocation_policy: Option<bool>,

    /// Where it is, for the allocation policy geolatency
    #[arg(long, visible_alias = "region", value_name = "REGION")]
    pub(crate) location: Option<String>,

    /// Take away where it is
    #[arg(long, visible_alias = "no-region", conflicts_with = "location")]
    pub(crate) no_location: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Listed {
    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct HubDevices {
    #[command(flatten)]
    pub(crate) hub: SomeHub,
}

/// A hub by its name, or the only one there is.
#[derive(Args, Debug)]
pub(crate) struct SomeHub {
    /// The hub's host name; not needed when there is only one
    #[arg(long, visible_alias = "linked-hub", value_name = "HOST")]
    pub(crate) hub_name: Option<String>,

    #[command(flatten)]
    pub(crate) login: Login,
}

/// A device in a hub.
#[derive(Args, Debug)]
pub(crate) struct HubDevice {
    #[command(flatten)]
    pub(crate) hub: SomeHub,

    /// The device's name in the hub
    #[arg(long, value_name = "ID")]
    pub(crate) device_id: String,
}

#[derive(Args, Debug)]
pub(crate) struct Messages {
    #[command(flatten)]
    pub(crate) device: HubDevice,

    /// Begin after the message of this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) after: u64,

    /// Go on with what the device sends from now on; with --json one object per line
    #[arg(long)]
    pub(crate) follow: bool,

    /// End after this many messages
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Seconds after which --follow ends; with --count it has then failed
    #[arg(long, value_name = "SECONDS", requires = "follow")]
    pub(crate) timeout: Option<u64>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("content").required(true))]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) device: HubDevice,

    /// What the message says
    #[arg(long, value_name = "TEXT", group = "content")]
    pub(crate) data: Option<String>,

    /// File with what the message says: text
    #[arg(long, value_name = "FILE", group = "content")]
    pub(crate) data_file: Option<PathBuf>,

    /// Properties of the message: NAME=VALUE, with semicolons between them
    #[arg(long, visible_alias = "props", value_name = "NAME=VALUE", value_delimiter = ';', value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,
}

#[derive(Args, Debug)]
pub(crate) struct Twin {
    #[command(flatten)]
    pub(crate) device: HubDevice,

    /// Changes of the tags: a JSON object, in which null deletes
    #[arg(long, value_name = "JSON")]
    pub(crate) tags: Option<String>,

    /// Changes of the desired properties: a JSON object, in which null deletes
    #[arg(long, value_name = "JSON")]
    pub(crate) desired: Option<String>,
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("give NAME=VALUE, and more with semicolons between them".to_owned()),
    }
}

impl Hub {
    pub(crate) fn wants_json(&self) -> bool {
        let login = match self {
            Self::Link(options) => &options.hub.login,
            Self::Unlink(options) | Self::Show(options) => &options.login,
            Self::List(options) => &options.login,
            Self::Devices(options) => &options.hub.login,
            Self::Messages(options) => &options.device.hub.login,
            Self::Send(options) => &options.device.hub.login,
            Self::DeleteDevice(options) => &options.hub.login,
            Self::Twin(options) => &options.device.hub.login,
        };
        login.json
    }
}
