/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The transports' names of 2017. */
#include "azure_hub_modules/dps_transport_amqp_client.h"
#include "azure_hub_modules/dps_transport_amqp_ws_client.h"
#include "azure_hub_modules/dps_transport_http_client.h"
#include "azure_hub_modules/dps_transport_mqtt_client.h"
#include "azure_hub_modules/dps_transport_mqtt_ws_client.h"
#include "azure_prov_client/prov_transport_amqp_client.h"
#include "azure_prov_client/prov_transport_amqp_ws_client.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "azure_prov_client/prov_transport_mqtt_ws_client.h"

const DPS_TRANSPORT_PROVIDER* DPS_HTTP_Protocol(void)
{
    return Prov_Device_HTTP_Protocol();
}

const DPS_TRANSPORT_PROVIDER* DPS_MQTT_Protocol(void)
{
    return Prov_Device_MQTT_Protocol();
}

const DPS_TRANSPORT_PROVIDER* DPS_MQTT_WS_Protocol(void)
{
    return Prov_Device_MQTT_WS_Protocol();
}

const DPS_TRANSPORT_PROVIDER* DPS_AMQP_Protocol(void)
{
    return Prov_Device_AMQP_Protocol();
}

const DPS_TRANSPORT_PROVIDER* DPS_AMQP_WS_Protocol(void)
{
    return Prov_Device_AMQP_WS_Protocol();
}
