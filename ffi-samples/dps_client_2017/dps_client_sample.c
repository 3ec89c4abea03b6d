/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A program as it was written in 2017: it starts the security module that it is linked with, registers
 * the device, and says which hub it belongs to, where a program goes on with
 * IoTHubClient_LL_CreateFromDeviceAuth.
 *
 *   dps_client_sample TRANSPORT ID-SCOPE [HOST[:PORT] [TRUSTED.pem]]
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/macro_utils.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_hub_modules/dps_client.h"
#include "azure_hub_modules/dps_transport_amqp_client.h"
#include "azure_hub_modules/dps_transport_amqp_ws_client.h"
#include "azure_hub_modules/dps_transport_http_client.h"
#include "azure_hub_modules/dps_transport_mqtt_client.h"
#include "azure_hub_modules/dps_transport_mqtt_ws_client.h"
#include "azure_hub_modules/secure_device_factory.h"

#include "text.h"

DEFINE_ENUM_STRINGS(DPS_ERROR, DPS_ERROR_VALUES)
DEFINE_ENUM_STRINGS(DPS_REGISTRATION_STATUS, DPS_REGISTRATION_STATUS_VALUES)

static const char* const GLOBAL_SERVICE = "global.azure-devices-provisioning.net";

static const struct
{
    const char* name;
    DPS_TRANSPORT_PROVIDER_FUNCTION protocol;
} TRANSPORTS[] = {
    { "http", DPS_HTTP_Protocol },
    { "mqtt", DPS_MQTT_Protocol },
    { "mqtt-ws", DPS_MQTT_WS_Protocol },
    { "amqp", DPS_AMQP_Protocol },
    { "amqp-ws", DPS_AMQP_WS_Protocol },
};

typedef struct DEVICE_TAG
{
    bool done;
    bool registered;
} DEVICE;

static void on_registered(DPS_RESULT register_result, const char* iothub_uri, const char* device_id, void* user_context)
{
    DEVICE* device = user_context;
    printf("Registration Information received from service: %s, deviceId: %s\n", iothub_uri, device_id);
    device->registered = register_result == DPS_CLIENT_OK;
    device->done = true;
}

/* Failures come here, and never to on_registered. */
static void on_error(DPS_ERROR error_type, void* user_context)
{
    DEVICE* device = user_context;
    const char* name = ENUM_TO_STRING(DPS_ERROR, error_type);
    fprintf(stderr, "Failure in registration: %s\n", name != NULL ? name : "unknown");
    device->done = true;
}

static void on_status(DPS_REGISTRATION_STATUS reg_status, void* user_context)
{
    const char* name = ENUM_TO_STRING(DPS_REGISTRATION_STATUS, reg_status);
    (void)user_context;
    printf("Provisioning Status: %s\n", name != NULL ? name : "unknown");
}

static DPS_TRANSPORT_PROVIDER_FUNCTION transport_of_2017(const char* name)
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

static void register_device(DPS_CLIENT_LL_HANDLE client, const char* trusted, DEVICE* device)
{
    if (trusted != NULL && DPS_Client_LL_SetOption(client, "TrustedCerts", trusted) != DPS_CLIENT_OK)
    {
        return;
    }
    if (DPS_Client_LL_Register_Device(client, on_registered, device, on_status, device) == IOTHUB_DPS_OK)
    {
        do
        {
            DPS_Client_LL_DoWork(client);
            ThreadAPI_Sleep(10);
        } while (!device->done);
    }
}

int main(int argc, char** argv)
{
    DEVICE device = { false, false };
    DPS_CLIENT_LL_HANDLE client = NULL;
    char* trusted = NULL;

    if (argc < 3 || argc > 5 || transport_of_2017(argv[1]) == NULL)
    {
        fprintf(stderr, "Usage: %s http|mqtt|mqtt-ws|amqp|amqp-ws ID-SCOPE [HOST[:PORT] [TRUSTED.pem]]\n", argv[0]);
        return 2;
    }
    if (argc > 4 && (trusted = text_of_file(argv[4])) == NULL)
    {
        return EXIT_FAILURE;
    }
    printf("Provisioning API Version: %s\n", DPS_Client_LL_Get_Version_String());
    if (security_device_init() == 0)
    {
        client = DPS_Client_LL_Create(argc > 3 ? argv[3] : GLOBAL_SERVICE, argv[2], transport_of_2017(argv[1]), on_error, &device);
        if (client != NULL)
        {
            register_device(client, trusted, &device);
        }
    }
    if (!device.registered)
    {
        /* Beyond what there was in 2017. */
        fprintf(stderr, "%s\n", dps_client_last_error(client));
    }
    DPS_Client_LL_Destroy(client);
    dps_secure_device_deinit();
    free(trusted);
    return device.registered ? EXIT_SUCCESS : EXIT_FAILURE;
}
