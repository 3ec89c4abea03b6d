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

/// Hub, device and query of a hub's user name. The device may begin with a question mark, too.
fn split(username: &str) -> Option<(&str, &str, &str)> {
    let (hub, rest) = username.split_once('/')?;
    let (device, query) = rest.split_once("/?")?;
    Some((hub, device, query))
}

/// Whether the user name is meant for a hub at all: its version has a question mark before it,
/// and its second and third parts are not the provisioning service's.
pub(crate) fn is_for_hub(username: &str) -> bool {
    split(username)
        .is_some_and(|(hub, device, _)| hub.contains('.') && !device.starts_with("registrations/"))
}

/// Takes it apart. The device's id stands in it as in `client_id`, or percent-encoded: an id may
/// have a `%` of its own, so the client id tells which. With another client id the place has the
/// id as it stands. The error says what is wrong, for the log.
pub(crate) fn parse(username: &str, client_id: &str) -> Result<Place, &'static str> {
    let (hub, device, query) = split(username).ok_or("it has no device id or no api-version")?;
    let is_version = |parameter: &str| {
        parameter.strip_prefix("api-version=").is_some_and(|version| !version.is_empty())
    };
    if !query.split('&').any(is_version) {
        return Err("it has no api-version");
    }
    if device.is_empty() {
        return Err("its device id is empty");
    }
    if device.contains('/') {
        return Err("modules are not known here");
    }
    let is_encoded = percent::decode(device).as_deref() == Some(client_id);
    let device = if is_encoded { client_id } else { device };
    Ok(Place { hub: hub.to_owned(), device: device.to_owned() })
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
            let place = parse(&username, "Dev:1.a_b-c").unwrap();
            assert_eq!(place.hub, "contoso-hub.localhost");
            assert_eq!(place.device, "Dev:1.a_b-c");
        }
    }

    #[test]
    fn the_client_id_tells_how_the_device_id_is_written() {
        for (written, client_id, device) in [
            ("a%2Fb", "a%2Fb", "a%2Fb"),
            ("a%252Fb", "a%2Fb", "a%2Fb"),
            ("100%", "100%", "100%"),
            ("?a", "?a", "?a"),
            ("Dev%3a1", "Dev:1", "Dev:1"),
            ("registrations", "registrations", "registrations"),
            // Another device's: the caller compares.
            ("Dev%3a1", "other", "Dev%3a1"),
            ("%zz", "other", "%zz"),
        ] {
            let username = format!("hub.x/{written}/?api-version=1");
            assert!(is_for_hub(&username));
            assert_eq!(parse(&username, client_id).unwrap().device, device, "{written}");
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
        ] {
            assert!(parse(username, "dev").is_err(), "{username}");
        }
    }
}
