/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef DPS_TRANSPORT_AMQP_WS_CLIENT_H
#define DPS_TRANSPORT_AMQP_WS_CLIENT_H

#include "azure_c_shared_utility/umock_c_prod.h"
#include "azure_hub_modules/dps_transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* AMQP 1.0 in a WebSocket over TLS, port 443. Never NULL, no side effect. */
MOCKABLE_FUNCTION(, const DPS_TRANSPORT_PROVIDER*, DPS_AMQP_WS_Protocol)

#ifdef __cplusplus
}
#endif

#endif /* DPS_TRANSPORT_AMQP_WS_CLIENT_H */
