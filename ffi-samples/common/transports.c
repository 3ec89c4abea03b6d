/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "transports.h"

#include <stddef.h>
#include <string.h>

#include "azure_prov_client/prov_transport_amqp_client.h"
#include "azure_prov_client/prov_transport_amqp_ws_client.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "azure_prov_client/prov_transport_mqtt_ws_client.h"

static const struct
{
    const char* name;
    PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION protocol;
} TRANSPORTS[] = {
    { "mqtt", Prov_Device_MQTT_Protocol },
    { "mqtt-ws", Prov_Device_MQTT_WS_Protocol },
    { "http", Prov_Device_HTTP_Protocol },
    { "amqp", Prov_Device_AMQP_Protocol },
    { "amqp-ws", Prov_Device_AMQP_WS_Protocol },
};

PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION transport_by_name(const char* name)
{
    size_t index;
    for (index = 0; index < sizeof(TRANSPORTS) / sizeof(TRANSPORTS[0]); index++)
    {
        if (strcmp(TRANSPORTS[index].name, name) == 0)
        {
            return TRANSPORTS[index].protocol;
        }
    }
    return NULL;
}

const char* transport_names(void)
{
    return "mqtt, mqtt-ws, http, amqp, amqp-ws";
}
