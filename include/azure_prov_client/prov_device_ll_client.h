/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The provisioning client that the program drives itself: nothing happens outside
 * Prov_Device_LL_DoWork, no call blocks, and no thread is needed.
 */
#ifndef PROV_DEVICE_LL_CLIENT_H
#define PROV_DEVICE_LL_CLIENT_H

#include "azure_macro_utils/macro_utils.h"
#include "umock_c/umock_c_prod.h"
#include "azure_c_shared_utility/const_defines.h"
#include "azure_prov_client/prov_client_const.h"
#include "azure_prov_client/prov_transport.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct PROV_INSTANCE_INFO_TAG* PROV_DEVICE_LL_HANDLE;

#define PROV_DEVICE_RESULT_VALUE \
    PROV_DEVICE_RESULT_OK, \
    PROV_DEVICE_RESULT_INVALID_ARG, \
    PROV_DEVICE_RESULT_SUCCESS, \
    PROV_DEVICE_RESULT_MEMORY, \
    PROV_DEVICE_RESULT_PARSING, \
    PROV_DEVICE_RESULT_TRANSPORT, \
    PROV_DEVICE_RESULT_INVALID_STATE, \
    PROV_DEVICE_RESULT_DEV_AUTH_ERROR, \
    PROV_DEVICE_RESULT_TIMEOUT, \
    PROV_DEVICE_RESULT_KEY_ERROR, \
    PROV_DEVICE_RESULT_ERROR, \
    PROV_DEVICE_RESULT_HUB_NOT_SPECIFIED, \
    PROV_DEVICE_RESULT_UNAUTHORIZED, \
    PROV_DEVICE_RESULT_DISABLED

MU_DEFINE_ENUM_WITHOUT_INVALID(PROV_DEVICE_RESULT, PROV_DEVICE_RESULT_VALUE);

/* Delivered are CONNECTED, once, and ASSIGNING, once for each such answer of the service. */
#define PROV_DEVICE_REG_STATUS_VALUES \
    PROV_DEVICE_REG_STATUS_CONNECTED, \
    PROV_DEVICE_REG_STATUS_REGISTERING, \
    PROV_DEVICE_REG_STATUS_ASSIGNING, \
    PROV_DEVICE_REG_STATUS_ASSIGNED, \
    PROV_DEVICE_REG_STATUS_ERROR, \
    PROV_DEVICE_REG_HUB_NOT_SPECIFIED

MU_DEFINE_ENUM_WITHOUT_INVALID(PROV_DEVICE_REG_STATUS, PROV_DEVICE_REG_STATUS_VALUES);

/* Options for SetOption: const char*, bool*, uint8_t* (seconds, 0 = off). For X.509, const char*: the
 * device's certificate, followed by its issuers', and its private key, in PEM. */
static const char* const PROV_REGISTRATION_ID STATIC_VAR_UNUSED = "registration_id";
static const char* const PROV_OPTION_LOG_TRACE STATIC_VAR_UNUSED = "logtrace";
static const char* const PROV_OPTION_TIMEOUT STATIC_VAR_UNUSED = "provisioning_timeout";

/* Shared with iothub_client_options.h of the C SDK, hence the guards. */
#ifndef OPTION_X509_CERT_DEF
#define OPTION_X509_CERT_DEF
static const char* OPTION_X509_CERT STATIC_VAR_UNUSED = "x509certificate";
#endif
#ifndef OPTION_X509_PRIVATE_KEY_DEF
#define OPTION_X509_PRIVATE_KEY_DEF
static const char* OPTION_X509_PRIVATE_KEY STATIC_VAR_UNUSED = "x509privatekey";
#endif

/* The outcome, once for each accepted Register_Device. The texts are NULL unless register_result
 * is PROV_DEVICE_RESULT_OK, and live until the callback returns. */
typedef void (*PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK)(PROV_DEVICE_RESULT register_result, const char* iothub_uri, const char* device_id, void* user_context);
typedef void (*PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK)(PROV_DEVICE_REG_STATUS reg_status, void* user_context);
typedef const PROV_DEVICE_TRANSPORT_PROVIDER* (*PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION)(void);

/* Makes a client for the service at uri (host or host:port). NULL if an argument is NULL, if
 * prov_dev_security_init has not succeeded, or if the kind of proof lacks what it needs (a
 * symmetric key: prov_dev_set_symmetric_key_info). dps_ll_last_error(NULL) tells which. */
MOCKABLE_FUNCTION(, PROV_DEVICE_LL_HANDLE, Prov_Device_LL_Create, const char*, uri, const char*, scope_id, PROV_DEVICE_TRANSPORT_PROVIDER_FUNCTION, protocol)

/* Ends the client. No callback comes any more. NULL and destroyed handles are ignored; may be
 * called from a callback. */
MOCKABLE_FUNCTION(, void, Prov_Device_LL_Destroy, PROV_DEVICE_LL_HANDLE, handle)

/* Begins a registration. reg_status_cb and the contexts may be NULL. */
MOCKABLE_FUNCTION(, PROV_DEVICE_RESULT, Prov_Device_LL_Register_Device, PROV_DEVICE_LL_HANDLE, handle, PROV_DEVICE_CLIENT_REGISTER_DEVICE_CALLBACK, register_callback, void*, user_context, PROV_DEVICE_CLIENT_REGISTER_STATUS_CALLBACK, reg_status_cb, void*, status_user_ctext)

/* Does what can be done at once, calls the callbacks, and returns. To be called every few
 * milliseconds. */
MOCKABLE_FUNCTION(, void, Prov_Device_LL_DoWork, PROV_DEVICE_LL_HANDLE, handle)

/* Sets an option; the table in docs/c-api.md lists them. */
MOCKABLE_FUNCTION(, PROV_DEVICE_RESULT, Prov_Device_LL_SetOption, PROV_DEVICE_LL_HANDLE, handle, const char*, optionName, const void*, value)

/* PROV_DEVICE_CLIENT_VERSION. */
MOCKABLE_FUNCTION(, const char*, Prov_Device_LL_GetVersionString)

/* JSON to send along with the next registration, copied; NULL for none. */
MOCKABLE_FUNCTION(, PROV_DEVICE_RESULT, Prov_Device_LL_Set_Provisioning_Payload, PROV_DEVICE_LL_HANDLE, handle, const char*, json)

/* JSON that came with the assignment, or NULL. Lives until the next accepted Register_Device or
 * Destroy. */
MOCKABLE_FUNCTION(, const char*, Prov_Device_LL_Get_Provisioning_Payload, PROV_DEVICE_LL_HANDLE, handle)

#ifdef __cplusplus
}
#endif

#endif /* PROV_DEVICE_LL_CLIENT_H */
