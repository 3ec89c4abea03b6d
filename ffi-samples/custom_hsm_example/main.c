/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Registers a device whose identity a security module of one's own holds.
 *
 *   custom_hsm_example symmetric-key|x509|tpm TRANSPORT ID-SCOPE [HOST[:PORT] [TRUSTED.pem]]
 *   custom_hsm_example tpm
 *
 * The second form shows what an enrollment for the TPM needs.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_prov_client/internal/iothub_auth_client.h"
#include "azure_prov_client/internal/prov_auth_client.h"
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
static bool use_module(const char* kind)
{
    if (strcmp(kind, "tpm") == 0)
    {
        return dps_hsm_register_tpm(custom_hsm_tpm()) == PROV_DEVICE_RESULT_OK &&
               prov_dev_security_init(SECURE_DEVICE_TYPE_TPM) == 0;
    }
    if (strcmp(kind, "x509") == 0)
    {
        return dps_hsm_register_x509(custom_hsm_x509()) == PROV_DEVICE_RESULT_OK &&
               prov_dev_security_init(SECURE_DEVICE_TYPE_X509) == 0;
    }
    return dps_hsm_register_symmetric_key(custom_hsm_key()) == PROV_DEVICE_RESULT_OK &&
           prov_dev_security_init(SECURE_DEVICE_TYPE_SYMMETRIC_KEY) == 0;
}

/* What the service has to be told about a TPM, and how the hub client will sign. */
static bool show_tpm(void)
{
    PROV_AUTH_HANDLE auth = prov_auth_create();
    unsigned char* key = NULL;
    size_t length = 0, at;
    char* id = prov_auth_get_registration_id(auth);
    bool shown = id != NULL && dps_prov_auth_tpm_key(auth, 0, &key, &length) == 0;
    if (shown)
    {
        printf("Registration Id: %s\nEndorsement Key: ", id);
        for (at = 0; at < length; at++)
        {
            printf("%02x", key[at]);
        }
        printf("\n");
    }
    free(key);
    free(id);
    prov_auth_destroy(auth);
    return shown;
}

static bool show_hub_token(void)
{
    IOTHUB_SECURITY_HANDLE hub = iothub_device_auth_create();
    DEVICE_AUTH_CREDENTIAL_INFO info;
    CREDENTIAL_RESULT* token;
    memset(&info, 0, sizeof(info));
    info.dev_auth_type = AUTH_TYPE_SAS;
    info.sas_info.token_scope = "hub%2fdevices%2fdevice";
    info.sas_info.expiry_seconds = 1893456000;
    token = iothub_device_auth_generate_credentials(hub, &info);
    /* A token is a secret; this one is for no device. */
    if (token != NULL)
    {
        printf("Hub token: %s\n", token->auth_cred_result.sas_result.sas_token);
    }
    free(token);
    iothub_device_auth_destroy(hub);
    return token != NULL;
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

    const bool is_tpm = argc > 1 && strcmp(argv[1], "tpm") == 0;

    if (is_tpm && custom_hsm_tpm() == NULL)
    {
        fprintf(stderr, "This program was built without tss2 (libtss2-dev), so it has no TPM.\n");
        return EXIT_FAILURE;
    }
    if (is_tpm && argc == 2)
    {
        registered = use_module(argv[1]) && show_tpm();
        if (!registered)
        {
            fprintf(stderr, "%s\n", dps_last_error(NULL));
        }
        prov_dev_security_deinit();
        return registered ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (argc < 4 || argc > 6 || (!is_tpm && strcmp(argv[1], "symmetric-key") != 0 && strcmp(argv[1], "x509") != 0) ||
        transport_by_name(argv[2]) == NULL)
    {
        fprintf(stderr, "Usage: %s symmetric-key|x509|tpm TRANSPORT ID-SCOPE [HOST[:PORT] [TRUSTED.pem]]\n"
                        "TRANSPORT is one of: %s\n", argv[0], transport_names());
        return 2;
    }
    if (argc > 5 && (trusted = text_of_file(argv[5])) == NULL)
    {
        return EXIT_FAILURE;
    }
    if (IoTHub_Init() == 0 && use_module(argv[1]))
    {
        const char* host = argc > 4 ? argv[4] : "global.azure-devices-provisioning.net";
        client = Prov_Device_LL_Create(host, argv[3], transport_by_name(argv[2]));
        registered = register_device(client, trusted) && (!is_tpm || show_hub_token());
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
