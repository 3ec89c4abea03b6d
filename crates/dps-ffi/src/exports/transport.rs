//! `prov_transport_*_client.h` (`c-abi.md` section 1.4).
#![allow(unsafe_code, non_snake_case)]

use crate::abi::PROV_DEVICE_TRANSPORT_PROVIDER;
use core::ptr;

static MQTT: PROV_DEVICE_TRANSPORT_PROVIDER = PROV_DEVICE_TRANSPORT_PROVIDER { name: "MQTT" };

/// MQTT 3.1.1 over TLS, port 8883. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_MQTT_Protocol() -> *const PROV_DEVICE_TRANSPORT_PROVIDER {
    &raw const MQTT
}

/// The name of the transport, if the pointer is one that this library gave out. Nothing is read
/// through it.
pub(super) fn known(provider: *const PROV_DEVICE_TRANSPORT_PROVIDER) -> Option<&'static str> {
    [&MQTT].into_iter().find(|known| ptr::eq(*known, provider)).map(|known| known.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_providers_are_known() {
        assert_eq!(known(Prov_Device_MQTT_Protocol()), Some("MQTT"));
        assert_eq!(known(ptr::null()), None);
        assert_eq!(known(ptr::without_provenance(64)), None);
    }
}
