/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Registers a device, by symmetric key or certificate, over any transport, with the client that the
 * program drives: everything happens inside Prov_Device_LL_DoWork, on the one thread there is.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "azure_c_shared_utility/shared_util_options.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "azure_prov_client/prov_security_factory.h"
#include "dps/dps.h"
#include "iothub.h"

#include "settings.h"

MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(PROV_DEVICE_RESULT, PROV_DEVICE_RESULT_VALUE)
MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(PROV_DEVICE_REG_STATUS, PROV_DEVICE_REG_STATUS_VALUES)

/* Pause between two calls of DoWork. */
#define PAUSE_MS 10

typedef struct OUTCOME_TAG
{
    bool done;
    PROV_DEVICE_RESULT result;
} OUTCOME;

static void on_status(PROV_DEVICE_REG_STATUS status, void* context)
{
    (void)context;
    printf("Provisioning Status: %s\n", MU_ENUM_TO_STRING(PROV_DEVICE_REG_STATUS, status));
    fflush(stdout);
}

static void on_registered(PROV_DEVICE_RESULT result, const char* iothub_uri, const char* device_id, void* context)
{
    OUTCOME* outcome = context;
    if (result == PROV_DEVICE_RESULT_OK)
    {
        printf("\nRegistration Information received from service: %s, deviceId: %s\n", iothub_uri, device_id);
        fflush(stdout);
    }
    outcome->result = result;
    outcome->done = true;
}

static void print_failure(PROV_DEVICE_LL_HANDLE client)
{
    DPS_FAILURE failure;
    failure.size = sizeof(failure);
    if (dps_ll_last_failure(client, &failure) == PROV_DEVICE_RESULT_OK)
    {
        fprintf(stderr, "\nRegistration failed: %s\n", MU_ENUM_TO_STRING(PROV_DEVICE_RESULT, failure.result));
        fprintf(stderr, "  reason: %s\n  hint:   %s\n", failure.text, failure.hint);
    }
}

/* Sets an option, unless there is no value for it. */
static bool set(PROV_DEVICE_LL_HANDLE client, const char* option, const void* value)
{
    return value == NULL || Prov_Device_LL_SetOption(client, option, value) == PROV_DEVICE_RESULT_OK;
}

static bool apply_settings(PROV_DEVICE_LL_HANDLE client, const SAMPLE_SETTINGS* settings)
{
    const bool x509 = settings->proof == SECURE_DEVICE_TYPE_X509;
    bool trace = settings->trace;
    DPS_POLICY policy;

    /* In any order. The library copies what it is given. */
    if (!set(client, PROV_OPTION_LOG_TRACE, &trace) ||
        !set(client, OPTION_TRUSTED_CERT, settings->trusted_cert) ||
        !set(client, OPTION_HTTP_PROXY, settings->proxy.host_address != NULL ? &settings->proxy : NULL) ||
        !set(client, OPTION_X509_CERT, settings->certificate) ||
        !set(client, OPTION_X509_PRIVATE_KEY, settings->certificate_key) ||
        !set(client, PROV_REGISTRATION_ID, x509 ? settings->registration_id : NULL))
    {
        return false;
    }
    policy.size = sizeof(policy);
    if (dps_ll_get_policy(client, &policy) != PROV_DEVICE_RESULT_OK)
    {
        return false;
    }
    policy.deadline_ms = settings->timeout * 1000u;
    return dps_ll_set_policy(client, &policy) == PROV_DEVICE_RESULT_OK;
}

static bool register_device(const SAMPLE_SETTINGS* settings)
{
    OUTCOME outcome = { false, PROV_DEVICE_RESULT_ERROR };
    PROV_DEVICE_LL_HANDLE client = Prov_Device_LL_Create(settings->endpoint, settings->id_scope, settings->protocol);

    if (client == NULL || !apply_settings(client, settings) ||
        Prov_Device_LL_Register_Device(client, on_registered, &outcome, on_status, NULL) != PROV_DEVICE_RESULT_OK)
    {
        print_failure(client);
        Prov_Device_LL_Destroy(client);
        return false;
    }

    printf("\nRegistering Device\n\n");
    fflush(stdout);

    while (!outcome.done)
    {
        Prov_Device_LL_DoWork(client);
        ThreadAPI_Sleep(PAUSE_MS);
    }

    if (outcome.result != PROV_DEVICE_RESULT_OK)
    {
        print_failure(client);
    }
    Prov_Device_LL_Destroy(client);
    return outcome.result == PROV_DEVICE_RESULT_OK;
}

int main(int argc, char** argv)
{
    SAMPLE_SETTINGS settings;
    bool registered = false;
    int code = settings_read(&settings, argc, argv);
    if (code != 0)
    {
        return code;
    }

    if (IoTHub_Init() != 0 || settings_choose_proof(&settings) != 0)
    {
        fprintf(stderr, "error: %s\n", dps_ll_last_error(NULL));
    }
    else
    {
        printf("Provisioning API Version: %s\n", Prov_Device_LL_GetVersionString());
        registered = register_device(&settings);
    }

    prov_dev_security_deinit();
    IoTHub_Deinit();
    settings_wait_for_enter(&settings);
    settings_free(&settings);
    return registered ? EXIT_SUCCESS : EXIT_FAILURE;
}
