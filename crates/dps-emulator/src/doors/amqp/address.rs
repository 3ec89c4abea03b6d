//! Node addresses and user names: `{scope}/registrations/{regid}`, with what some clients put
//! before it (`wire-protocol.md` section 4.2).

use crate::service::DeviceIdentity;
use dps_core::RegistrationId;

/// The error says what is wrong, for the log.
pub(super) fn parse(address: &str) -> Result<DeviceIdentity, &'static str> {
    let path = match address.strip_prefix("amqps://") {
        Some(rest) => rest.split_once('/').ok_or("the address has nothing after the host")?.1,
        None => address.strip_prefix('/').unwrap_or(address),
    };
    let mut segments = path.split('/');
    let scope = segments.next().filter(|scope| !scope.is_empty());
    let scope = scope.ok_or("the address has no ID scope")?;
    if segments.next() != Some("registrations") {
        return Err("the address's second segment is not \"registrations\"");
    }
    let id = segments.next().ok_or("the address has no registration id")?;
    let id = RegistrationId::new(id).map_err(|_| "the address's registration id is not valid")?;
    match segments.next() {
        None => Ok(DeviceIdentity::new(scope, id)),
        Some(_) => Err("the address has more than three segments"),
    }
}

/// Whether both are the same device: letters' case does not matter (section 1.1).
pub(super) fn is_same(one: &DeviceIdentity, other: &DeviceIdentity) -> bool {
    one.id_scope.eq_ignore_ascii_case(&other.id_scope)
        && one.registration_id.as_str().eq_ignore_ascii_case(other.registration_id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_real_clients_are_the_same() {
        let plain = parse("0ne00111111/registrations/Dev:1.a_b-c").unwrap();
        for address in [
            "amqps://global.azure-devices-provisioning.net/0ne00111111/registrations/Dev:1.a_b-c",
            "amqps://127.0.0.1:5671/0ne00111111/registrations/Dev:1.a_b-c",
            "/0ne00111111/registrations/Dev:1.a_b-c",
            "0NE00111111/registrations/dev:1.A_B-c",
        ] {
            assert!(is_same(&parse(address).unwrap(), &plain), "{address}");
        }
        assert!(!is_same(&parse("0ne00111111/registrations/x").unwrap(), &plain));
        assert!(!is_same(&parse("0ne00111112/registrations/Dev:1.a_b-c").unwrap(), &plain));
    }

    #[test]
    fn other_addresses_are_refused() {
        for address in [
            "",
            "/",
            "scope",
            "scope/registrations",
            "scope/registrations/",
            "scope/devices/d",
            "scope/registrations/d/more",
            "//registrations/d",
            "amqps://host",
            "amqps://host/scope",
            "scope/registrations/not valid",
        ] {
            assert!(parse(address).is_err(), "{address:?}");
        }
    }
}
