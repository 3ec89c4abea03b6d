/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Registers a device that proves itself with a certificate: the least that such a program needs.
 *
 *   prov_dev_client_ll_x509_sample ID-SCOPE CHAIN.pem KEY.pem [HOST[:PORT] [TRUSTED.pem]]
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "azure_prov_client/prov_transport_mqtt_client.h"
#include "dps/dps.h"
#include "iothub.h"

#include "text.h"

MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(PROV_DEVICE_RESULT, PROV_DEVICE_RESULT_VALUE)

typedef struct OUTCOME_TAG
{
    bool done;
    PROV_DEVICE_RESULT result;
} OUTCOME;

static void on_registered(PROV_DEVICE_RESULT result, const char* iothub_uri, const char* device_id, void* context)
{
    OUTCOME* outcome = context;
    if (result == PROV_DEVICE_RESULT_OK)
    {
        printf("Registration Information received from service: %s, deviceId: %s\n", iothub_uri, device_id);
    }
    outcome->result = result;
    outcome->done = true;
}

static bool set(PROV_DEVICE_LL_HANDLE client, const char* option, const char* text)
{
    return Prov_Device_LL_SetOption(client, option, text) == PROV_DEVICE_RESULT_OK;
}

static PROV_DEVICE_RESULT register_device(PROV_DEVICE_LL_HANDLE client, const char* chain, const char* key, const char* trusted)
{
    OUTCOME outcome = { false, PROV_DEVICE_RESULT_ERROR };

    /* The registration id is the certificate's common name; PROV_REGISTRATION_ID would set
     * another. */
    if (client == NULL || !set(client, OPTION_X509_CERT, chain) || !set(client, OPTION_X509_PRIVATE_KEY, key) ||
        (trusted != NULL && !set(client, OPTION_TRUSTED_CERT, trusted)))
    {
        return PROV_DEVICE_RESULT_ERROR;
    }
    outcome.result = Prov_Device_LL_Register_Device(client, on_registered, &outcome, NULL, NULL);
    if (outcome.result != PROV_DEVICE_RESULT_OK)
    {
        return outcome.result;
    }
    while (!outcome.done)
    {
        Prov_Device_LL_DoWork(client);
        ThreadAPI_Sleep(10);
    }
    return outcome.result;
}

int main(int argc, char** argv)
{
    PROV_DEVICE_RESULT result = PROV_DEVICE_RESULT_ERROR;
    char* chain;
    char* key;
    char* trusted = NULL;

    if (argc < 4 || argc > 6)
    {
        fprintf(stderr, "Usage: %s ID-SCOPE CHAIN.pem KEY.pem [HOST[:PORT] [TRUSTED.pem]]\n", argv[0]);
        return 2;
    }
    chain = text_of_file(argv[2]);
    key = text_of_file(argv[3]);
    if (argc > 5)
    {
        trusted = text_of_file(argv[5]);
    }
    if (chain != NULL && key != NULL && (argc <= 5 || trusted != NULL))
    {
        const char* host = argc > 4 ? argv[4] : "global.azure-devices-provisioning.net";
        PROV_DEVICE_LL_HANDLE client = NULL;
        if (IoTHub_Init() == 0 && prov_dev_security_init(SECURE_DEVICE_TYPE_X509) == 0)
        {
            client = Prov_Device_LL_Create(host, argv[1], Prov_Device_MQTT_Protocol);
            result = register_device(client, chain, key, trusted);
        }
        if (result != PROV_DEVICE_RESULT_OK)
        {
            fprintf(stderr, "%s: %s\n", MU_ENUM_TO_STRING(PROV_DEVICE_RESULT, result), dps_ll_last_error(client));
        }
        Prov_Device_LL_Destroy(client);
        prov_dev_security_deinit();
        IoTHub_Deinit();
    }
    text_wipe_and_free(key);
    free(chain);
    free(trusted);
    return result == PROV_DEVICE_RESULT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
