/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* DPS_LL_*, the client of September and October 2017, on top of Prov_Device_LL_*. */
#include "azure_hub_modules/dps_client.h"

#include <stdlib.h>
#include <string.h>

#include "azure_prov_client/internal/prov_auth_client.h"
#include "azure_prov_client/prov_device_ll_client.h"
#include "dps/dps.h"
#include "instance.h"
#include "security.h"

/* The original's constants. */
enum
{
    TIME_LIMIT_MS = 60000,
    POLL_INTERVAL_MS = 3000,
    TOKEN_LIFETIME_S = 3600
};

/* DPS_LL_HANDLE is libdps's number under another type. */
static PROV_DEVICE_LL_HANDLE client_of(DPS_LL_HANDLE handle)
{
    return (PROV_DEVICE_LL_HANDLE)(void*)handle;
}

static DPS_RESULT result_of(PROV_DEVICE_RESULT result)
{
    switch (result)
    {
        case PROV_DEVICE_RESULT_OK:
            return DPS_CLIENT_OK;
        case PROV_DEVICE_RESULT_INVALID_ARG:
            return DPS_CLIENT_INVALID_ARG;
        default:
            return DPS_CLIENT_ERROR;
    }
}

static DPS_ERROR error_of(PROV_DEVICE_RESULT result)
{
    switch (result)
    {
        case PROV_DEVICE_RESULT_INVALID_ARG:
            return DPS_ERROR_INVALID_ARG;
        case PROV_DEVICE_RESULT_MEMORY:
            return DPS_ERROR_MEMORY;
        case PROV_DEVICE_RESULT_PARSING:
            return DPS_ERROR_PARSING;
        case PROV_DEVICE_RESULT_TRANSPORT:
            return DPS_ERROR_TRANSPORT;
        case PROV_DEVICE_RESULT_INVALID_STATE:
            return DPS_ERROR_INVALID_STATE;
        case PROV_DEVICE_RESULT_TIMEOUT:
            return DPS_ERROR_TIMEOUT;
        case PROV_DEVICE_RESULT_KEY_ERROR:
            return DPS_ERROR_KEY_ERROR;
        default:
            /* Credentials refused, device disabled or blacklisted, no hub for it: what 2017 has no
             * words for. */
            return DPS_ERROR_DEV_AUTH_ERROR;
    }
}

static void on_registered(PROV_DEVICE_RESULT result, const char* iothub_uri, const char* device_id, void* context)
{
    const RUN run = *(RUN*)context;
    dps_2017_run_end(context);
    if (result == PROV_DEVICE_RESULT_OK)
    {
        run.on_registered(DPS_CLIENT_OK, iothub_uri, device_id, run.registered_context);
    }
    else if (run.on_error != NULL)
    {
        run.on_error(error_of(result), run.error_context);
    }
}

static void on_status(PROV_DEVICE_REG_STATUS status, void* context)
{
    const RUN* run = context;
    /* The first four have the same numbers; of the others 2017 knows nothing. */
    if (status <= PROV_DEVICE_REG_STATUS_ASSIGNED)
    {
        run->on_status((DPS_REGISTRATION_STATUS)status, run->status_context);
    }
}

static bool be_patient_as_in_2017(PROV_DEVICE_LL_HANDLE client)
{
    DPS_POLICY policy;
    memset(&policy, 0, sizeof(policy));
    policy.size = sizeof(policy);
    if (dps_ll_get_policy(client, &policy) != PROV_DEVICE_RESULT_OK)
    {
        return false;
    }
    policy.deadline_ms = TIME_LIMIT_MS;
    policy.poll_interval_ms = POLL_INTERVAL_MS;
    policy.token_lifetime_s = TOKEN_LIFETIME_S;
    return dps_ll_set_policy(client, &policy) == PROV_DEVICE_RESULT_OK;
}

/* As the original reads it, in Create. Before there is a client, since some modules bear one handle at a
 * time only. To be freed; NULL: libdps has the reason. */
static char* registration_id(void)
{
    char* id = NULL;
    PROV_AUTH_HANDLE auth = prov_auth_create();
    if (auth != NULL)
    {
        id = prov_auth_get_registration_id(auth);
        prov_auth_destroy(auth);
    }
    return id;
}

DPS_LL_HANDLE DPS_LL_Create(const char* dps_uri, const char* scope_id, DPS_TRANSPORT_PROVIDER_FUNCTION protocol, DPS_CLIENT_ON_ERROR_CALLBACK on_error_callback, void* user_ctx)
{
    PROV_DEVICE_LL_HANDLE client;
    bool complete = dps_uri != NULL && scope_id != NULL && protocol != NULL;
    char* id;
    dps_2017_set_reason(NULL);
    id = complete && dps_2017_start() == 0 ? registration_id() : NULL;
    if (complete && id == NULL)
    {
        return NULL;
    }
    /* With an argument missing, libdps says which. */
    client = Prov_Device_LL_Create(dps_uri, scope_id, protocol);
    if (client != NULL)
    {
        if (be_patient_as_in_2017(client) &&
            Prov_Device_LL_SetOption(client, PROV_REGISTRATION_ID, id) == PROV_DEVICE_RESULT_OK &&
            dps_2017_instance_add(client, on_error_callback, user_ctx))
        {
            free(id);
            return (DPS_LL_HANDLE)(void*)client;
        }
        dps_2017_set_reason("config: there is no memory for a client");
        Prov_Device_LL_Destroy(client);
    }
    free(id);
    return NULL;
}

void DPS_LL_Destroy(DPS_LL_HANDLE handle)
{
    if (dps_2017_instance_remove(handle))
    {
        Prov_Device_LL_Destroy(client_of(handle));
    }
}

DPS_RESULT DPS_LL_Register_Device(DPS_LL_HANDLE handle, DPS_CLIENT_REGISTER_DEVICE_CALLBACK register_callback, void* user_context, DPS_CLIENT_REGISTER_STATUS_CALLBACK reg_status_cb, void* status_user_ctext)
{
    PROV_DEVICE_RESULT result;
    INSTANCE* instance;
    RUN* run;
    if (register_callback == NULL || (instance = dps_2017_instance_borrow(handle)) == NULL)
    {
        return DPS_CLIENT_INVALID_ARG;
    }
    run = dps_2017_run_begin(instance);
    if (run == NULL)
    {
        dps_2017_instance_give_back(instance);
        return DPS_CLIENT_ERROR;
    }
    run->on_registered = register_callback;
    run->registered_context = user_context;
    run->on_status = reg_status_cb;
    run->status_context = status_user_ctext;
    result = Prov_Device_LL_Register_Device(client_of(handle), on_registered, run, reg_status_cb == NULL ? NULL : on_status, run);
    if (result != PROV_DEVICE_RESULT_OK)
    {
        dps_2017_run_end(run);
    }
    /* Else the run may have ended already, if another thread calls DoWork. */
    dps_2017_instance_give_back(instance);
    return result_of(result);
}

void DPS_LL_DoWork(DPS_LL_HANDLE handle)
{
    /* Borrowed for as long as callbacks may come: one of them, or another thread, may call Destroy. */
    INSTANCE* instance = dps_2017_instance_borrow(handle);
    if (instance != NULL)
    {
        Prov_Device_LL_DoWork(client_of(handle));
        dps_2017_instance_give_back(instance);
    }
}

DPS_RESULT DPS_LL_SetOption(DPS_LL_HANDLE handle, const char* optionName, const void* value)
{
    static const char* const OF_2017[] = { "TrustedCerts", "logtrace", "proxy_data" };
    PROV_DEVICE_RESULT result;
    INSTANCE* instance;
    size_t index;
    if (optionName == NULL || (instance = dps_2017_instance_borrow(handle)) == NULL)
    {
        return DPS_CLIENT_INVALID_ARG;
    }
    result = Prov_Device_LL_SetOption(client_of(handle), optionName, value);
    dps_2017_instance_give_back(instance);
    for (index = 0; index < sizeof(OF_2017) / sizeof(OF_2017[0]); index++)
    {
        if (strcmp(optionName, OF_2017[index]) == 0)
        {
            return result_of(result);
        }
    }
    return DPS_CLIENT_OK;
}

const char* DPS_LL_Get_Version_String(void)
{
    return "1.1.01";
}

const char* dps_client_last_error(DPS_LL_HANDLE handle)
{
    const char* own = handle == NULL ? dps_2017_reason() : NULL;
    return own != NULL ? own : dps_ll_last_error(client_of(handle));
}
