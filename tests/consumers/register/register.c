/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a program of somebody else's does with libdps: it registers one device. The projects beside
 * this folder build it, each in its own way, without more of libdps's source than this.
 *
 *   register TRANSPORT ENDPOINT ID_SCOPE REGISTRATION_ID KEY CA_FILE
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "azure_prov_client/prov_device_ll_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_amqp_client.h"
#include "azure_prov_client/prov_transport_amqp_ws_client.h"
#include "azure_prov_client/prov_transport_http_client.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "azure_prov_client/prov_transport_mqtt_ws_client.h"
#include "azure_c_shared_utility/shared_util_options.h"
#include "dps/dps.h"

/* With the functions that programs of the C SDK call beside those of provisioning. */
#ifdef WITH_COMPAT
#include "azure_c_shared_utility/threadapi.h"
#include "iothub.h"
#endif

static int done;
static int assigned;

static void on_registered(PROV_DEVICE_RESULT result, const char* hub, const char* device, void* context)
{
    (void)context;
    assigned = result == PROV_DEVICE_RESULT_OK;
    if (assigned)
    {
        printf("assigned %s %s\n", hub, device);
    }
    done = 1;
}

static void pause_briefly(void)
{
#ifdef WITH_COMPAT
    ThreadAPI_Sleep(5);
#else
    const struct timespec rest = { 0, 5000000L };
    (void)nanosleep(&rest, NULL);
#endif
}

static PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION transport(const char* name)
{
    if (strcmp(name, "mqtt") == 0) return Prov_Device_MQTT_Protocol;
    if (strcmp(name, "mqtt-ws") == 0) return Prov_Device_MQTT_WS_Protocol;
    if (strcmp(name, "http") == 0) return Prov_Device_HTTP_Protocol;
    if (strcmp(name, "amqp") == 0) return Prov_Device_AMQP_Protocol;
    if (strcmp(name, "amqp-ws") == 0) return Prov_Device_AMQP_WS_Protocol;
    return NULL;
}

static int read_file(const char* name, char* text, size_t room)
{
    size_t length;
    FILE* file = fopen(name, "r");
    if (file == NULL)
    {
        return 1;
    }
    length = fread(text, 1, room - 1, file);
    text[length] = '\0';
    (void)fclose(file);
    return length == 0 || length == room - 1;
}

int main(int argc, char** argv)
{
    static char ca[16384];
    unsigned char limit = 60;
    PROV_DEVICE_LL_HANDLE client;
    if (argc != 7 || read_file(argv[6], ca, sizeof(ca)) != 0)
    {
        fputs("wrong arguments\n", stderr);
        return 2;
    }
    if (strcmp(dps_version(), DPS_VERSION) != 0)
    {
        fprintf(stderr, "headers of %s, library of %s\n", DPS_VERSION, dps_version());
        return 1;
    }
#ifdef WITH_COMPAT
    if (IoTHub_Init() != 0)
    {
        return 1;
    }
#endif
    if (prov_dev_set_symmetric_key_info(argv[4], argv[5]) != 0 ||
        prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY) != 0)
    {
        fprintf(stderr, "%s\n", dps_ll_last_error(NULL));
        return 1;
    }
    client = Prov_Device_LL_Create(argv[2], argv[3], transport(argv[1]));
    if (client == NULL ||
        Prov_Device_LL_SetOption(client, OPTION_TRUSTED_CERT, ca) != PROV_DEVICE_RESULT_OK ||
        Prov_Device_LL_SetOption(client, PROV_OPTION_TIMEOUT, &limit) != PROV_DEVICE_RESULT_OK ||
        Prov_Device_LL_Register_Device(client, on_registered, NULL, NULL, NULL) != PROV_DEVICE_RESULT_OK)
    {
        fprintf(stderr, "%s\n", dps_ll_last_error(client));
        return 1;
    }
    while (!done)
    {
        Prov_Device_LL_DoWork(client);
        pause_briefly();
    }
    if (!assigned)
    {
        fprintf(stderr, "%s\n", dps_ll_last_error(client));
    }
    Prov_Device_LL_Destroy(client);
    prov_dev_security_deinit();
#ifdef WITH_COMPAT
    IoTHub_Deinit();
#endif
    return assigned ? EXIT_SUCCESS : EXIT_FAILURE;
}
