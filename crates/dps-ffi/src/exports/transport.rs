//! `prov_transport_*_client.h` (`c-abi.md` section 1.4).
#![allow(unsafe_code, non_snake_case)]

use crate::abi::PROV_DEVICE_TRANSPORT_PROVIDER;
use core::ptr;
use dps_client::Transport;

type Provider = PROV_DEVICE_TRANSPORT_PROVIDER;

static MQTT: Provider = Provider { transport: Transport::Mqtt };
static MQTT_WS: Provider = Provider { transport: Transport::MqttWs };
static HTTP: Provider = Provider { transport: Transport::Http };
static AMQP: Provider = Provider { transport: Transport::Amqp };
static AMQP_WS: Provider = Provider { transport: Transport::AmqpWs };

/// All that this library gives out.
const PROVIDERS: [&Provider; 5] = [&MQTT, &MQTT_WS, &HTTP, &AMQP, &AMQP_WS];

/// MQTT 3.1.1 over TLS, port 8883. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_MQTT_Protocol() -> *const PROV_DEVICE_TRANSPORT_PROVIDER {
    &raw const MQTT
}

/// MQTT 3.1.1 in a WebSocket, port 443. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_MQTT_WS_Protocol() -> *const PROV_DEVICE_TRANSPORT_PROVIDER {
    &raw const MQTT_WS
}

/// HTTPS, port 443. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_HTTP_Protocol() -> *const PROV_DEVICE_TRANSPORT_PROVIDER {
    &raw const HTTP
}

/// AMQP 1.0 over TLS, port 5671. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_AMQP_Protocol() -> *const PROV_DEVICE_TRANSPORT_PROVIDER {
    &raw const AMQP
}

/// AMQP 1.0 in a WebSocket, port 443. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn Prov_Device_AMQP_WS_Protocol() -> *const PROV_DEVICE_TRANSPORT_PROVIDER {
    &raw const AMQP_WS
}

/// The transport, if the pointer is one that this library gave out. Nothing is read through it.
pub(super) fn known(provider: *const PROV_DEVICE_TRANSPORT_PROVIDER) -> Option<Transport> {
    PROVIDERS.into_iter().find(|known| ptr::eq(*known, provider)).map(|known| known.transport)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_has_its_function() {
        let functions: [(extern "C" fn() -> *const Provider, _); PROVIDERS.len()] = [
            (Prov_Device_MQTT_Protocol, Transport::Mqtt),
            (Prov_Device_MQTT_WS_Protocol, Transport::MqttWs),
            (Prov_Device_HTTP_Protocol, Transport::Http),
            (Prov_Device_AMQP_Protocol, Transport::Amqp),
            (Prov_Device_AMQP_WS_Protocol, Transport::AmqpWs),
        ];
        for (function, transport) in functions {
            assert_eq!(known(function()), Some(transport));
        }
        for transport in Transport::ALL {
            assert!(functions.iter().any(|(_, offered)| *offered == transport), "{transport}");
        }
    }

    #[test]
    fn only_our_own_providers_are_known() {
        assert_eq!(known(ptr::null()), None);
        assert_eq!(known(ptr::without_provenance(64)), None);
    }
}
