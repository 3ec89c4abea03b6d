//! The user name of a hub's device: `{hub}/{clientId}/?api-version={v}[&...]`
//! (`wire-protocol.md` section 8.1).

use super::percent;
use crate::events::{Event, Kind};

/// Which device of which hub wants in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Host name of the hub.
    pub(crate) hub: String,
    /// The device's id.
    pub(crate) device: String,
}

impl Place {
    /// Something that happens there.
    pub(super) fn event(&self, kind: Kind) -> Event {
        Event::new(kind).hub(&self.hub).device(&self.device)
    }
}

/// Whether the user name is meant for a hub at all: its version has a question mark before it,
/// and its second part is not the provisioning service's.
pub(crate) fn is_for_hub(username: &str) -> bool {
    let mut segments = username.split('/');
    let host = segments.next().unwrap_or_default();
    let second = segments.next().unwrap_or_default();
    host.contains('.') && second != "registrations" && username.contains("/?")
}

/// Takes it apart. The error says what is wrong, for the log.
pub(crate) fn parse(username: &str) -> Result<Place, &'static str> {
    let (place, query) = username.split_once("/?").ok_or("it has no api-version")?;
    let is_version = |parameter: &str| {
        parameter.strip_prefix("api-version=").is_some_and(|version| !version.is_empty())
    };
    if !query.split('&').any(is_version) {
        return Err("it has no api-version");
    }
    let (hub, device) = place.split_once('/').ok_or("it has no device id")?;
    if device.contains('/') {
        return Err("modules are not known here");
    }
    let device = percent::decode(device).filter(|device| !device.is_empty());
    Ok(Place { hub: hub.to_owned(), device: device.ok_or("its device id cannot be read")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_of_real_clients() {
        for rest in [
            "api-version=2020-09-30&DeviceClientType=iothubclient%2f1.15.0%20",
            "api-version=2019-10-01&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0",
            "api-version=2021-04-12&model-id=dtmi%3Acom%3Aexample%3B1&DeviceClientType=x",
            "DeviceClientType=a/b/?c&api-version=1",
        ] {
            let username = format!("contoso-hub.localhost/Dev:1.a_b-c/?{rest}");
            assert!(is_for_hub(&username));
            let place = parse(&username).unwrap();
            assert_eq!(place.hub, "contoso-hub.localhost");
            assert_eq!(place.device, "Dev:1.a_b-c");
        }
    }

    #[test]
    fn the_provisioning_services_user_names_are_not_for_hubs() {
        for username in [
            "",
            "0ne00111111/registrations/dev1/api-version=2019-03-31",
            "0ne00111111/registrations/dev1/?api-version=2019-03-31",
            "0ne.1/registrations/dev1/?api-version=2019-03-31",
            "0ne00111111/registrations/dev1/api-version=2019-03-31&ClientVersion=a/?b",
        ] {
            assert!(!is_for_hub(username), "{username}");
        }
    }

    #[test]
    fn unusable_user_names() {
        for username in [
            "hub.x/dev",
            "hub.x/dev/?",
            "hub.x/dev/?api-version=",
            "hub.x/?api-version=1",
            "hub.x//?api-version=1",
            "hub.x/dev/module/?api-version=1",
            "hub.x/%zz/?api-version=1",
        ] {
            assert!(parse(username).is_err(), "{username}");
        }
    }
}
