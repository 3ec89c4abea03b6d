//! The user name of CONNECT: `{scope}/registrations/{regid}/api-version={v}[&...]`
//! (`wire-protocol.md` sections 2.1 and 2.3).

use crate::service::DeviceIdentity;
use dps_core::RegistrationId;

/// Takes any api-version and any further parameters. The error says what is wrong, for the log.
pub(super) fn parse(username: &str) -> Result<DeviceIdentity, &'static str> {
    let mut segments = username.splitn(4, '/');
    let scope = segments.next().filter(|scope| !scope.is_empty()).ok_or("it has no ID scope")?;
    if segments.next() != Some("registrations") {
        return Err("its second segment is not \"registrations\"");
    }
    let id = segments.next().ok_or("it has no registration id")?;
    let id = RegistrationId::new(id).map_err(|_| "its registration id is not a valid one")?;
    // Everything else belongs to the parameters: a ClientVersion may have a raw slash.
    let query = segments.next().ok_or("it has no api-version")?;
    let is_version = |parameter: &str| {
        parameter.strip_prefix("api-version=").is_some_and(|version| !version.is_empty())
    };
    if !query.split('&').any(is_version) {
        return Err("it has no api-version (which here has no ? before it)");
    }
    Ok(DeviceIdentity::new(scope, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_of_real_clients() {
        for rest in [
            "api-version=2021-06-01&ClientVersion=1.15.0",
            "api-version=2019-03-31&ClientVersion=azure-iot-device-provisioning-py%2F2.14.0%283.11.7%3BLinux%20%231%20SMP%3Bx86_64%29",
            "api-version=2019-03-31&ClientVersion=2019-03-31",
            "api-version=2025-07-01-preview&ClientVersion=a/b/c",
            "api-version=2019-03-31",
            "ClientVersion=x&api-version=never-heard-of",
        ] {
            let identity = parse(&format!("0ne00111111/registrations/Dev:1.a_b-c/{rest}")).unwrap();
            assert_eq!(identity.id_scope, "0ne00111111");
            assert_eq!(identity.registration_id.as_str(), "Dev:1.a_b-c");
        }
    }

    #[test]
    fn unusable_user_names() {
        for username in [
            "",
            "0ne00111111",
            "/registrations/dev1/api-version=1",
            "0ne00111111/devices/dev1/api-version=1",
            "0ne00111111/registrations/dev1",
            "0ne00111111/registrations/dev1/",
            "0ne00111111/registrations/dev1/?api-version=2019-03-31",
            "0ne00111111/registrations/dev1/api-version=",
            "0ne00111111/registrations//api-version=1",
            "0ne00111111/registrations/dev 1/api-version=1",
            "contoso-hub.azure-devices.net/dev1/?api-version=2021-04-12",
        ] {
            assert!(parse(username).is_err(), "{username:?}");
        }
    }
}
