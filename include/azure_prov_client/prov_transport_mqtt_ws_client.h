/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PROV_TRANSPORT_MQTT_WS_CLIENT_H
#define PROV_TRANSPORT_MQTT_WS_CLIENT_H

#include "umock_c/umock_c_prod.h"
#include "azure_prov_client/prov_transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* MQTT 3.1.1 in a WebSocket over TLS, port 443. Never NULL, no side effect. */
MOCKABLE_FUNCTION(, const PROV_DEVICE_TRANSPORT_PROVIDER*, Prov_Device_MQTT_WS_Protocol)

#ifdef __cplusplus
}
#endif

#endif /* PROV_TRANSPORT_MQTT_WS_CLIENT_H */
