//! `dps hub`: the local service's hubs and their devices. Azure's service has no such API: there
//! `az iot dps linked-hub` and `az iot hub` do this.

mod messages;

use super::members::object;
use super::{connect, failed, read, shown};
use crate::arguments::hub::{Hub as Command, HubDevice, Link, OneHub, Send, SomeHub, Twin};
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, printable};
use dps_service::local::{CloudMessage, HubSettings, RegionChange, TwinPatch};
use dps_service::{Error, ServiceClient};
use serde_json::json;

/// What a list of hubs shows of each.
const HUBS: [(&str, &str); 7] = [
    ("hub", "/hostName"),
    ("linked", "/linked"),
    ("weight", "/allocationWeight"),
    ("for all", "/applyAllocationPolicy"),
    ("region", "/region"),
    ("devices", "/deviceCount"),
    ("connected", "/connectedCount"),
];
/// What a list of devices shows of each.
const DEVICES: [(&str, &str); 6] = [
    ("device id", "/deviceId"),
    ("registration id", "/registrationId"),
    ("connected", "/connected"),
    ("messages", "/telemetryCount"),
    ("waiting", "/waitingMessages"),
    ("authentication", "/authenticationType"),
];

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Link(options) => link(options),
        Command::Unlink(OneHub { hub_name, login }) => {
            connect(login)?.local().unlink_hub(hub_name).map_err(|error| refused(&error))?;
            if !login.json {
                output::line(format_args!(
                    "The hub {hub_name} is unlinked: it gets no more devices."
                ));
            }
            Ok(())
        }
        Command::List(options) => {
            let hubs = connect(&options.login)?.local().hubs().map_err(|error| refused(&error))?;
            shown::table(&hubs, &HUBS, options.login.json)
        }
        Command::Show(OneHub { hub_name, login }) => {
            let hub = connect(login)?.local().hub(hub_name).map_err(|error| refused(&error))?;
            shown::one(&hub, login.json)
        }
        Command::Devices(options) => {
            let json = options.hub.login.json;
            let (client, hub) = find(&options.hub)?;
            let devices = client.local().devices(&hub).map_err(|error| refused(&error))?;
            shown::table(&devices, &DEVICES, json)
        }
        Command::DeleteDevice(HubDevice { hub, device_id }) => {
            let (client, name) = find(hub)?;
            client.local().delete_device(&name, device_id).map_err(|error| refused(&error))?;
            if !hub.login.json {
                output::line(format_args!(
                    "The device {device_id} is deleted from the hub {name}."
                ));
            }
            Ok(())
        }
        Command::Messages(options) => messages::run(options),
        Command::Send(options) => send(options),
        Command::Twin(options) => twin(options),
    }
}

fn link(options: &Link) -> Result<(), Failure> {
    let Link { hub: OneHub { hub_name, login }, .. } = options;
    let settings = HubSettings {
        allocation_weight: options.allocation_weight,
        apply_allocation_policy: options.apply_allocation_policy,
        region: match &options.location {
            Some(region) => RegionChange::To(region.clone()),
            None if options.no_location => RegionChange::Clear,
            None => RegionChange::Keep,
        },
    };
    let client = connect(login)?;
    let linked = client.local().link_hub(hub_name, &settings);
    shown::one(&linked.map_err(|error| refused(&error))?, login.json)
}

fn send(options: &Send) -> Result<(), Failure> {
    let body = match (&options.data, &options.data_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read(path)?,
        (None, None) => String::new(),
    };
    let mut message = CloudMessage::new(body);
    message.properties.extend(options.properties.iter().cloned());
    let HubDevice { hub, device_id } = &options.device;
    let (client, name) = find(hub)?;
    let waiting = client.local().send(&name, device_id, &message);
    let waiting = waiting.map_err(|error| refused(&error))?;
    if hub.login.json {
        return shown::one(&json!({"waitingMessages": waiting}), true);
    }
    output::line(match waiting {
        0 => "The device has it.".to_owned(),
        1 => "The message waits for the device.".to_owned(),
        more => format!("The message waits for the device, as do {} others.", more - 1),
    });
    Ok(())
}

fn twin(options: &Twin) -> Result<(), Failure> {
    let changes = |text: &Option<String>, option| {
        text.as_deref().map(|text| object(text, option)).transpose()
    };
    let patch = TwinPatch {
        tags: changes(&options.tags, "--tags")?,
        desired: changes(&options.desired, "--desired")?,
    };
    let HubDevice { hub, device_id } = &options.device;
    let (client, name) = find(hub)?;
    let local = client.local();
    if patch != TwinPatch::default() {
        local.update_twin(&name, device_id, &patch).map_err(|error| refused(&error))?;
    }
    let device = local.device(&name, device_id).map_err(|error| refused(&error))?;
    if hub.login.json {
        return shown::one(&device, true);
    }
    let mut head = device;
    let twin = head.twin.take();
    shown::one(&head, false)?;
    if let Some(twin) = twin {
        let properties = &twin.properties;
        for (name, members) in [
            ("tags", &twin.tags),
            ("desired", &properties.desired),
            ("reported", &properties.reported),
        ] {
            // What a device reports must not command the terminal.
            let text = serde_json::Value::Object(members.clone()).to_string();
            output::line(format_args!("{name}: {}", printable(&text)));
        }
    }
    Ok(())
}

/// The hub that the options name, or the only one.
fn find(options: &SomeHub) -> Result<(ServiceClient, String), Failure> {
    let client = connect(&options.login)?;
    if let Some(name) = &options.hub_name {
        let name = name.clone();
        return Ok((client, name));
    }
    let hubs = client.local().hubs().map_err(|error| refused(&error))?;
    let names: Vec<String> = hubs.into_iter().map(|hub| hub.host_name).collect();
    match names.as_slice() {
        [only] => {
            let only = only.clone();
            Ok((client, only))
        }
        [] => Err(Failure::new(exit::REFUSED, "there is no hub")
            .remedy("link one: dps hub link --hub-name HOST")),
        several => Err(Failure::new(exit::CONFIG, "there is more than one hub")
            .remedy(format!("name one by --hub-name: {}", printable(&several.join(", "))))),
    }
}

/// What the service has against it, with the next step.
fn refused(error: &Error) -> Failure {
    let failure = failed(error);
    let Some(service) = error.service() else { return failure };
    failure.remedy(match (service.status, service.code) {
        (401, _) => {
            "use the connection string of a policy with the right ServiceConfig, for example the one that dps emulator prints"
        }
        (404, Some(404_201)) => {
            "dps hub list shows the hubs there are, and dps hub devices those that have registered with one"
        }
        (404, _) => {
            "only the local service (dps emulator) has this; for Azure's use az iot dps linked-hub and az iot hub"
        }
        (409, _) => "wait until the device has taken its messages, or unlink a hub",
        _ => error.hint(),
    })
}
