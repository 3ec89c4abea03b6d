/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Registers a device whose identity a security module of one's own holds.
 *
 *   custom_hsm_example symmetric-key|x509 TRANSPORT ID-SCOPE [HOST[:PORT] [TRUSTED.pem]]
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "dps/dps.h"
#include "iothub.h"

#include "custom_hsm_example.h"
#include "text.h"
#include "transports.h"

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

/* The module takes the place of the library's own of its kind. */
static bool use_module(bool certified)
{
    if (certified)
    {
        return dps_hsm_register_x509(custom_hsm_x509()) == PROV_DEVICE_RESULT_OK &&
               prov_dev_security_init(SECURE_DEVICE_TYPE_X509) == 0;
    }
    return dps_hsm_register_symmetric_key(custom_hsm_key()) == PROV_DEVICE_RESULT_OK &&
           prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY) == 0;
}

static bool register_device(PROV_DEVICE_LL_HANDLE client, const char* trusted)
{
    OUTCOME outcome = { false, PROV_DEVICE_RESULT_ERROR };
    if (client == NULL || (trusted != NULL && Prov_Device_LL_SetOption(client, OPTION_TRUSTED_CERT, trusted) != PROV_DEVICE_RESULT_OK))
    {
        return false;
    }
    if (Prov_Device_LL_Register_Device(client, on_registered, &outcome, NULL, NULL) != PROV_DEVICE_RESULT_OK)
    {
        return false;
    }
    while (!outcome.done)
    {
        Prov_Device_LL_DoWork(client);
        ThreadAPI_Sleep(10);
    }
    return outcome.result == PROV_DEVICE_RESULT_OK;
}

int main(int argc, char** argv)
{
    PROV_DEVICE_LL_HANDLE client = NULL;
    bool registered = false;
    char* trusted = NULL;

    if (argc < 4 || argc > 6 || (strcmp(argv[1], "symmetric-key") != 0 && strcmp(argv[1], "x509") != 0) ||
        transport_by_name(argv[2]) == NULL)
    {
        fprintf(stderr, "Usage: %s symmetric-key|x509 TRANSPORT ID-SCOPE [HOST[:PORT] [TRUSTED.pem]]\n"
                        "TRANSPORT is one of: %s\n", argv[0], transport_names());
        return 2;
    }
    if (argc > 5 && (trusted = text_of_file(argv[5])) == NULL)
    {
        return EXIT_FAILURE;
    }
    if (IoTHub_Init() == 0 && use_module(strcmp(argv[1], "x509") == 0))
    {
        const char* host = argc > 4 ? argv[4] : "global.azure-devices-provisioning.net";
        client = Prov_Device_LL_Create(host, argv[3], transport_by_name(argv[2]));
        registered = register_device(client, trusted);
    }
    if (!registered)
    {
        fprintf(stderr, "%s\n", dps_ll_last_error(client));
    }
    Prov_Device_LL_Destroy(client);
    prov_dev_security_deinit();
    IoTHub_Deinit();
    free(trusted);
    return registered ? EXIT_SUCCESS : EXIT_FAILURE;
}
