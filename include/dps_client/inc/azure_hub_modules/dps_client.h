/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The provisioning client of September and October 2017, on top of libdps. Its functions are called
 * DPS_LL_*; documents of that time also name them DPS_Client_LL_*, and here both are there. New
 * programs use azure_prov_client/prov_device_ll_client.h.
 *
 * What differs from today's client: failures come to the error callback that Create was given, and
 * the register callback comes on success only. Each registration ends with one call of either.
 */
#ifndef DPS_CLIENT_H
#define DPS_CLIENT_H

#include "azure_c_shared_utility/macro_utils.h"
#include "azure_c_shared_utility/umock_c_prod.h"
#include "azure_hub_modules/dps_transport.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Not an address, but a number that is never used twice; the handle of the libdps client behind it, so
 * that the functions of dps/dps.h take it after a cast to PROV_DEVICE_LL_HANDLE. */
typedef struct DPS_INSTANCE_INFO_TAG* DPS_LL_HANDLE;

/* What the functions return. */
#define DPS_RESULT_VALUES \
    DPS_CLIENT_OK, \
    DPS_CLIENT_INVALID_ARG, \
    DPS_CLIENT_ERROR

typedef enum DPS_RESULT_TAG
{
    DPS_RESULT_VALUES
} DPS_RESULT;

/* Why a registration has failed. */
#define DPS_ERROR_VALUES \
    DPS_ERROR_SUCCESS, \
    DPS_ERROR_INVALID_ARG, \
    DPS_ERROR_MEMORY, \
    DPS_ERROR_PARSING, \
    DPS_ERROR_TRANSPORT, \
    DPS_ERROR_INVALID_STATE, \
    DPS_ERROR_DEV_AUTH_ERROR, \
    DPS_ERROR_TIMEOUT, \
    DPS_ERROR_KEY_ERROR

typedef enum DPS_ERROR_TAG
{
    DPS_ERROR_VALUES
} DPS_ERROR;

/* Delivered are CONNECTED, once, and ASSIGNING, once for each such answer of the service. */
#define DPS_REGISTRATION_STATUS_VALUES \
    DPS_REGISTRATION_STATUS_CONNECTED, \
    DPS_REGISTRATION_STATUS_REGISTERING, \
    DPS_REGISTRATION_STATUS_ASSIGNING, \
    DPS_REGISTRATION_STATUS_ASSIGNED

typedef enum DPS_REGISTRATION_STATUS_TAG
{
    DPS_REGISTRATION_STATUS_VALUES
} DPS_REGISTRATION_STATUS;

/* Defined by programs that use ENUM_TO_STRING: DEFINE_ENUM_STRINGS(DPS_RESULT, DPS_RESULT_VALUES). */
const char* DPS_RESULTStrings(DPS_RESULT value);
const char* DPS_ERRORStrings(DPS_ERROR value);
const char* DPS_REGISTRATION_STATUSStrings(DPS_REGISTRATION_STATUS value);

/* The device is assigned; register_result is DPS_CLIENT_OK, and the texts live until the callback
 * returns. */
typedef void (*DPS_CLIENT_REGISTER_DEVICE_CALLBACK)(DPS_RESULT register_result, const char* iothub_uri, const char* device_id, void* user_context);
typedef void (*DPS_CLIENT_ON_ERROR_CALLBACK)(DPS_ERROR error_type, void* user_context);
typedef void (*DPS_CLIENT_REGISTER_STATUS_CALLBACK)(DPS_REGISTRATION_STATUS reg_status, void* user_context);
typedef const DPS_TRANSPORT_PROVIDER* (*DPS_TRANSPORT_PROVIDER_FUNCTION)(void);

/* Makes a client for the service at dps_uri (host or host:port), and asks the security module who the
 * device is. on_error_callback may be NULL: then failures are silent. NULL if another argument is NULL,
 * if dps_secure_device_init has not succeeded, or if the module does not tell; dps_client_last_error(NULL)
 * tells which. */
MOCKABLE_FUNCTION(, DPS_LL_HANDLE, DPS_LL_Create, const char*, dps_uri, const char*, scope_id, DPS_TRANSPORT_PROVIDER_FUNCTION, protocol, DPS_CLIENT_ON_ERROR_CALLBACK, on_error_callback, void*, user_ctx)

/* Ends the client. No callback comes any more. NULL and destroyed handles are ignored; may be called
 * from a callback. */
MOCKABLE_FUNCTION(, void, DPS_LL_Destroy, DPS_LL_HANDLE, handle)

/* Begins a registration, which may take 60 seconds. reg_status_cb and the contexts may be NULL.
 * DPS_CLIENT_INVALID_ARG for a handle that is not alive or a NULL register callback; DPS_CLIENT_ERROR
 * while a registration is under way, or when the security module has not what it takes. */
MOCKABLE_FUNCTION(, DPS_RESULT, DPS_LL_Register_Device, DPS_LL_HANDLE, handle, DPS_CLIENT_REGISTER_DEVICE_CALLBACK, register_callback, void*, user_context, DPS_CLIENT_REGISTER_STATUS_CALLBACK, reg_status_cb, void*, status_user_ctext)

/* Does what can be done at once, calls the callbacks, and returns. To be called every few
 * milliseconds. */
MOCKABLE_FUNCTION(, void, DPS_LL_DoWork, DPS_LL_HANDLE, handle)

/* "TrustedCerts", "logtrace" and "proxy_data", as in docs/c-api.md. Any other option gives
 * DPS_CLIENT_OK; one that today's client knows has its effect, if it may be set. */
MOCKABLE_FUNCTION(, DPS_RESULT, DPS_LL_SetOption, DPS_LL_HANDLE, handle, const char*, optionName, const void*, value)

/* "1.1.01" */
MOCKABLE_FUNCTION(, const char*, DPS_LL_Get_Version_String)

/* The names in documents of 2017. */
typedef DPS_LL_HANDLE DPS_CLIENT_LL_HANDLE;
typedef DPS_CLIENT_REGISTER_DEVICE_CALLBACK DPS_REGISTER_DEVICE_CALLBACK;
#define IOTHUB_DPS_OK DPS_CLIENT_OK

MOCKABLE_FUNCTION(, DPS_CLIENT_LL_HANDLE, DPS_Client_LL_Create, const char*, dps_uri, const char*, scope_id, DPS_TRANSPORT_PROVIDER_FUNCTION, protocol, DPS_CLIENT_ON_ERROR_CALLBACK, on_error_callback, void*, user_ctx)
MOCKABLE_FUNCTION(, void, DPS_Client_LL_Destroy, DPS_CLIENT_LL_HANDLE, handle)
MOCKABLE_FUNCTION(, DPS_RESULT, DPS_Client_LL_Register_Device, DPS_CLIENT_LL_HANDLE, handle, DPS_CLIENT_REGISTER_DEVICE_CALLBACK, register_callback, void*, user_context, DPS_CLIENT_REGISTER_STATUS_CALLBACK, reg_status_cb, void*, status_user_ctext)
MOCKABLE_FUNCTION(, void, DPS_Client_LL_DoWork, DPS_CLIENT_LL_HANDLE, handle)
MOCKABLE_FUNCTION(, DPS_RESULT, DPS_Client_LL_SetOption, DPS_CLIENT_LL_HANDLE, handle, const char*, optionName, const void*, value)
MOCKABLE_FUNCTION(, const char*, DPS_Client_LL_Get_Version_String)

/* Beyond the original: what has failed last and what to do about it, in one line; of a handle, or, with
 * NULL, of the calling thread's last Create or dps_secure_device_init. Empty when nothing has; never
 * NULL. The text lives until the same thread asks again. */
MOCKABLE_FUNCTION(, const char*, dps_client_last_error, DPS_LL_HANDLE, handle)

#ifdef __cplusplus
}
#endif

#endif /* DPS_CLIENT_H */
